"""What has happened so far, at the time of each row."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from engine.names import Duration
from engine.plugin import TimeAware
from plugins.transformers import _history
from plugins.transformers._history import VALUE


class Expanding(TimeAware):
    """Aggregate a column over all earlier rows, by what was known at the row's own time only.

    A row never sees itself, nor one of its own time. Missing, NaN and infinite values are left out; a row before which
    nothing is known gets a missing value, or a count of 0. Rows that lack a time or one of `by` get a missing value.
    Results are Float64.
    """

    value: str = Field(description="The column to aggregate: numbers or booleans, which count as 0 and 1.")
    by: tuple[str, ...] = Field(default=(), description="The columns whose values a row shares with those it looks at.")
    aggregate: Literal["mean", "sum", "min", "max", "count"] = Field(
        default="mean", description="What is computed; count counts values that are not missing."
    )
    known_after: Duration = Field(
        default="0s", description="How long after its own time a row's value is known: later rows do not see it before."
    )
    into: str | None = Field(default=None, description="The name of the new column; by default value_aggregate_so_far.")

    @property
    def lookback(self) -> None:
        return None

    def apply(self, frame: pl.LazyFrame, earlier: pl.LazyFrame | None = None) -> pl.LazyFrame:
        _history.check(frame, self.on, self.by, self.value)
        happened = _history.events(frame, earlier, self.on, self.by, _history.number(frame, self.value))
        so_far = happened.drop_nulls(VALUE).with_columns(self._so_far())
        answers = _history.latest(so_far, _history.asks(frame, self.on, self.by, self.known_after), self.by, None)
        if self.aggregate == "count":
            answers = answers.with_columns(pl.col(VALUE).fill_null(0.0))
        return _history.answered(frame, answers, self.into or f"{self.value}_{self.aggregate}_so_far")

    def _so_far(self) -> pl.Expr:
        value, names = pl.col(VALUE), _history.groups(self.by)
        count = value.cum_count().cast(pl.Float64)
        computed = {
            "mean": value.cum_sum() / count,
            "sum": value.cum_sum(),
            "min": value.cum_min(),
            "max": value.cum_max(),
            "count": count,
        }[self.aggregate]
        return (computed.over(names) if names else computed).alias(VALUE)
