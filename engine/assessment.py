"""Assesses the datasets of a pipeline: what is new is ingested, each partition summarized once, summaries merged and read.

In: a specification. Out: an ``Assessment``: findings as plain data and what would settle them. A new batch costs the
summary of its own partitions and the merges above them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from engine.assess import drift, findings, propose, relations
from engine.assess.findings import Finding
from engine.assess.profile import Profile
from engine.assess.summary import tidy
from engine.compile import code_of, used
from engine.config.spec import PipelineSpec
from engine.errors import DataError, LevadaError, unknown
from engine.execute import Execution, Outcome, Watcher, execute
from engine.graph import Graph, Task
from engine.ingestion import Ingested, foreseen, plan_dataset
from engine.ingestion.replay import chains
from engine.registry import describe
from engine.runs import Stores, ingest_pipeline, opened, workers_of
from engine.schemas import schema_of
from engine.stages.transform import apply_steps
from engine.stores.artifacts import plain

_FAN_IN = 32  # summaries that one task merges
_ALONE = ["key", "row", "sample", "missing"]  # what is large and not compared between batches


@dataclass(frozen=True, slots=True, repr=False)
class Assessment:
    """``summary`` is all of it as plain data: datasets with their findings and proposals; ``executions`` what was done."""

    summary: Mapping[str, Any]
    executions: Sequence[Execution]
    errors: Sequence[LevadaError]

    @property
    def proposals(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """What would settle the findings, by dataset."""
        return {one["name"]: one["proposal"] for one in self.summary["datasets"]}

    def raise_failure(self) -> None:
        """Raise the first failure, if there is one."""
        for error in self.errors:
            raise error


@dataclass(frozen=True, slots=True)
class _Plan:
    """The graph of a dataset's assessment: given partitions, the key of each batch's summary in order, that of all."""

    graph: Graph
    given: Mapping[str, Outcome]
    batches: tuple[str, ...]
    whole: str


def assess_pipeline(spec: PipelineSpec, names: Sequence[str] | None = None, *, watchers: Sequence[Watcher] = ()) -> Assessment:
    """Assess the datasets of a pipeline, all or those named; what their sources have anew is ingested first.

    Raises ``UnknownName`` for a dataset that the pipeline does not have, ``Interrupted`` on Ctrl-C. What could not be
    ingested or assessed is among ``errors``; what is there is assessed all the same.
    """
    wanted = list(spec.datasets) if names is None else list(dict.fromkeys(names))
    for name in wanted:
        if name not in spec.datasets:
            raise unknown("dataset", name, spec.datasets, where="datasets")
    brought = ingest_pipeline(spec, wanted, watchers=watchers)
    executions, errors, found = list[Execution](), list(brought.errors), list[dict[str, Any]]()
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers, spec.origin.placed():
        for name in wanted:
            ingested = _there(spec, name, stores)
            if ingested is None:
                continue
            plan = _plan(ingested, spec.datasets[name].key)
            execution = execute(
                plan.graph,
                stores.files,
                stores.catalog,
                workers,
                keep_going=spec.keep_going,
                watchers=watchers,
                given=plan.given,
            )
            executions.append(execution)
            if failed := execution.failures():
                errors += [error for _, error in failed]
                continue
            found.append(_read(spec, ingested, plan, execution, stores))
    return Assessment({"pipeline": spec.name, "datasets": found}, executions, errors)


def _there(spec: PipelineSpec, name: str, stores: Stores) -> Ingested | None:
    """Return what is there of a dataset; None if that is nothing, or not all of it, for which ingestion has an error."""
    try:
        planned = plan_dataset(name, spec.datasets[name], stores.files, stores.catalog, look=True)
    except LevadaError:
        return None  # ingestion has met it before, and kept it
    found = foreseen(planned, stores.files)
    whole = all(one.partition.source in found.outcomes for one in found.held)
    return found if found.held and whole else None


def _plan(ingested: Ingested, key: Sequence[str]) -> _Plan:
    name, tasks, given = ingested.name, list[Task](), dict[str, Outcome]()
    code, merging = code_of("assess", []), code_of("merge_assessed", [])
    parts = [(chain, place) for chain in chains(ingested.held) for place in range(len(chain.parts))]
    parts.sort(key=lambda part: (part[0].parts[part[1]].batch.sequence, part[0].source, part[1]))
    by_batch: dict[str, list[str]] = {}
    for number, (chain, place) in enumerate(parts):
        held = chain.parts[place]
        outcome = ingested.outcomes[held.partition.source]
        assert outcome.artifact is not None, "whoever calls has seen that nothing failed"
        piece = {"source": held.partition.source, "rows": outcome.artifact.digest}
        tasks.append(Task("ingest", plain(piece), (), "", f"{name}.ingest", number, ""))
        given[tasks[-1].key] = outcome
        params = {
            "source": chain.source,
            "links": [link.to_json() for link in chain.links(place)],
            "without": [list(one) for one in held.without],
            "key": list(key),
        }
        inputs, label = (tasks[-1].key,), f"{name}.assess"
        tasks.append(Task("assess", plain(params), inputs, code, label, number, f"artifacts/{label}"))
        by_batch.setdefault(held.batch.id, []).append(tasks[-1].key)
    count = 0

    def merged(keys: Sequence[str]) -> str:
        """Add a tree of merges; one summary needs none."""
        nonlocal count
        keys, label = list(keys), f"{name}.merge_assessed"
        while len(keys) > 1:
            groups = [keys[start : start + _FAN_IN] for start in range(0, len(keys), _FAN_IN)]
            above = []
            for group in groups:
                if len(group) > 1:
                    tasks.append(Task("merge_assessed", "{}", tuple(group), merging, label, count, f"artifacts/{label}"))
                    count += 1
                above.append(tasks[-1].key if len(group) > 1 else group[0])
            keys = above
        return keys[0]

    batches = tuple(merged(keys) for keys in by_batch.values())
    whole = merged(batches)
    return _Plan(Graph(tasks), given, batches, whole)


def _read(spec: PipelineSpec, ingested: Ingested, plan: _Plan, execution: Execution, stores: Stores) -> dict[str, Any]:
    def summary(key: str) -> pl.DataFrame:
        artifact = execution.artifact(key)
        assert artifact is not None, "whoever calls has seen that nothing failed"
        return stores.files.scan(artifact).collect()

    name, key = ingested.name, spec.datasets[ingested.name].key
    whole, batches = summary(plan.whole), [summary(one) for one in plan.batches]
    found = findings.examine(whole, key)
    if len(batches) > 1:
        compared = pl.col("what").is_in(_ALONE).not_()
        earlier = tidy(pl.concat([one.filter(compared) for one in batches[:-1]]))
        found += [*drift.compare(earlier, batches[-1]), *drift.trends(batches, key)]
    sample = relations.sample_of(whole, schema_of(ingested.content.columns))
    found = findings.ordered([*found, *relations.correlated(sample, key), *_leaks(spec, name, sample)])
    return {
        "name": name,
        "rows": Profile(whole).rows,
        "columns": len(Profile(whole).columns),
        "batches": len(batches),
        "findings": [one.plain() for one in found],
        "proposal": propose.propose(_open(spec, name, found, _shared(spec, name, stores))),
    }


def _leaks(spec: PipelineSpec, name: str, sample: pl.DataFrame) -> list[Finding]:
    """Look for columns that give the target away, as they are after ``prepare``, and before it dropped any."""
    target = spec.problem.target
    if name != spec.view.from_ or target is None or not sample.height:
        return []
    steps = [describe(step) for step in spec.datasets[name].prepare]
    making = [node for node in steps if node["use"] not in ("drop", "keep", "deduplicate")]
    try:
        rows = apply_steps(sample.lazy(), making, []).collect()
        kept = (
            apply_steps(rows.lazy(), [node for node in steps if node["use"] in ("drop", "keep")], []).collect_schema().names()
        )
    except (DataError, pl.exceptions.PolarsError) as error:
        message = f"not looked for leaks of {target}: {str(error).splitlines()[0]}"
        return [Finding("note", "not_looked", (), message, "see whether the steps under prepare fit the data")]
    if target not in rows.columns:
        return []
    dropped = [column for column in rows.columns if column not in kept]
    return relations.leaking(rows, target, dropped=dropped, key=spec.datasets[name].key)


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
    row_rules = ("key_missing", "outliers")  # these become checks, which change no column

    def free(finding: Finding) -> bool:
        if finding.kind not in row_rules and shared.intersection(finding.columns):
            return False
        text = rules if finding.kind in row_rules else named
        return not any(re.search(rf"(?<!\w){re.escape(column)}(?!\w)", text) for column in finding.columns)

    return [one for one in found if free(one)]


def _shared(spec: PipelineSpec, name: str, stores: Stores) -> set[str]:
    """Return the columns that the other datasets of the view have."""
    others = [stores.catalog.batches(other) for other in used(spec) if other != name]
    return {column for batches in others for batch in batches for column, _ in batch.columns}
