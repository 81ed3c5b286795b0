"""What lately happened, at the time of each row."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import polars as pl
from pydantic import Field

from engine.names import Duration, span
from engine.plugin import TimeAware
from plugins.transformers import _history
from plugins.transformers._history import NUMBER, TIME, VALUE


class Rolling(TimeAware):
    """Aggregate a column over earlier rows within a length of time, by what was known at the row's own time only.

    With ``within: 2h`` and ``known_after: 3h`` a row of 12:00 gets what happened from 7:00 until before 9:00: a row never
    sees itself, nor one of its own time. Missing, NaN and infinite values are left out; a row in whose window nothing is
    gets a missing value, or a count of 0. Rows that lack a time or one of `by` get a missing value. Results are Float64,
    and exact in whole numbers up to 2^53; beyond that they may differ in the last digits with how rows lie in files.
    """

    value: str = Field(description="The column to aggregate: numbers or booleans, which count as 0 and 1.")
    by: tuple[str, ...] = Field(default=(), description="The columns whose values a row shares with those it looks at.")
    within: Duration = Field(description="How long the window is: 90s, 2h, 7d. Longer is steadier, shorter is fresher.")
    aggregate: Literal["mean", "sum", "min", "max", "std", "median", "count"] = Field(
        default="mean", description="What is computed: std is that of a sample; count counts values that are not missing."
    )
    known_after: Duration = Field(
        default="0s",
        description="How long after its own time a row's value is known: the window ends so long before a row's time. A "
        "delay on arrival is known when the flight has landed, not when it leaves.",
    )
    min_samples: int = Field(default=1, ge=1, description="How many values a window must have, else the result is missing.")
    into: str | None = Field(default=None, description="The name of the new column; by default value_aggregate_within.")

    @property
    def lookback(self) -> timedelta:
        return span(self.within) + span(self.known_after)

    def apply(self, frame: pl.LazyFrame, earlier: pl.LazyFrame | None = None) -> pl.LazyFrame:
        _history.check(frame, self.on, self.by, self.value)
        value = _history.number(frame, self.value)
        value = value.is_not_null().cast(pl.Float64) if self.aggregate == "count" else value
        happened = _history.events(frame, earlier, self.on, self.by, value)
        asking = _history.asks(frame, self.on, self.by, self.known_after)
        both = pl.concat([happened, asking], how="diagonal").sort(TIME, maintain_order=True)
        answers = both.with_columns(self._window()).filter(pl.col(NUMBER).is_not_null())
        return _history.answered(frame, answers, self.into or f"{self.value}_{self.aggregate}_{self.within}")

    def _window(self) -> pl.Expr:
        name = "sum" if self.aggregate == "count" else self.aggregate
        values = pl.col(VALUE).fill_null(0.0) if self.aggregate == "count" else pl.col(VALUE)
        samples = {} if self.aggregate == "count" else {"min_samples": self.min_samples}
        rolling: pl.Expr = getattr(values, f"rolling_{name}_by")(TIME, window_size=self.within, closed="left", **samples)
        names = _history.groups(self.by)
        return (rolling.over(names) if names else rolling).alias(VALUE)
