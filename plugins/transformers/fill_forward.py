"""What was known last, where a value is missing."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from pydantic import Field

from engine.names import Duration, span
from engine.plugin import Columns, TimeAware, choose
from plugins.transformers import _history
from plugins.transformers._history import VALUE


class FillForward(TimeAware):
    """Fill missing values with the last one of an earlier time, never of a later one.

    NaN counts as missing. Where nothing was known before, within the time allowed, the value stays missing. Columns keep
    their types and places.
    """

    columns: Columns = Field(default="all", description="The columns to fill: a list of names, or all of a type.")
    by: tuple[str, ...] = Field(
        default=(),
        description="The columns whose values a row shares with those it is filled from, such as the number of a meter.",
    )
    within: Duration | None = Field(
        default=None, description="How old a value may be at most; beyond that it says nothing of the present."
    )

    @property
    def lookback(self) -> timedelta | None:
        return None if self.within is None else span(self.within)

    def apply(self, frame: pl.LazyFrame, earlier: pl.LazyFrame | None = None) -> pl.LazyFrame:
        _history.check(frame, self.on, self.by)
        schema = frame.collect_schema()
        columns = [name for name in choose(self.columns, schema) if name not in (self.on, *self.by)]
        asking = _history.asks(frame, self.on, self.by, "0s")
        filled = frame
        for column in columns:
            value = pl.col(column).fill_nan(None) if schema[column].is_float() else pl.col(column)
            happened = _history.events(frame, earlier, self.on, self.by, value).drop_nulls(VALUE)
            answers = _history.latest(happened, asking, self.by, self.within)
            last = f"__last__{column}"
            filled = (
                _history.answered(filled, answers, last).with_columns(value.fill_null(pl.col(last)).alias(column)).drop(last)
            )
        return filled
