"""What the catalog says of batches: plain records, and which of them make up a dataset now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine import digest
from engine.stores.artifacts import Artifact
from engine.stores.commit import StoredFile

Columns = tuple[tuple[str, Any], ...]
"""Names and types of columns, in order; types as ``engine.schemas`` writes them."""


class Record(BaseModel):
    """The base of all records: frozen, written and read as JSON."""

    model_config = ConfigDict(frozen=True)


class Piece(Record):
    """Rows that the raw store keeps: where, the digest of their content, how many bytes and rows."""

    path: str
    digest: str
    bytes: int
    rows: int

    @classmethod
    def of(cls, artifact: Artifact) -> Piece:
        """Return the piece that an artifact refers to."""
        assert artifact.file is not None, "rows are always kept somewhere"
        return cls(path=artifact.file.path, digest=artifact.file.digest, bytes=artifact.file.bytes, rows=artifact.rows or 0)

    def artifact(self, value: object = None) -> Artifact:
        """Return the artifact that refers to these rows."""
        return Artifact(digest.canonical(value), StoredFile(self.path, self.digest, self.bytes), self.rows)


class Reason(Record):
    """A rule that rows broke: in words, how many, the number of the first, and what became of them."""

    check: str
    rows: int
    first: int
    on_fail: str


class BatchPartition(Record):
    """A partition of a batch: the piece of the source it came from, its rows, and those set aside.

    ``columns`` are of the rows as they are kept. ``rows_in`` was counted while reading: it is ``loaded.rows`` and
    ``quarantined`` together. ``aside`` also holds rows that only broke rules with ``on_fail: warn``, which are loaded too.
    ``spans`` are the least and the greatest value of each column of dates or times, in microseconds since 1970.
    ``of`` is the source whose quarantined rows a replay brought in: they go when another version of it takes its place.
    """

    number: int
    source: str
    fingerprint: str
    detail: str = ""
    of: str = ""
    rows_in: int
    loaded: Piece
    aside: Piece | None = None
    reasons: tuple[Reason, ...] = ()
    columns: Columns = ()
    spans: dict[str, tuple[int, int]] = Field(default_factory=dict)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What the raw store keeps of it."""
        return (self.loaded,) if self.aside is None else (self.loaded, self.aside)

    @property
    def content(self) -> str:
        """The digest of all its rows, loaded or not: equal when nothing has changed."""
        return digest.of_text(*(piece.digest for piece in self.pieces))

    @property
    def quarantined(self) -> int:
        """How many rows are not loaded."""
        return sum(reason.rows for reason in self.reasons if reason.on_fail != "warn")


class Batch(Record):
    """What one ingestion of a dataset committed. ``sequence`` counts a dataset's batches from 1; 0 is not committed yet.

    ``fingerprint`` says what of the source it is: a dataset has one batch for each. ``definition`` says how it was read.
    ``carried`` are partitions of earlier batches that a snapshot goes on with; ``adopts`` is another definition whose
    batches count as well; ``since`` and ``until`` bound a backfill, which replaces what earlier batches hold of ``between``.
    """

    id: str
    dataset: str
    sequence: int = 0
    fingerprint: str
    definition: str
    mode: str = "append"
    source: str = ""
    run: str = ""
    by: str = ""
    created: float = 0.0
    columns: Columns = ()
    partitions: tuple[BatchPartition, ...] = ()
    carried: tuple[tuple[str, int], ...] = ()
    watermark: str | None = None
    between: str | None = None
    since: str | None = None
    until: str | None = None
    drift: tuple[str, ...] = ()
    replays: tuple[str, ...] = ()
    adopts: str | None = None

    @property
    def rows(self) -> int:
        """The rows that it brought in."""
        return sum(partition.loaded.rows for partition in self.partitions)

    @property
    def rows_in(self) -> int:
        """The rows that were read."""
        return sum(partition.rows_in for partition in self.partitions)

    @property
    def quarantined(self) -> int:
        """The rows that were set aside."""
        return sum(partition.quarantined for partition in self.partitions)


@dataclass(frozen=True, slots=True)
class Held:
    """A partition that belongs to a dataset now, and the batch that brought it.

    ``without`` are ranges (column, since, until) whose rows a later backfill has replaced: since included, until not.
    """

    batch: Batch
    partition: BatchPartition
    without: tuple[tuple[str, str, str], ...] = ()

    def artifact(self) -> Artifact:
        """Return the artifact of its rows; what is left out counts as content."""
        return self.partition.loaded.artifact({"without": self.without} if self.without else None)


def current(batches: Sequence[Batch], definition: str, *, mode: str) -> list[Held]:
    """Return the partitions that make up a dataset, as read by a definition: of each source the newest.

    ``batches`` are all of the dataset's in the order of their sequence. For a snapshot those of the newest batch count.
    """
    own = of_definition(batches, definition)
    if mode == "snapshot":
        return _snapshot(own, batches)
    found: dict[str, Held] = {}
    for batch in own:
        if batch.between is not None and batch.since is not None and batch.until is not None:
            gone = (batch.between, batch.since, batch.until)
            found = {name: Held(held.batch, held.partition, (*held.without, gone)) for name, held in found.items()}
        replaced = {partition.source for partition in batch.partitions}
        found = {name: held for name, held in found.items() if held.partition.of not in replaced}
        found |= {partition.source: Held(batch, partition) for partition in batch.partitions}
    return list(found.values())


def of_definition(batches: Iterable[Batch], definition: str) -> list[Batch]:
    """Return the batches of a definition and of those that it adopted."""
    batches = list(batches)
    counted, todo = set[str](), [definition]
    while todo:
        one = todo.pop()
        if one not in counted:
            counted.add(one)
            todo += [batch.adopts for batch in batches if batch.definition == one and batch.adopts is not None]
    return [batch for batch in batches if batch.definition in counted]


def _snapshot(own: Sequence[Batch], batches: Sequence[Batch]) -> list[Held]:
    if not own:
        return []
    newest, by_id = own[-1], {batch.id: batch for batch in batches}
    carried = [
        Held(by_id[batch], partition)
        for batch, number in newest.carried
        for partition in by_id[batch].partitions
        if partition.number == number
    ]
    return [*carried, *(Held(newest, partition) for partition in newest.partitions)]
