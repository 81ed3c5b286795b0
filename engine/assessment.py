"""Assesses the datasets of a pipeline: what is new is ingested, what every run finds out of it is found out, or looked up.

In: a specification. Out: an ``Assessment``: findings as plain data, and what would settle them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.assess import propose
from engine.assess.finding import Finding
from engine.compile import used
from engine.condition import plan_condition
from engine.config.spec import PipelineSpec
from engine.errors import LevadaError
from engine.execute import Execution, Watcher, execute
from engine.ingestion import Ingested, foreseen, plan_dataset
from engine.intake import ingest_pipeline
from engine.opened import Stores, opened, workers_of
from engine.registry import describe


@dataclass(frozen=True, slots=True, repr=False)
class Assessment:
    """``summary`` is all of it as plain data: datasets with their findings and proposals; ``execution`` what was done."""

    summary: Mapping[str, Any]
    execution: Execution
    errors: Sequence[LevadaError]

    @property
    def proposals(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """What would settle the findings, by dataset."""
        return {one["name"]: one["proposal"] for one in self.summary["datasets"]}

    def raise_failure(self) -> None:
        """Raise the first failure, if there is one."""
        for error in self.errors:
            raise error


def assess_pipeline(spec: PipelineSpec, names: Sequence[str] | None = None, *, watchers: Sequence[Watcher] = ()) -> Assessment:
    """Assess the datasets of a pipeline, all or those named; what their sources have anew is ingested first.

    Raises ``UnknownName`` for a dataset that the pipeline does not have, ``Interrupted`` on Ctrl-C. What could not be
    ingested or assessed is among ``errors``; what is there is assessed all the same.
    """
    wanted = spec.named(list(spec.datasets) if names is None else names)
    brought = ingest_pipeline(spec, wanted, watchers=watchers)
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers, spec.origin.placed():
        there = [one for name in wanted if (one := _there(spec, name, stores)) is not None]
        condition = plan_condition(spec, there)
        execution = execute(
            condition.graph,
            stores.files,
            stores.catalog,
            workers,
            keep_going=spec.keep_going,
            watchers=watchers,
            given=condition.given,
        )
        found = condition.read(execution)["datasets"]
        for one in found:
            told = [Finding.of_plain(node) for node in one["findings"]]
            one["proposal"] = propose.propose(_open(spec, one["name"], told, _shared(spec, one["name"], stores)))
    errors = [*brought.errors, *(error for _, error in execution.failures())]
    return Assessment({"pipeline": spec.name, "datasets": found}, execution, errors)


def _there(spec: PipelineSpec, name: str, stores: Stores) -> Ingested | None:
    """Return what is there of a dataset; None if that is nothing, or not all of it, for which ingestion has an error."""
    try:
        planned = plan_dataset(name, spec.datasets[name], stores.files, stores.catalog, look=True)
    except LevadaError:
        return None  # ingestion has met it before, and kept it
    found = foreseen(planned, stores.files)
    return found if all(one.partition.source in found.outcomes for one in found.held) else None


def _open(spec: PipelineSpec, name: str, found: Sequence[Finding], shared: set[str]) -> list[Finding]:
    """Return the findings that a step may settle without breaking one that is there.

    A column that a step, a join, the key or the target names is left alone: dropping or changing it would break them. So
    is one that another dataset has too: a join adds a suffix only to names that are there twice.
    """
    dataset = spec.datasets[name]
    nodes = [describe(step) for step in (*dataset.prepare, *spec.view.features, *spec.encode)]
    joins = [join.model_dump(mode="json", by_alias=True) for join in spec.view.join]
    named = json.dumps([*nodes, *joins, list(dataset.key), dataset.time, spec.problem.target], ensure_ascii=False)
    rules = json.dumps([describe(check) for check in dataset.expect], ensure_ascii=False)

    def free(finding: Finding) -> bool:
        checked = finding.kind in propose.CHECKED and not (finding.kind == "outliers" and finding.severity == "note")
        if not checked and shared.intersection(finding.columns):
            return False
        text = rules if checked else named
        return not any(re.search(rf"(?<!\w){re.escape(column)}(?!\w)", text) for column in finding.columns)

    return [one for one in found if free(one)]


def _shared(spec: PipelineSpec, name: str, stores: Stores) -> set[str]:
    """Return the columns that the other datasets of the view have."""
    others = [stores.catalog.batches(other) for other in used(spec) if other != name]
    return {column for batches in others for batch in batches for column, _ in batch.columns}
