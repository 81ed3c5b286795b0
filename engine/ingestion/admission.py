"""Decides about what was read: whether it is a new batch, whether its columns may come in, and commits it.

In: the outcomes of a dataset's ingest tasks, as they end. Out: committed batches, in the order of the units; what failed,
and why. Runs in the coordinator's thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.bus import Bus, announce
from engine.digest import canonical
from engine.errors import ConflictError, DataError, HostError, LevadaError
from engine.execute import Outcome, Watcher
from engine.graph import Task
from engine.ingestion.plan import Planned, Unit, tasks_of
from engine.plugin import ALL, SourcePartition
from engine.registry import describe
from engine.schemas import Change, changes, union
from engine.stores import files
from engine.stores.artifacts import ArtifactStore
from engine.stores.batches import Batch, BatchPartition, Columns, Piece, Reason
from engine.stores.catalog import Catalog


class Admission(Watcher):
    """Admits the units of one dataset, each once all its partitions have ended and those before it were decided about."""

    def __init__(self, planned: Planned, store: ArtifactStore, catalog: Catalog, bus: Bus, *, run: str, by: str) -> None:
        self.planned = planned
        self.ran: dict[str, float] = {}
        self.failed: dict[str, Outcome] = {}
        self.committed: list[Batch] = []
        self.notes: list[str] = []
        self._store, self._catalog, self._bus, self._run, self._by = store, catalog, bus, run, by
        self._columns: Columns = planned.columns
        self._fit: Columns | None = None
        self._misfits: list[Unit] = []
        self._drift: dict[str, tuple[str, ...]] = {}
        self._set(planned.units)

    def _set(self, units: Iterable[Unit]) -> None:
        self._waiting = list(units)
        self._tasks = tasks_of(self.planned, self._waiting, self._fit)
        self._outcomes: dict[str, dict[str, Outcome]] = {}

    def tasks(self) -> list[Task]:
        """Return what is to be performed."""
        return [task for _, _, task in self._tasks.values()]

    def ended(self, task: Task, outcome: Outcome) -> None:
        """Take note of an outcome, and decide about every unit that is whole by now, in order."""
        if task.key not in self._tasks:
            return
        unit, part, _ = self._tasks[task.key]
        self._outcomes.setdefault(unit.fingerprint, {})[part.name] = outcome
        self._advance()

    def finish(self) -> None:
        """Decide about what has nothing to read: a snapshot that only lost files."""
        self._advance()

    def begin_again(self) -> bool:
        """Prepare to read again those units whose rows must fit the dataset's columns; say whether there are any."""
        if not self._misfits:
            return False
        self._fit, misfits = self._columns, self._misfits
        self._misfits = []
        self._set(misfits)
        return True

    def _advance(self) -> None:
        while self._waiting and len(self._outcomes.get(self._waiting[0].fingerprint, ())) == len(self._waiting[0].partitions):
            self._decide(self._waiting.pop(0))

    def _decide(self, unit: Unit) -> None:
        outcomes = self._outcomes.get(unit.fingerprint, {})
        if any(outcome.artifact is None for outcome in outcomes.values()):
            # a batch that can not be whole is not there; each partition says what is wrong with itself, if anything is
            self.failed |= {name: one if one.error is not None else Outcome("skipped") for name, one in outcomes.items()}
            return
        found = [self._partition(unit, part, outcomes[part.name]) for part in unit.partitions]
        self.ran |= {name: outcome.seconds for name, outcome in outcomes.items() if outcome.status == "ran"}
        if unit.restores is not None:
            self._restored(unit, found[0])
            return
        fresh = [partition for partition in found if not self._is_touched(partition)]
        gone = self.planned.dataset.mode == "snapshot" and len(unit.carried) + len(unit.partitions) < len(self.planned.held)
        if not fresh and not gone:
            self._catalog.release(unit.batch)
            return
        if (changed := self._changed(fresh)) is not None:
            self._fail(unit, changed.source, self._change_refused(changed))
            return
        if self._fit is None and not self._fits(unit, fresh):
            return
        self._commit(unit, fresh)

    def _partition(self, unit: Unit, part: SourcePartition, outcome: Outcome) -> BatchPartition:
        assert outcome.artifact is not None
        value, aside = outcome.artifact.data(), next(iter(outcome.artifact.beside), None)
        number = unit.restores.partition.number if unit.restores is not None else unit.partitions.index(part)
        return BatchPartition(
            number=number,
            source=part.name,
            fingerprint=part.fingerprint,
            detail=part.detail,
            rows_in=value["rows_in"],
            loaded=Piece.of(outcome.artifact),
            aside=Piece.of(aside) if aside is not None else None,
            reasons=tuple(Reason(**reason) for reason in value["reasons"]),
            columns=value["columns"],
            spans=value["spans"],
        )

    def _restored(self, unit: Unit, found: BatchPartition) -> None:
        held = unit.restores
        assert held is not None
        if found.content != held.partition.content:
            where = held.partition.loaded.path
            error = HostError(f"rows of {found.source} are gone from the store, and can not be made again", where=where)
            self.failed[found.source] = Outcome("failed", error=error)

    def _is_touched(self, found: BatchPartition) -> bool:
        """Say whether a piece of the source is what it was, and only looks newer; if so, remember its new looks."""
        held = self.planned.held.get(found.source)
        if held is None or held.partition.content != found.content:
            return False
        self._catalog.see(self.planned.name, found.source, found.fingerprint, found.content)
        kept = {piece.path for piece in held.partition.pieces}
        for piece in found.pieces:
            if piece.path not in kept:
                self._store.raw.remove(piece.path)
        return True

    def _changed(self, fresh: list[BatchPartition]) -> BatchPartition | None:
        """Return the first piece that is not what it was, where that is not allowed."""
        dataset = self.planned.dataset
        if dataset.mode == "snapshot" or dataset.on_change == "new_batch" or self.planned.window != ALL:
            return None
        return next((partition for partition in fresh if partition.source in self.planned.held), None)

    def _change_refused(self, partition: BatchPartition) -> DataError:
        held = self.planned.held[partition.source]
        return DataError(
            f"{partition.source} has changed since it was ingested",
            where=f"datasets.{self.planned.name}.on_change",
            expected=f"{held.partition.rows_in:,} rows as in batch {held.batch.id}",
            found=f"{partition.rows_in:,} rows, other contents",
            hint="on_change: new_batch lets it take the place of what it was; a new file is always welcome",
        )

    def _fits(self, unit: Unit, fresh: list[BatchPartition]) -> bool:
        """Say whether a unit may be committed as it is, its columns compared with those of the dataset."""
        columns, found = self._columns or fresh[0].columns, list[tuple[BatchPartition, Change]]()
        for partition in fresh:
            found += [(partition, change) for change in changes(columns, partition.columns)]
            columns = tuple(union([columns, partition.columns])) if self.planned.dataset.on_drift != "quarantine" else columns
        if not found:
            self._columns = tuple(union([self._columns, *(partition.columns for partition in fresh)]))
            return True
        messages = tuple(dict.fromkeys(f"{partition.source}: {change.message}" for partition, change in found))
        on_drift = self.planned.dataset.on_drift
        if on_drift == "error":
            self._fail(unit, found[0][0].source, self._drifted(*found[0]))
            return False
        self.notes += messages
        self._drift[unit.fingerprint] = messages
        if on_drift == "quarantine":
            if not self._columns:
                self._columns = fresh[0].columns
            self._misfits.append(unit)
            return False
        self._columns = columns
        return True

    def _drifted(self, partition: BatchPartition, change: Change) -> DataError:
        name = self.planned.name
        hints = {
            "retyped": f"declare a type that holds both (dtypes: {{{change.column}: String}})",
            "renamed": "rename it in the source",
            "new": "drop it from the source",
            "missing": "complete the source",
        }
        hint = f"{hints[change.kind]}, or let datasets.{name}.on_drift be evolve (take on the columns of both) or quarantine"
        columns = ", ".join(column for column, _ in self._columns) if self._columns else "those of the first file"
        return DataError(change.message, where=partition.source, expected=f"the columns of {name}: {columns}", hint=hint)

    def _fail(self, unit: Unit, source: str, error: LevadaError) -> None:
        """Refuse a unit for what is wrong with one of its partitions."""
        self.failed |= {part.name: Outcome("skipped") for part in unit.partitions}
        self.failed[source] = Outcome("failed", error=error)
        for part in unit.partitions:
            self.ran.pop(part.name, None)

    def _commit(self, unit: Unit, fresh: list[BatchPartition]) -> None:
        planned, window = self.planned, self.planned.window
        ours = {partition.source for partition in fresh}
        touched = [planned.held[part.name] for part in unit.partitions if part.name not in ours]
        batch = Batch(
            id=unit.batch,
            dataset=planned.name,
            fingerprint=unit.fingerprint,
            definition=planned.definition,
            mode=planned.dataset.mode,
            source=canonical(describe(planned.dataset.extract)),
            run=self._run,
            by=self._by,
            columns=tuple(union(partition.columns for partition in fresh)),
            partitions=tuple(fresh),
            carried=tuple((one.batch.id, one.partition.number) for one in (*unit.carried, *touched)),
            watermark=planned.source.watermark,
            between=planned.dataset.extract.between,
            since=window.since,
            until=window.until,
            drift=self._drift.get(unit.fingerprint, ()),
        )
        files.reached("batch.whole")
        try:
            done = self._catalog.commit(batch)
        except ConflictError as error:
            self._fail(unit, fresh[0].source, error)
            return
        files.reached("batch.committed")
        announce(self._catalog, self._bus)
        if done.run == self._run:
            self.committed.append(done)
