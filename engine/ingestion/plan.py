"""Finds out what of a dataset's source is new, from metadata alone.

In: a dataset and its batches. Out: the batches to make, each with the partitions to read. No row is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine import digest
from engine.compile import code_of
from engine.config.spec import Dataset
from engine.errors import ConfigError, DataError
from engine.graph import Task
from engine.names import new_id
from engine.plugin import ALL, Source, SourcePartition, Window
from engine.registry import describe, modules_of
from engine.schemas import union
from engine.stores.artifacts import ArtifactStore, plain
from engine.stores.batches import Batch, Columns, Held, current, of_definition
from engine.stores.catalog import Catalog
from engine.stores.history import Point


@dataclass(frozen=True, slots=True)
class Unit:
    """What will be one batch: its id and fingerprint, the partitions to read, and those of earlier batches to go on with.

    ``restores`` is a committed partition whose rows are gone from the store and are read once more.
    """

    batch: str
    fingerprint: str
    partitions: tuple[SourcePartition, ...]
    carried: tuple[Held, ...] = ()
    restores: Held | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be done for a dataset. ``held`` are its partitions so far, by source; no units: nothing is new.

    ``before`` is the number of batches that there are, however they were read. At a ``point`` of history only those count
    that were there by then.
    """

    name: str
    dataset: Dataset
    definition: str
    window: Window
    source: Source
    held: dict[str, Held]
    units: tuple[Unit, ...]
    before: int
    point: Point | None = None

    def holds(self, batches: Sequence[Batch]) -> list[Held]:
        """Return the partitions that the dataset has, in order, given all its batches."""
        there = [batch for batch in batches if self.point is None or self.point.includes(batch)]
        return holdings(self.dataset, self.definition, self.source, there)

    @property
    def columns(self) -> Columns:
        """The columns that the dataset has so far; none before its first batch. What was set aside whole adds none."""
        return tuple(union(one.partition.columns for one in self.held.values() if one.partition.loaded.rows))

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of columns that rows may have, as far as they are known before any is read."""
        known = [name for name, _ in self.columns]
        if self.source.columns is None:
            return tuple(known) or None
        return tuple(dict.fromkeys([*known, *self.source.columns]))


def definition_of(dataset: Dataset) -> str:
    """Return the digest of how a dataset is read: what was read otherwise is read again.

    The parameters of the extractor and of the rules count, the code of a user's own plugins, and the revision of ours: an
    upgrade of Levada or of a library is no reason to read a source again.
    """
    plugins = [dataset.extract, *dataset.row_checks]
    own = sorted({module for plugin in plugins for module in modules_of(plugin) if not digest.is_ours(module)})
    code = digest.of_code(*own, count=lambda module: not digest.is_ours(module)) if own else ""
    revisions = [plugin.revision for plugin in plugins]
    return digest.of_value([describe(dataset.extract), [describe(check) for check in dataset.row_checks], revisions, code])


def plan_dataset(
    name: str, dataset: Dataset, store: ArtifactStore, catalog: Catalog, window: Window = ALL, *, look: bool = False
) -> Planned:
    """Return what is new. To ``look`` only leaves the catalog as it is.

    Raises what the extractor's ``plan`` raises, ``ConfigError`` for a window where there can be none.
    """
    definition, batches = definition_of(dataset), catalog.batches(name)
    if window != ALL and dataset.mode == "snapshot":
        hint = "since and until are for datasets of mode append"
        raise ConfigError(f"{name} is a snapshot, which is always whole", where=f"datasets.{name}.mode", hint=hint)
    source = dataset.extract.plan(_window(dataset, batches, definition, window))
    held = {one.partition.source: one for one in holdings(dataset, definition, source, batches)}
    fresh = _fresh(source, held, catalog.seen(name))
    lost = [one for one in held.values() if not store.holds(one.artifact())]
    units = [_restore(one, source) for one in lost if any(_same(one, part) for part in source.partitions)]
    again = {unit.partitions[0].name for unit in units}
    for group, carried in _groups(dataset, source, held, [part for part in fresh if part.name not in again]):
        head = batches[-1].id if batches and dataset.mode == "snapshot" else ""
        whole = [*([part.name, part.fingerprint] for part in group), *([one.batch.id, one.partition.number] for one in carried)]
        fingerprint = digest.of_value([definition, dataset.mode, whole, head, window.since, window.until])
        # what is being made keeps its id while the contents may still change: a file that is mended after a failure
        key = digest.of_value([definition, dataset.mode, head, group[0].unit if group else "", source.watermark, window.since])
        identity = "" if look else catalog.reserve(name, key, new_id())
        units.append(Unit(identity, fingerprint, tuple(group), tuple(carried)))
    return Planned(name, dataset, definition, window, source, held, tuple(units), len(batches))


def recall(name: str, dataset: Dataset, catalog: Catalog, point: Point) -> Planned:
    """Return a dataset as it was at a point of the store's history: its source is not looked at, and nothing is new.

    Raises ``DataError`` when nothing was there yet that was read as the pipeline says.
    """
    batches = [batch for batch in catalog.batches(name) if point.includes(batch)]
    source, definition = Source((), None), definition_of(dataset)
    held = {one.partition.source: one for one in holdings(dataset, definition, source, batches)}
    if not held:
        raise DataError(
            f"the dataset {name} was not there yet",
            expected=f"a batch by {datetime.fromtimestamp(point.time, UTC).isoformat(timespec='seconds')}",
            found=f"{len(batches)} batches, which were read in another way than the pipeline says now" if batches else "",
            hint="`levada ingest` brings in what the source has, `levada batches` lists what is there",
        )
    return Planned(name, dataset, definition, ALL, source, held, (), len(batches), point)


def holdings(dataset: Dataset, definition: str, source: Source, batches: Sequence[Batch]) -> list[Held]:
    """Return the partitions that make up a dataset, in order: of files by name, of ranges as they came.

    What a definition has not read, and can not read any more because the file is gone, stays as it was read before.
    """
    held = current(batches, definition, mode=dataset.mode)
    if dataset.extract.incremental or dataset.mode == "snapshot":
        return held
    found = {one.partition.source: one for one in held}
    offered = {partition.name for partition in source.partitions}
    before: dict[str, Held] = {}
    for batch in batches:
        replaced = {partition.source for partition in batch.partitions}
        before = {source: one for source, one in before.items() if one.partition.of not in replaced}
        for partition in batch.partitions:
            origin = Path(partition.of or partition.source)
            is_gone = origin.is_absolute() and not origin.exists()  # files are named by their whole path
            if partition.source not in found and str(origin) not in offered and is_gone:
                before[partition.source] = Held(batch, partition)
    return [one for _, one in sorted((before | found).items())]


def _window(dataset: Dataset, batches: Sequence[Batch], definition: str, window: Window) -> Window:
    """Return what to ask the source for: without a range, what is newer than the last batch."""
    if window != ALL or dataset.mode == "snapshot" or not dataset.extract.incremental:
        return window
    marks = [batch.watermark for batch in of_definition(batches, definition) if batch.watermark is not None]
    return Window(after=marks[-1] if marks else None)


def _fresh(source: Source, held: dict[str, Held], seen: dict[str, tuple[str, str]]) -> list[SourcePartition]:
    """Return the partitions that are new or may have changed."""
    return [
        part
        for part in source.partitions
        if (one := held.get(part.name)) is None
        or (part.fingerprint != one.partition.fingerprint and seen.get(part.name) != (part.fingerprint, one.partition.content))
    ]


def _same(one: Held, part: SourcePartition) -> bool:
    return (part.name, part.fingerprint) == (one.partition.source, one.partition.fingerprint)


def _restore(one: Held, source: Source) -> Unit:
    part = next(part for part in source.partitions if _same(one, part))
    return Unit(one.batch.id, one.batch.fingerprint, (part,), restores=one)


def _groups(
    dataset: Dataset, source: Source, held: dict[str, Held], fresh: Sequence[SourcePartition]
) -> Iterator[tuple[list[SourcePartition], list[Held]]]:
    """Yield what becomes one batch each: partitions to read, and those to go on with."""
    if dataset.mode == "snapshot":
        offered = {part.name for part in source.partitions} - {part.name for part in fresh}
        carried = [one for name, one in held.items() if (one.partition.of or name) in offered]
        if fresh or len(carried) < len(held):
            yield list(fresh), carried
        return
    groups: dict[str, list[SourcePartition]] = {}
    for part in fresh:
        groups.setdefault(part.unit, []).append(part)
    for group in groups.values():
        yield group, []


def tasks_of(
    planned: Planned, units: Sequence[Unit], fit: Columns | None = None
) -> dict[str, tuple[Unit, SourcePartition, Task]]:
    """Return the tasks that read units, by key, each with its unit and the partition that it reads."""
    dataset = planned.dataset
    code = code_of("ingest", [dataset.extract, *dataset.row_checks])
    shared = {
        "dataset": planned.name,
        "extract": describe(dataset.extract),
        "expect": [describe(check) for check in dataset.row_checks],
        "held": [name for name, _ in planned.columns],
        "fit": fit,
    }
    found: dict[str, tuple[Unit, SourcePartition, Task]] = {}
    for unit in units:
        first = len(unit.carried) if planned.dataset.mode == "snapshot" else 0
        for number, part in enumerate(unit.partitions):
            own = unit.restores.partition.number if unit.restores is not None else number
            piece = {"name": part.name, "fingerprint": part.fingerprint, "unit": part.unit, "detail": part.detail}
            params = {**shared, "partition": piece, "batch": unit.batch, "number": own}
            task = Task("ingest", plain(params), (), code, f"{planned.name}.ingest", len(found) + first, "")
            found[task.key] = (unit, part, task)
    return found
