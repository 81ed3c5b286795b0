"""Columns with a uniform or a normal distribution."""

from functools import partial
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _quantiles
from plugins.transformers._numbers import choose_numbers, number

_BOUND = 1e-7
"""How near to 0 and 1 a rank counts as the end, where a normal distribution is infinite; that of scikit-learn."""

_Distribution = Literal["uniform", "normal"]


class QuantileTransform(FittedTransformer):
    """Replace each value by its rank among the training rows, from 0 to 1, or by a normal value of that rank.

    Whatever the distribution was, it becomes uniform or normal, and outliers lose their force; distances between
    values are lost, too. Between the learned quantiles ranks are interpolated; beyond the first and the last they are
    0 and 1 (-5.2 and 5.2 if normal), and a column that is constant in training is 0 (-5.2). Missing stays missing,
    infinite values are not learned from, results are Float64; of a column without values in training all are missing.
    It is scikit-learn's ``QuantileTransformer`` without subsampling, equal to it within 1e-9 up to 65,536 different
    values a column (of values that repeat, its rounding may place the rank a step aside); beyond, each quantile is within
    0.1 % of the value there.
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to transform: a list of names, or numeric; all means the numeric ones too.",
    )
    n_quantiles: int = Field(
        default=1000,
        ge=2,
        le=10_000,
        description="How many quantiles are learned, at most as many as there are values. Fewer make a coarser curve.",
    )
    output_distribution: _Distribution = Field(
        default="uniform",
        description="What comes out. uniform: ranks from 0 to 1. normal: values of a standard normal distribution, for "
        "models that expect it, such as linear ones.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _quantiles.summarize(frame, choose_numbers(self.columns, frame.collect_schema(), "quantile_transform"))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _quantiles.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column`` and its ``quantiles`` at equal steps from 0 to 1; none where training has no value."""
        values = pl.when(pl.col("value").is_not_null()).then("count").sum()
        sizes = dict(summary.group_by("column").agg(values).iter_rows())
        parts = summary.sort("column").partition_by("column", maintain_order=True)
        grids = [np.linspace(0, 1, min(self.n_quantiles, sizes[part["column"][0]])) for part in parts]
        found = [_quantiles.quantiles(part, grid) for part, grid in zip(parts, grids, strict=True)]
        return pl.concat([_quantiles.quantiles(summary.clear(), []), *found])

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(state["column"].to_list(), schema.names())
        ranks = {name: partial(_ranks, known=known, target=self.output_distribution) for name, known in state.iter_rows()}
        return frame.with_columns(
            number(name, schema[name]).map_batches(rank, return_dtype=pl.Float64, is_elementwise=True).alias(name)
            for name, rank in ranks.items()
        )


def _ranks(values: pl.Series, *, known: list[float], target: _Distribution) -> pl.Series:
    if not known:
        return pl.Series(values.name, [None] * len(values), dtype=pl.Float64)
    present = values.is_not_null()
    quantiles, x = np.maximum.accumulate(known), values.fill_null(0.0).to_numpy()
    steps = np.linspace(0, 1, len(known))
    # Where quantiles are equal, upwards finds the largest rank and downwards the smallest: the middle is taken.
    rank = 0.5 * (np.interp(x, quantiles, steps) - np.interp(-x, -quantiles[::-1], -steps[::-1]))
    rank = np.where(x <= quantiles[0], 0.0, np.where(x >= quantiles[-1], 1.0, rank))
    found = _normal(rank) if target == "normal" else rank
    return pl.select(pl.when(present).then(pl.Series(values.name, found, dtype=pl.Float64))).to_series()


def _normal(rank: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import ndtri

    bound = _BOUND - np.spacing(1)
    cut: NDArray[np.float64] = np.clip(ndtri(rank), ndtri(bound), ndtri(1 - bound))
    return cut
