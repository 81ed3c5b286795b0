"""Brings rows into the raw store, and no further: what is new in the sources, or what quarantine holds and passes by now.

In: a specification. Out: plain data, and what went wrong. A dataset that fails does not stop the others; each of the two ways
is a run of its own in the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from engine.config.spec import PipelineSpec
from engine.errors import LevadaError
from engine.execute import Watcher, Workers
from engine.ingestion import ingest, plan_dataset
from engine.ingestion.checks import Verdict, check_datasets, last_ingested, plan_checks
from engine.ingestion.replay import Replayed, plan_replay, replay
from engine.opened import Stores, ended, opened, recorded, workers_of
from engine.plugin import ALL, Window
from engine.summary import ingest_summary, replay_summary

Plan = TypeVar("Plan")


@dataclass(frozen=True, slots=True, repr=False)
class Intake:
    """What came of ``levada ingest`` or ``levada quarantine replay``: plain data, and what went wrong."""

    summary: Mapping[str, Any]
    errors: Sequence[LevadaError]

    def raise_failure(self) -> None:
        """Raise the first failure, if there is one."""
        for error in self.errors:
            raise error


def ingest_pipeline(
    spec: PipelineSpec, names: Sequence[str] | None = None, window: Window = ALL, *, watchers: Sequence[Watcher] = ()
) -> Intake:
    """Ingest what is new of the datasets of a pipeline, of all or of those named.

    A window is for datasets of mode append: unless they are named, the others are left out of it. Raises ``UnknownName``
    for a dataset that the pipeline does not have, ``Interrupted`` on Ctrl-C.
    """
    able = [name for name, dataset in spec.datasets.items() if window == ALL or dataset.mode == "append"]
    wanted = (able or list(spec.datasets)) if names is None else spec.named(names)
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers, spec.origin.placed():
        with recorded(stores.catalog, [spec.name]) as (record,):
            planned, errors = _planned(
                wanted, lambda name: plan_dataset(name, spec.datasets[name], stores.files, stores.catalog, window)
            )
            found = ingest(
                planned,
                stores.files,
                stores.catalog,
                stores.bus,
                workers,
                run=record.id,
                keep_going=spec.keep_going,
                watchers=watchers,
            )
        failures = [*errors.values(), *(error for one in found for error in one.failures())]
        summary = ingest_summary(spec, found, errors, failures, record)
        ended(stores.catalog, record, summary["status"], summary)
    return Intake(summary, failures)


def replay_quarantine(spec: PipelineSpec, dataset: str | None = None, *, watchers: Sequence[Watcher] = ()) -> Intake:
    """Bring in the quarantined rows of a dataset, or of all datasets of a pipeline, that keep the rules of the pipeline now.

    The rules about a dataset as a whole are looked at once its rows are in, as after any ingestion. Raises ``UnknownName``
    for a dataset that the pipeline does not have, ``Interrupted`` on Ctrl-C.
    """
    wanted = spec.named(list(spec.datasets) if dataset is None else [dataset])
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers, spec.origin.placed():
        with recorded(stores.catalog, [spec.name]) as (record,):
            planned, errors = _planned(wanted, lambda name: plan_replay(name, spec.datasets[name], stores.catalog))
            found = replay(
                planned,
                stores.files,
                stores.catalog,
                stores.bus,
                workers,
                run=record.id,
                keep_going=spec.keep_going,
                watchers=watchers,
            )
            verdicts = _judged(spec, found, stores, workers, record.id, watchers)
        broken = [verdict.error for verdict in verdicts if verdict.error is not None]
        failures = [*errors.values(), *(error for one in found for error in one.failures.values()), *broken]
        summary = replay_summary(found, [finding for one in verdicts for finding in one.findings], failures, record)
        ended(stores.catalog, record, summary["status"], summary)
    return Intake(summary, failures)


def _planned(names: Iterable[str], plan: Callable[[str], Plan]) -> tuple[list[Plan], dict[str, LevadaError]]:
    """Return what is to be done for each dataset, and what is wrong with those that can not begin."""
    planned: list[Plan] = []
    errors: dict[str, LevadaError] = {}
    for name in names:
        try:
            planned.append(plan(name))
        except LevadaError as error:
            errors[name] = error
    return planned, errors


def _judged(
    spec: PipelineSpec, found: Sequence[Replayed], stores: Stores, workers: Workers, run: str, watchers: Sequence[Watcher]
) -> list[Verdict]:
    """Return what datasets break now that have new rows: those stay, as they are committed."""
    names = [one.name for one in found if one.batch is not None]
    subjects = [replace(last_ingested(name, stores.catalog), dataset=spec.datasets[name]) for name in names]
    asked = plan_checks(subjects, stores.catalog)
    return check_datasets(asked, stores.files, stores.catalog, workers, run=run, keep_going=spec.keep_going, watchers=watchers)
