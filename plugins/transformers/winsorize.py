"""Extreme values drawn in."""

import polars as pl
from pydantic import Field, model_validator

from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _quantiles
from plugins.transformers._numbers import choose_numbers, number


class Winsorize(FittedTransformer):
    """Replace values beyond two quantiles of the training rows by those quantiles.

    It keeps a few wrong or wild values from ruling a mean, a slope or a distance; the rest stays as it is. Infinite
    values are not learned from, and become the bound. Missing stays missing, results are Float64. The bounds are those
    of ``numpy.quantile`` up to 65,536 different values a column; beyond, each is within 0.1 % of the value there.
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to draw in: a list of names, or numeric; all means the numeric ones too.",
    )
    lower: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="The quantile, from 0 to 1, that smaller values become. 0 leaves all values of training as they are on "
        "this side.",
    )
    upper: float = Field(
        default=0.99,
        ge=0,
        le=1,
        description="The quantile, from 0 to 1, that larger values become. 1 leaves all values of training as they are on "
        "this side.",
    )

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> "Winsorize":
        if self.lower > self.upper:
            raise ValueError(f"lower must not exceed upper, but {self.lower:g} is more than {self.upper:g}")
        return self

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _quantiles.summarize(frame, choose_numbers(self.columns, frame.collect_schema(), "winsorize"))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _quantiles.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column`` and its bounds ``lower`` and ``upper``, null where training has no value."""
        found = _quantiles.quantiles(summary, [self.lower, self.upper])
        lower, upper = (pl.col("quantiles").list.get(number, null_on_oob=True) for number in range(2))
        return found.select("column", lower=lower, upper=upper)

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(state["column"].to_list(), schema.names())
        return frame.with_columns(
            number(name, schema[name]).clip(lower, upper).alias(name) for name, lower, upper in state.iter_rows()
        )
