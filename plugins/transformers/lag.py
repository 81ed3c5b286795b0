"""What was there before."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from pydantic import Field

from engine.names import Duration, span
from engine.plugin import TimeAware
from plugins.transformers import _history
from plugins.transformers._history import VALUE


class Lag(TimeAware):
    """Take the value of an earlier row, by what was known at the row's own time only.

    ``n: 1`` is the last row before, ``n: 2`` the one before that. A row never sees itself, nor one of its own time; of
    several rows of one time the last counts as the later. Where there is no such row, or it lacks the value, the result is
    missing. The type is that of the column.
    """

    value: str = Field(description="The column to take the value of, of any type.")
    by: tuple[str, ...] = Field(
        default=(), description="The columns whose values a row shares with the one it looks at, such as the number of a plane."
    )
    n: int = Field(default=1, ge=1, description="How many rows back: 1 is the last row before.")
    known_after: Duration = Field(
        default="0s", description="How long after its own time a row's value is known: later rows do not see it before."
    )
    within: Duration | None = Field(
        default=None, description="How old the row may be, before it was known, at most; older ones count as missing."
    )
    into: str | None = Field(default=None, description="The name of the new column; by default value_lag_n.")

    @property
    def lookback(self) -> timedelta | None:
        if self.within is None or self.n > 1:
            return None
        return span(self.within) + span(self.known_after)

    def apply(self, frame: pl.LazyFrame, earlier: pl.LazyFrame | None = None) -> pl.LazyFrame:
        _history.check(frame, self.on, self.by, self.value)
        happened = _history.events(frame, earlier, self.on, self.by, pl.col(self.value))
        names = _history.groups(self.by)
        back = pl.col(VALUE).shift(self.n - 1)
        happened = happened.with_columns((back.over(names) if names else back).alias(VALUE)) if self.n > 1 else happened
        asking = _history.asks(frame, self.on, self.by, self.known_after)
        answers = _history.latest(happened, asking, self.by, self.within)
        return _history.answered(frame, answers, self.into or f"{self.value}_lag_{self.n}")
