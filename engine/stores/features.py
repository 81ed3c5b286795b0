"""What the catalog says of features: versions of a view, each with its partitions, its columns and where they come from."""

from __future__ import annotations

from typing import Any

from engine import digest
from engine.stores.batches import Piece, Record


class Step(Record):
    """A step that a view is made by: the key under which it stands in the pipeline, and what it is as plain data."""

    place: str
    node: dict[str, Any]


class FeatureColumn(Record):
    """A column of a view: its type as ``engine.schemas`` writes it, and what made it.

    ``raw`` are the datasets and columns that must be read for it; ``steps`` number those of the version's steps that made
    or changed it, none for a column that is as it was ingested.
    """

    name: str
    dtype: Any
    description: str = ""
    raw: tuple[tuple[str, str], ...] = ()
    steps: tuple[int, ...] = ()


class FeaturePartition(Record):
    """A partition of a view, one Parquet file.

    ``first`` and ``last`` are the bounds of its time column as a whole number, as Polars keeps it (``to_physical``); None
    when it has no times.
    """

    number: int
    piece: Piece
    first: int | None = None
    last: int | None = None


class FeatureBatch(Record):
    """A batch that a version is made of: of which dataset, its number there, and when it was committed."""

    dataset: str
    id: str
    sequence: int
    created: float


class FeatureVersion(Record):
    """One state of a view's features. ``definition`` says how they were made, ``content`` what came of it.

    There is one version for each view, definition and content. ``key`` and ``time`` are those of the view's dataset, as far
    as its columns are still there. ``row_steps`` and ``row_columns`` say which steps, by which raw columns, choose the rows.
    ``retired`` says when gc has given up its files, None while they are there.
    """

    id: str
    view: str
    definition: str
    content: str
    pipeline: str = ""
    run: str = ""
    created: float = 0.0
    key: tuple[str, ...] = ()
    time: str | None = None
    steps: tuple[Step, ...] = ()
    columns: tuple[FeatureColumn, ...] = ()
    row_steps: tuple[int, ...] = ()
    row_columns: tuple[tuple[str, str], ...] = ()
    partitions: tuple[FeaturePartition, ...] = ()
    batches: tuple[FeatureBatch, ...] = ()
    retired: float | None = None

    @property
    def identity(self) -> str:
        """The digest that all equal versions share."""
        return digest.of_text(self.view, self.definition, self.content)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(partition.piece.rows for partition in self.partitions)

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(partition.piece.bytes for partition in self.partitions)

    @property
    def paths(self) -> set[str]:
        """The paths of its files below the root."""
        return {partition.piece.path for partition in self.partitions}
