"""Brings quarantined rows that keep the rules by now into their dataset: after a rule, or the source, was mended.

In: a dataset and its batches. Out: one batch a dataset, with a partition for each that had rows in quarantine and now has
fewer. What was committed before stays as it is; the rows that still fail are in the new batch's quarantine instead.
"""

from __future__ import annotations

import getpass
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.bus import Bus, announce
from engine.compile import code_of
from engine.config.spec import Dataset
from engine.digest import canonical, of_value
from engine.errors import ConfigError, ConflictError, DataError, LevadaError
from engine.execute import Outcome, Watcher, Workers, execute
from engine.graph import Graph, Task
from engine.ingestion.plan import definition_of, holdings
from engine.names import new_id
from engine.plugin import Source, SourcePartition
from engine.registry import describe, secrets_of
from engine.schemas import union
from engine.stages.numbers import Link
from engine.stores import files
from engine.stores.artifacts import Artifact, ArtifactStore, plain
from engine.stores.batches import Batch, BatchPartition, Columns, Held, Piece, Reason, of_definition
from engine.stores.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Chain:
    """A partition that a dataset holds, and the replays of it, oldest first: only the last one's quarantine is one still."""

    parts: tuple[Held, ...]

    @property
    def source(self) -> str:
        """The piece of the source that the rows came from."""
        return self.parts[0].partition.source

    @property
    def last(self) -> Held:
        """The partition whose quarantine counts."""
        return self.parts[-1]

    def links(self, place: int | None = None) -> list[Link]:
        """Return what gives the rows of a part their numbers: all links up to it, by default to the last."""
        return [Link.of(held.partition) for held in self.parts[: len(self.parts) if place is None else place + 1]]


def chains(held: Sequence[Held]) -> list[Chain]:
    """Return what a dataset holds, each partition with its replays.

    A replay counts only on top of what it replayed: one of a version that another has replaced is left out.
    """
    found: dict[str, list[Held]] = {}
    for one in sorted(held, key=lambda one: (bool(one.partition.of), one.batch.sequence)):
        parts = found.setdefault(one.partition.of or one.partition.source, [])
        if not one.partition.of or (parts and parts[-1].batch.id in one.batch.replays):
            parts.append(one)
    return [Chain(tuple(parts)) for _, parts in sorted(found.items()) if parts]


