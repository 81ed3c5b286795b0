"""Plugins that change frames: without learning, by what was before, or by what training rows tell; and choose features."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from engine.plugin.base import Plugin


class Transformer(Plugin):
    """A change of a frame that learns nothing from it.

    ``scope`` is ``row`` when a row's result depends on that row alone: then partitions are worked on apart, and
    consecutive steps become one lazy plan. It is ``history`` when it also depends on rows of earlier times (see
    ``TimeAware``), and ``table`` when rows must be seen together.
    """

    kind: ClassVar[str] = "transformer"
    scope: ClassVar[Literal["row", "history", "table"]] = "row"

    @abstractmethod
    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the changed frame, lazy, the order of rows kept. The frame given is not modified."""


class TimeAware(Transformer):
    """A change of a frame in which a row's result depends on it and on rows of earlier times, never on later ones.

    Partitions are worked on apart, each beside those rows of the others that lie in its past.
    """

    scope: ClassVar[Literal["row", "history", "table"]] = "history"

    on: str = Field(description="The column that says when a row happened: dates or times. A row without it gets nothing.")

    @property
    @abstractmethod
    def lookback(self) -> timedelta | None:
        """How far before a row's time the rows lie that its result depends on; None: all that lie before it."""

    @abstractmethod
    def apply(self, frame: pl.LazyFrame, earlier: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """Return the changed frame, lazy, the order of rows kept.

        ``earlier`` has rows of other partitions, in the order of these, with the same columns: all within the look-back of
        any row of the frame, and maybe more. None: the frame is all there is. Rows of equal times count in their order.
        """


class FittedTransformer(Plugin):
    """A change of a frame that is first learned from training rows.

    Learning is a merge: ``summarize`` looks at one partition, ``merge`` joins two summaries, ``finish`` makes the
    state. ``merge`` is associative and commutative, and the summary of no rows is its identity, so the state does not
    depend on how rows were partitioned. Summaries and states are frames: they are stored and sent as such.
    """

    kind: ClassVar[str] = "transformer"
    scope: ClassVar[Literal["row"]] = "row"

    @abstractmethod
    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return what one partition of training rows tells. The frame has the features and, if any, ``TARGET``."""

    @abstractmethod
    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        """Return the summary of the rows of both."""

    @abstractmethod
    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return the state that ``apply`` needs."""

    @abstractmethod
    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        """Return the changed frame, row by row, lazy, in order. ``TARGET`` and ``PART`` pass through untouched.

        ``PART`` is there in a pipeline and not where one request is answered: only a step that treats training rows
        otherwise than the rest looks at it.
        """

    def choices(self, state: pl.DataFrame) -> pl.DataFrame | None:
        """Return ``column``, ``kept`` and ``reason``, a row a column, if the step chooses columns; reports show it."""
        return None


class Selector(Plugin):
    """A way to choose features. Its summaries merge like a fitted transformer's.

    Every selector rates features, so that the best can be kept. One that ``decides`` also says which stay, and why.
    """

    kind: ClassVar[str] = "selector"
    measure: ClassVar[str] = "score"
    """What the score is, in words, for the reasons that reports show."""
    numeric: ClassVar[bool] = True
    """Whether it takes numbers and booleans only; else columns of any type."""
    decides: ClassVar[bool] = False
    """Whether ``score`` says by itself which columns stay, so that it needs no number to keep and no threshold."""

    @abstractmethod
    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return what one partition of training rows tells of its features; ``TARGET`` is there if there is one."""

    @abstractmethod
    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        """Return the summary of the rows of both."""

    @abstractmethod
    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column`` (String) and ``score`` (Float64, larger is better), a row a feature.

        A selector that decides adds ``kept`` (Boolean) and ``reason`` (String), a sentence without its full stop.
        """
