"""Columns between two bounds."""

import polars as pl
from pydantic import Field, field_validator

from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _extremes
from plugins.transformers._numbers import choose_numbers, rescaled


class MinMax(FittedTransformer):
    """Map the smallest value of the training rows to 0 and the largest to 1, and what is between in proportion.

    It suits models that expect bounded numbers, such as networks, and columns without outliers: a single one squeezes
    all other values together, where ``robust_scale`` or ``winsorize`` help. A column that is constant in training
    becomes the lower bound. Missing stays missing, results are Float64. An infinite value in training stops the run.
    It is scikit-learn's ``MinMaxScaler``, and equal to it within rounding (1e-12 of the range).
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to scale: a list of names, or numeric; all means the numeric ones too.",
    )
    feature_range: tuple[float, float] = Field(
        default=(0.0, 1.0),
        description="The bounds to map to, the smaller one first. [-1, 1] suits models that expect numbers around 0.",
    )
    clip: bool = Field(
        default=False,
        description="Whether a later value that is smaller or larger than all in training becomes the bound itself. Left "
        "out, it lies outside the bounds, so that a model sees how far.",
    )

    @field_validator("feature_range")
    @classmethod
    def _bounds_are_in_order(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if not (abs(bounds[0]) < float("inf") and bounds[0] < bounds[1] < float("inf")):
            raise ValueError(f"feature_range must be two numbers, the smaller one first, but it is {list(bounds)}")
        return bounds

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _extremes.summarize(frame, choose_numbers(self.columns, frame.collect_schema(), "min_max"))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _extremes.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, and the ``shift`` and ``scale`` of ``(value - shift) / scale``, which is from 0 to 1."""
        scale = pl.when(pl.col("range") > 0).then(pl.col("range")).otherwise(1.0)
        return _extremes.ranges(summary).select("column", shift=pl.col("min").fill_null(0.0), scale=scale)

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        columns = state["column"].to_list()
        require(columns, frame.collect_schema().names())
        low, high = self.feature_range
        mapped = pl.col(columns) * (high - low) + low
        return rescaled(frame, state).with_columns(mapped.clip(low, high) if self.clip else mapped)