@dataclass(frozen=True, slots=True)
class Replay:
    """What is to be looked at of a dataset. No tasks: nothing is in quarantine.

    ``again`` are the partitions that have changed in the source, by name. ``head`` is the sequence of the newest batch.
    """

    name: str
    dataset: Dataset
    definition: str
    adopts: str | None
    held: tuple[Held, ...]
    chains: tuple[Chain, ...]
    again: Mapping[str, SourcePartition]
    batch: str
    fingerprint: str
    head: int
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it: the batch, None when no row passes; how many rows were looked at; what failed, by source."""

    name: str
    batch: Batch | None
    rows_in: int
    failures: Mapping[str, LevadaError]

    @property
    def rows(self) -> int:
        """How many rows came in."""
        return self.batch.rows if self.batch is not None else 0


def plan_replay(name: str, dataset: Dataset, catalog: Catalog) -> Replay:
    """Return what is to be looked at.

    Raises ``ConfigError`` when the source itself is described otherwise than when it was ingested.
    """
    definition, batches = definition_of(dataset), catalog.batches(name)
    adopts = _adopts(name, dataset, definition, batches)
    source = _offered(dataset)
    held = holdings(dataset, adopts or definition, source, batches)
    found = chains(held)
    if not any(chain.last.partition.quarantined for chain in found):
        return Replay(name, dataset, definition, adopts, tuple(held), (), {}, "", "", 0, ())
    todo = tuple(chain for chain in found if chain.last.partition.quarantined or adopts is not None)
    now = {part.name: part for part in source.partitions}
    again = {
        chain.source: now[chain.source]
        for chain in todo
        if chain.source in now
        and chain.last.partition.quarantined
        and not chain.last.without
        and now[chain.source].fingerprint != chain.last.partition.fingerprint
    }
    whole = [
        [
            one.last.batch.id,
            one.last.partition.number,
            one.last.without,
            again[one.source].fingerprint if one.source in again else "",
        ]
        for one in todo
    ]
    fingerprint = of_value(["replay", definition, adopts, dataset.mode, dataset.on_drift, whole])
    batch = catalog.reserve(name, fingerprint, new_id())
    tasks = _tasks(name, dataset, held, todo, again, batch, verify=adopts is not None)
    head = batches[-1].sequence
    return Replay(name, dataset, definition, adopts, tuple(held), todo, again, batch, fingerprint, head, tasks)


def _adopts(name: str, dataset: Dataset, definition: str, batches: Sequence[Batch]) -> str | None:
    """Return the definition whose batches go on to count though the rules have changed; None when they have not."""
    if not batches or of_definition(batches, definition):
        return None
    if batches[-1].source != canonical(describe(dataset.extract)):
        raise ConfigError(
            f"the source of {name} is described in another way than when it was ingested",
            where=f"datasets.{name}.extract",
            hint="`levada ingest` reads it again, with its quarantined rows",
        )
    return batches[-1].definition


def _offered(dataset: Dataset) -> Source:
    """Return what the source has now; nothing when it is gone. One that is read on and on offers what is new only."""
    if dataset.extract.incremental:
        return Source((), None)
    try:
        return dataset.extract.plan()
    except DataError:
        return Source((), None)


def _tasks(
    name: str,
    dataset: Dataset,
    held: Sequence[Held],
    todo: Sequence[Chain],
    again: Mapping[str, SourcePartition],
    batch: str,
    *,
    verify: bool,
) -> tuple[Task, ...]:
    columns = _columns(held)
    code = code_of("replay", [dataset.extract, *dataset.row_checks])
    tasks = []
    for number, chain in enumerate(todo):
        part, own = again.get(chain.source), chain.parts[0].partition
        wanted = own.columns if own.loaded.rows else columns  # rows that are in say how those beside them must be
        params = {
            "dataset": name,
            "mode": dataset.mode,
            "source": chain.source,
            "extract": describe(dataset.extract),
            "expect": [describe(check) for check in dataset.row_checks],
            "held": [column for column, _ in columns],
            "wanted": columns,
            "fit": None if dataset.on_drift == "evolve" else wanted,
            "links": [link.to_json() for link in chain.links()],
            "without": chain.last.without,
            "partition": part
            and {"name": part.name, "fingerprint": part.fingerprint, "unit": part.unit, "detail": part.detail},
            "rows_in": own.rows_in,
            "verify": verify,
            "batch": batch,
            "number": number,
        }
        tasks.append(Task("replay", plain(params), (), code, f"{name}.replay", number, ""))
    return tuple(tasks)


def _columns(held: Sequence[Held]) -> Columns:
    """Return the columns of a dataset: those of its rows, where it has any."""
    filled = [one.partition.columns for one in held if one.partition.loaded.rows]
    return tuple(union(filled or [one.partition.columns for one in held]))


def replay(
    planned: Sequence[Replay],
    store: ArtifactStore,
    catalog: Catalog,
    bus: Bus,
    workers: Workers,
    *,
    run: str,
    keep_going: bool = True,
    watchers: Sequence[Watcher] = (),
) -> list[Replayed]:
    """Look at all rows that are in quarantine, commit a batch for each dataset of which some pass, and return what came of it.

    Raises ``HostError`` when the catalog can not be written, ``Interrupted`` on Ctrl-C; what was committed stays.
    """
    graph = Graph(task for one in planned for task in one.tasks)
    outcomes: Mapping[str, Outcome] = {}
    if graph:
        secrets = {one.name: secrets_of(one.dataset.extract) for one in planned}
        found = execute(graph, store, catalog, workers, run=run, keep_going=keep_going, watchers=watchers, secrets=secrets)
        outcomes = found.outcomes
    return [_commit(one, outcomes, catalog, bus, run) for one in planned]


def _commit(planned: Replay, outcomes: Mapping[str, Outcome], catalog: Catalog, bus: Bus, run: str) -> Replayed:
    ended = [(chain, outcomes[task.key]) for chain, task in zip(planned.chains, planned.tasks, strict=True)]
    failures = {chain.source: outcome.error for chain, outcome in ended if outcome.error is not None}
    done = [(chain, outcome.artifact) for chain, outcome in ended if outcome.artifact is not None]
    rows_in = sum(artifact.data()["rows_in"] for _, artifact in done)
    if (refused := _refused(planned, done)) is not None:
        catalog.release(planned.batch)
        return Replayed(planned.name, None, rows_in, {planned.name: refused, **failures})
    numbers = {chain.source: number for number, chain in enumerate(planned.chains)}
    partitions = [
        _partition(planned, chain, artifact, numbers[chain.source]) for chain, artifact in done if artifact.file is not None
    ]
    for chain, _ in done:
        if (part := planned.again.get(chain.source)) is not None:  # the rest of it is as it was: no reason to ingest it
            catalog.see(planned.name, part.name, part.fingerprint, chain.parts[0].partition.content)
    if not partitions:
        if planned.batch:
            catalog.release(planned.batch)
        return Replayed(planned.name, None, rows_in, failures)
    newest = catalog.batches(planned.name)[-1]
    if newest.sequence != planned.head and newest.fingerprint != planned.fingerprint:
        hint = "run the same command again"
        raise ConflictError(f"{planned.name} has a new batch since this began", found=f"batch {newest.id}", hint=hint)
    files.reached("batch.whole")
    batch = catalog.commit(_batch(planned, partitions, run))
    files.reached("batch.committed")
    announce(catalog, bus)
    return Replayed(planned.name, batch, rows_in, failures)


def _refused(planned: Replay, done: Sequence[tuple[Chain, Artifact]]) -> DataError | None:
    """Return the error for rules that loaded rows break: then it is not only quarantine that has to be looked at."""
    for chain, artifact in done:
        for words, rows in artifact.data()["broken"]:
            return DataError(
                f"{rows:,} rows that are loaded break the rule: {words}",
                where=f"datasets.{planned.name}.expect, {chain.source}",
                hint="`levada ingest` reads everything again by the rules as they are now",
            )
    return None


def _partition(planned: Replay, chain: Chain, artifact: Artifact, number: int) -> BatchPartition:
    value, last, aside = artifact.data(), chain.last, next(iter(artifact.beside), None)
    part = planned.again.get(chain.source)
    return BatchPartition(
        number=number,
        source=f"{chain.source}, replayed from batch {last.batch.id[:13]}",
        fingerprint=part.fingerprint if part is not None else last.partition.fingerprint,
        detail=canonical(last.without) if last.without else "",
        of=chain.source,
        rows_in=value["rows_in"],
        loaded=Piece.of(artifact),
        aside=Piece.of(aside) if aside is not None else None,
        reasons=tuple(Reason(**reason) for reason in value["reasons"]),
        columns=value["columns"],
        spans=value["spans"],
    )


def _batch(planned: Replay, partitions: Sequence[BatchPartition], run: str) -> Batch:
    dataset, replayed = planned.dataset, {partition.of for partition in partitions}
    snapshot = dataset.mode == "snapshot"
    return Batch(
        id=planned.batch,
        dataset=planned.name,
        fingerprint=planned.fingerprint,
        definition=planned.definition,
        mode=dataset.mode,
        source=canonical(describe(dataset.extract)),
        run=run,
        by=f"{getpass.getuser()}@{platform.node()}",
        columns=tuple(union(partition.columns for partition in partitions)),
        partitions=tuple(partitions),
        carried=tuple((one.batch.id, one.partition.number) for one in planned.held) if snapshot else (),
        replays=tuple(dict.fromkeys(one.last.batch.id for one in planned.chains if one.source in replayed)),
        adopts=planned.adopts,
    )
