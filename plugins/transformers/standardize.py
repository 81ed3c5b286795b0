"""Columns with mean 0 and standard deviation 1."""

import sys

import polars as pl
from pydantic import Field

from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _moments
from plugins.transformers._numbers import choose_numbers, rescaled


class Standardize(FittedTransformer):
    """Subtract the mean of the training rows and divide by their standard deviation (that of the population).

    Models that measure distances or shrink coefficients need it, such as nearest neighbours, support vectors, linear
    models and networks; trees do not care. A column that is constant in training is only shifted. Missing stays
    missing, booleans stay as they are, results are Float64. An infinite value in training stops the run.
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to scale: a list of names, or numeric; all means the numeric ones too.",
    )
    with_mean: bool = Field(default=True, description="Whether to subtract the mean.")
    with_std: bool = Field(default=True, description="Whether to divide by the standard deviation.")

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _moments.summarize(frame, choose_numbers(self.columns, frame.collect_schema(), "standardize"))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _moments.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, and the ``shift`` and ``scale`` of ``(value - shift) / scale``."""
        n, mean = pl.col("n"), pl.col("mean")
        variance = pl.when(n > 0).then(pl.col("m2") / n).otherwise(0.0)
        # Rounding leaves some variance in a constant column: the bound is scikit-learn's, so that both agree.
        epsilon = sys.float_info.epsilon
        constant = variance <= n * epsilon * variance + (n * mean * epsilon).pow(2)
        scale = pl.when(constant).then(1.0).otherwise(variance.sqrt()) if self.with_std else pl.lit(1.0)
        shift = mean if self.with_mean else pl.lit(0.0)
        return summary.select("column", shift=shift, scale=scale).sort("column")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        require(state["column"].to_list(), frame.collect_schema().names())
        return rescaled(frame, state)
