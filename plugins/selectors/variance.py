"""Features that vary."""

from typing import ClassVar

import polars as pl

from engine.plugin import TARGET, Selector
from plugins.transformers import _moments


class Variance(Selector):
    """Rate a feature by its variance (that of the population, in the square of the feature's unit).

    ``{use: select, by: variance, threshold: 0}`` leaves out the columns that are constant in training. Beyond that a
    larger variance only says that a unit is small: after ``standardize`` all features have variance 1.
    """

    measure: ClassVar[str] = "variance"

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _moments.summarize(frame, [name for name in frame.collect_schema().names() if name != TARGET])

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _moments.merge(a, b)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        variance = pl.when(pl.col("n") > 0).then(pl.col("m2") / pl.col("n")).otherwise(0.0)
        return summary.select("column", score=variance)
