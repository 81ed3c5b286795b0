"""Columns with median 0 and middle half 1 wide."""

from statistics import NormalDist

import polars as pl
from pydantic import Field, model_validator

from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _quantiles
from plugins.transformers._numbers import choose_numbers, require_finite, rescaled


class RobustScale(FittedTransformer):
    """Subtract the median of the training rows and divide by the width of their middle half.

    Outliers move neither, which is why it suits columns that have them better than ``standardize``; they stay outliers
    in the result. A column whose middle half is a single value is only shifted. Missing stays missing, infinite values
    are not learned from and stay infinite, results are Float64. It is scikit-learn's ``RobustScaler``, and equal to it
    within rounding up to 65,536 different values a column; beyond, each quantile is within 0.1 % of the value there.
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to scale: a list of names, or numeric; all means the numeric ones too.",
    )
    with_centering: bool = Field(default=True, description="Whether to subtract the median.")
    with_scaling: bool = Field(default=True, description="Whether to divide by the width between the two quantiles.")
    quantile_range: tuple[float, float] = Field(
        default=(25.0, 75.0),
        description="The quantiles, in percent from 0 to 100, whose distance is the width. Further apart, such as [5, 95], "
        "where more than half of the values are equal.",
    )
    unit_variance: bool = Field(
        default=False,
        description="Whether to divide by the width relative to that of a normal distribution, so that a normal column "
        "gets the standard deviation 1. The quantiles must then lie between 0 and 100.",
    )

    @model_validator(mode="after")
    def _quantiles_are_in_order(self) -> "RobustScale":
        low, high = self.quantile_range
        if not 0 <= low < high <= 100:
            raise ValueError(f"quantile_range must be two percentages, the smaller one first, but it is {[low, high]}")
        if self.unit_variance and not 0 < low < high < 100:
            raise ValueError("with unit_variance the quantiles must lie between 0 and 100: a normal distribution has no ends")
        return self

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _quantiles.summarize(frame, choose_numbers(self.columns, frame.collect_schema(), "robust_scale"))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _quantiles.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, and the ``shift`` and ``scale`` of ``(value - shift) / scale``."""
        low, high = (percent / 100 for percent in self.quantile_range)
        found = _quantiles.quantiles(summary, [low, 0.5, high])
        at = [pl.col("quantiles").list.get(number, null_on_oob=True) for number in range(3)]
        width = (at[2] - at[0]) / (NormalDist().inv_cdf(high) - NormalDist().inv_cdf(low) if self.unit_variance else 1.0)
        scale = pl.when(width != 0).then(width).otherwise(1.0) if self.with_scaling else pl.lit(1.0)
        shift = at[1].fill_null(0.0) if self.with_centering else pl.lit(0.0)
        return require_finite(found.select("column", shift=shift, scale=scale), "shift", "scale")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        require(state["column"].to_list(), frame.collect_schema().names())
        return rescaled(frame, state)
