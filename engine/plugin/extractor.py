"""Plugins that read a dataset from where it is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from engine.plugin.base import Plugin


@dataclass(frozen=True, slots=True)
class SourcePartition:
    """A piece of a source that one task reads: a file, a range of keys.

    ``name`` is what people call it and stays the same when the contents change: the path of a file, a range in words.
    ``fingerprint`` changes whenever the contents may have changed; equal means it need not be read again. In mode append,
    partitions of one ``unit`` become one batch: each file is a unit of its own, the ranges of one query are one together.
    ``detail`` is whatever the extractor needs to read the piece and its name does not say, as text: the bounds of a range.
    """

    name: str
    fingerprint: str
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a source is asked for; all of it by default. Texts, as the extractor itself or a person wrote them.

    ``after`` is a watermark that the extractor returned before: only what is newer is asked for. ``since`` (included) and
    ``until`` (excluded) bound a backfill: whatever of the source lies between them is asked for, known or not.
    """

    after: str | None = None
    since: str | None = None
    until: str | None = None


ALL = Window()


@dataclass(frozen=True, slots=True)
class Source:
    """What an extractor found without reading data.

    ``columns`` are those of the first partition, None when the names are not known yet. ``watermark`` is how far an
    incremental source was looked at, to be given back as ``Window.after``; None for others. No partitions: nothing new.
    """

    partitions: tuple[SourcePartition, ...]
    columns: tuple[str, ...] | None
    watermark: str | None = None


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A partition of which some rows can not be parsed. Every row of it is in one of the two frames.

    ``rows`` has ``ROW`` (UInt32) and the columns; ``rejected`` has ``ROW`` (UInt32), ``CHECK`` and ``RAW`` (String).
    """

    rows: pl.LazyFrame
    rejected: pl.LazyFrame


class Extractor(Plugin):
    """Reads a dataset from where it is.

    Runs in any process, several partitions at once, so it keeps nothing open between calls. Credentials are fields of
    type ``Secret``: they are left out of keys, records and messages, and sent to workers by themselves.
    """

    kind: ClassVar[str] = "extractor"
    scans: ClassVar[bool] = False
    """Whether ``read`` returns a scan of Polars' own over files: it may be read several times at once. A query may not."""

    @property
    def incremental(self) -> bool:
        """Whether ``plan`` honours ``Window.after`` and returns a watermark; else partitions are told apart by fingerprint."""
        return False

    @property
    def between(self) -> str | None:
        """The column whose values ``Window.since`` and ``until`` bound; None when they bound whole partitions."""
        return None

    @abstractmethod
    def plan(self, window: Window = ALL) -> Source:
        """Return the partitions and the columns, from metadata only: names, sizes, headers, counts, never rows.

        Partitions come in a stable order. Raises ``DataError`` when there is nothing where something is expected,
        ``ConfigError`` when a window makes no sense for this source, ``HostError`` when it can not be reached.
        """

    @abstractmethod
    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one partition, in their order, in bounded memory when streamed.

        Types may be learned from a sample first, as long as a wrong guess fails when the frame is collected
        (``polars.exceptions.ComputeError``): it is then asked for again with ``thorough``, and types are learned from
        every row. Raises ``DataError`` when the partition as a whole can not be read.
        """

    def is_complete(self, partition: SourcePartition, written: pl.LazyFrame) -> bool:
        """Say whether ``written``, the rows that ``read`` gave, is all there was. If not, ``salvage`` is asked."""
        return True

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged | None:
        """Return rows and rejected rows apart, after reading has failed for good or was not complete; None: can not.

        ``folder`` is there for files while the frames are in use. Memory stays bounded. Raises ``DataError`` when the
        partition as a whole is at fault.
        """
        return None
