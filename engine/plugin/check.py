"""Plugins that say what is expected of rows, and of a dataset as a whole."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from engine.plugin.base import Plugin


class Check(Plugin):
    """A rule that every row must keep; a row that breaks it goes to quarantine with the reason."""

    kind: ClassVar[str] = "check"
    together: ClassVar[bool] = False
    """Whether the answer for a row depends on other rows: all rows of its partition are then seen together, in order."""

    on_fail: Literal["quarantine", "warn", "stop"] = Field(
        default="quarantine",
        description="What becomes of a row that breaks the rule: it is set aside, kept with a warning, or the run stops.",
    )

    @abstractmethod
    def violations(self) -> pl.Expr:
        """Return a boolean expression, true where a row breaks the rule, never null.

        Where rows are seen ``together``, those that another rule sets aside are among them.
        """

    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Return the columns that the rule looks at."""

    @abstractmethod
    def describe(self) -> str:
        """Return the rule in words, for the quarantine: ``distance is between 1 and 6000``."""

    def over_dataset(self) -> DatasetCheck | None:
        """Return the check of a whole dataset that these parameters ask for instead; None for all that look at rows."""
        return None


@dataclass(frozen=True, slots=True)
class Broken:
    """How a dataset breaks a rule: what was found, in words, and which rows are examples; None when it is no row's fault."""

    found: str
    examples: pl.Expr | None = None


class DatasetCheck(Plugin):
    """A rule about a dataset as a whole: all rows of all its batches together, those in quarantine left out.

    It is looked at when the rows have been ingested, and before anything is prepared. Looking is a merge, as with a fitted
    transformer: ``summarize`` sees one partition, ``merge`` joins two summaries and is associative and commutative, the
    summary of no rows is its identity. So a new batch costs only itself. Summaries are frames, and equal rows give equal ones.
    """

    kind: ClassVar[str] = "check"

    on_fail: Literal["warn", "stop"] = Field(
        default="stop",
        description="What happens when the rule is broken: the run stops before anything is prepared, or it goes on with a "
        "warning. No row is set aside.",
    )

    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Return the columns that the rule looks at; none when only the number of rows counts."""

    @abstractmethod
    def describe(self) -> str:
        """Return the rule in words: ``there are at least 1,000 rows``."""

    def refers_to(self) -> tuple[str, tuple[str, ...]] | None:
        """Return another dataset that the rule looks at too, and its columns, as many as ``needs``; None for most.

        Its partitions are summarized and merged in the same way, with the columns called as those of ``needs``.
        """
        return None

    @abstractmethod
    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return what the rows of one partition tell. Raises ``DataError`` for types that make no sense.

        The frame has the columns of ``needs``, or any; categories are text.
        """

    @abstractmethod
    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        """Return the summary of the rows of both."""

    @abstractmethod
    def judge(self, summary: pl.DataFrame, other: pl.DataFrame | None, now: datetime) -> Broken | None:
        """Return how the dataset breaks the rule, None when it keeps it.

        ``other`` is the summary of what ``refers_to`` names. ``now`` is in UTC; it belongs here and not in a summary, which
        is kept. Raises ``DataError`` when the two can not be compared.
        """

    def over_dataset(self) -> DatasetCheck | None:
        """Return itself."""
        return self
