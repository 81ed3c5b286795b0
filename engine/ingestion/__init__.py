"""Brings what is new in the sources into the raw store: for each dataset a pipeline of its own, all of them at once.

In: datasets, what the catalog has of them, a window. Out: for each dataset what it holds now and which batches are new.
First it is planned, from metadata alone; then partitions are read in parallel; each batch is committed and announced as
soon as it is whole. What fails stops nothing else.
"""

from __future__ import annotations

import getpass
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from engine.bus import Bus
from engine.compile import Content, Part
from engine.errors import DataError, HostError, LevadaError
from engine.execute import Outcome, Watcher, Workers, execute
from engine.graph import Graph
from engine.ingestion.admission import Admission
from engine.ingestion.checks import Questions, Subject, Verdict, check_datasets, plan_checks
from engine.ingestion.plan import Planned, definition_of, plan_dataset, recall
from engine.plugin import ALL, Finding, Window
from engine.registry import secrets_of
from engine.schemas import union
from engine.stages.numbers import outside
from engine.stores.artifacts import ArtifactStore
from engine.stores.batches import Batch, Held
from engine.stores.catalog import Catalog

__all__ = [
    "ALL",
    "Ingested",
    "Planned",
    "Window",
    "asked_of",
    "definition_of",
    "foreseen",
    "ingest",
    "plan_dataset",
    "recall",
]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of a dataset: its partitions now, with the outcome of each, and what is new.

    ``outcomes`` are by source: ran, reused or failed. ``notes`` are what a person should know: drift, files that were
    only touched. ``findings`` are rules of the whole dataset that it breaks.
    """

    name: str
    held: tuple[Held, ...]
    content: Content
    outcomes: Mapping[str, Outcome]
    rows: int
    new: tuple[Batch, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    def settled(self) -> Ingested:
        """Return the same with all that ran as something that was there before."""
        outcomes = {
            source: replace(one, status="reused", seconds=0.0) if one.status == "ran" else one
            for source, one in self.outcomes.items()
        }
        return replace(self, outcomes=outcomes, new=())

    @property
    def foreseen(self) -> tuple[str, ...]:
        """The partitions that are not read yet, by source: none after an ingestion."""
        return tuple(part.source for part in self.content.parts if part.source not in self.outcomes)

    def failures(self) -> list[LevadaError]:
        """Return what went wrong, each cause once."""
        errors = [outcome.error for outcome in self.outcomes.values() if outcome.error is not None]
        return list({str(error): error for error in errors}.values())


def ingest(
    planned: Sequence[Planned],
    store: ArtifactStore,
    catalog: Catalog,
    bus: Bus,
    workers: Workers,
    *,
    run: str,
    keep_going: bool = True,
    watchers: Sequence[Watcher] = (),
) -> list[Ingested]:
    """Ingest what was planned, all datasets at once, and return what each came to.

    Raises ``HostError`` when the catalog can not be written, ``Interrupted`` on Ctrl-C; what was committed stays.
    """
    by = f"{getpass.getuser()}@{platform.node()}"
    admissions = [Admission(one, store, catalog, bus, run=run, by=by) for one in planned]
    secrets = {one.name: secrets_of(one.dataset.extract) for one in planned}
    _execute(admissions, store, catalog, workers, secrets, run=run, keep_going=keep_going, watchers=watchers)
    if any(admission.begin_again() for admission in admissions):  # with what their rows must fit
        _execute(admissions, store, catalog, workers, secrets, run=run, keep_going=keep_going, watchers=watchers)
    found = [_ingested(admission, store, catalog) for admission in admissions]
    asked = asked_of(planned, found, catalog)
    verdicts = check_datasets(asked, store, catalog, workers, run=run, keep_going=keep_going, watchers=watchers)
    return [_judged(one, verdict) for one, verdict in zip(found, verdicts, strict=True)]


def asked_of(planned: Sequence[Planned], ingested: Sequence[Ingested], catalog: Catalog) -> Questions:
    """Return the tasks that find out which rules about all of a dataset are broken, also for what is only foreseen."""
    subjects = [
        Subject(one.name, plan.dataset, one.held, one.content.columns, one.foreseen, failed=bool(one.failures()))
        for plan, one in zip(planned, ingested, strict=True)
    ]
    return plan_checks(subjects, catalog)


def _judged(ingested: Ingested, verdict: Verdict) -> Ingested:
    """Return what came of a dataset, knowing which of its rules it breaks: if one stops, nothing is made of its rows."""
    if verdict.error is None:
        return replace(ingested, findings=verdict.findings)
    failed = Outcome("failed", error=verdict.error)
    first, *others = ingested.outcomes
    outcomes = {first: failed, **dict.fromkeys(others, Outcome("skipped"))}
    content = _content(ingested.held, outcomes)
    return replace(ingested, findings=verdict.findings, outcomes=outcomes, content=content)


def _execute(
    admissions: Sequence[Admission],
    store: ArtifactStore,
    catalog: Catalog,
    workers: Workers,
    secrets: Mapping[str, Mapping[str, str]],
    *,
    run: str,
    keep_going: bool,
    watchers: Sequence[Watcher],
) -> None:
    graph = Graph(task for admission in admissions for task in admission.tasks())
    if graph:
        both = [*admissions, *watchers]
        execute(graph, store, catalog, workers, run=run, keep_going=keep_going, watchers=both, secrets=secrets)
    for admission in admissions:
        admission.finish()


def _ingested(admission: Admission, store: ArtifactStore, catalog: Catalog) -> Ingested:
    planned = admission.planned
    held = planned.holds(catalog.batches(planned.name))
    outcomes = {one.partition.source: _outcome(one, admission, store) for one in held}
    outcomes |= admission.failed
    content = _content(held, outcomes)
    rows = sum(_rows(one, store) for one in held)
    if not admission.failed and not rows:
        outcomes |= dict.fromkeys(outcomes or [planned.name], Outcome("failed", error=_no_rows(planned.name, held)))
        content = _content(held, outcomes)
    return Ingested(planned.name, tuple(held), content, outcomes, rows, tuple(admission.committed), tuple(admission.notes))


def _rows(held: Held, store: ArtifactStore) -> int:
    """Return how many rows of a partition count: those that a later backfill has replaced do not."""
    if not held.without or not store.holds(held.artifact()):
        return held.partition.loaded.rows
    return int(outside(store.raw.scan(held.artifact()), held.without).select(pl.len()).collect().item())


def _outcome(held: Held, admission: Admission, store: ArtifactStore) -> Outcome:
    artifact = held.artifact()
    ran = admission.ran.get(held.partition.source)
    if ran is not None:
        return Outcome("ran", artifact, (), ran)
    if not store.holds(artifact):
        where = held.partition.loaded.path
        error = HostError(
            f"rows of {held.partition.source} are gone from the store", where=where, hint="bring the file back, or its source"
        )
        return Outcome("failed", error=error)
    return Outcome("reused", artifact)


def foreseen(planned: Planned, store: ArtifactStore) -> Ingested:
    """Return what a dataset would come to, as far as can be told before anything is read: new partitions have no outcome."""
    held = list(planned.held.values())
    outcomes = {one.partition.source: Outcome("reused", one.artifact()) for one in held if store.holds(one.artifact())}
    new = {part.name: _UNKNOWN for unit in planned.units for part in unit.partitions}
    return Ingested(planned.name, tuple(held), _content(held, outcomes | new), outcomes, 0, (), ())


_UNKNOWN = Outcome("skipped")


def _content(held: Sequence[Held], outcomes: Mapping[str, Outcome]) -> Content:
    """Return what the graph is made of: partitions that are there, and those that should be."""
    there = {one.partition.source: one for one in held}
    names = [*there, *(name for name in outcomes if name not in there)]
    full = [one.partition.columns for one in held if one.partition.loaded.rows]  # what was set aside whole adds no column
    found = union(full or [one.partition.columns for one in held])
    # a column without any value in it is text, for want of a better type
    columns = tuple((name, "String" if dtype == "Null" else dtype) for name, dtype in found)
    spans = {name: one.partition.spans for name, one in there.items()}
    return Content(tuple(Part(name, outcomes[name].artifact, spans.get(name, {})) for name in names), columns)


def _no_rows(name: str, held: Sequence[Held]) -> DataError:
    broken = sum(one.partition.quarantined for one in held)
    found = f"{broken:,} rows, all of which broke a rule" if broken else f"{len(held)} files without rows"
    where = held[0].partition.source if held else ""
    return DataError(f"the dataset {name} has no rows", where=where, expected="at least one row", found=found)
