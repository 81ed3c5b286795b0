"""Numbers as a few bins."""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _extremes, _quantiles
from plugins.transformers._numbers import choose_numbers, number

_EDGES = pl.Schema({"column": pl.String(), "edges": pl.List(pl.Float64())})


class Bin(FittedTransformer):
    """Replace each number by the bin it lies in, counted from 0 (Int32), by edges learned from the training rows.

    It lets linear models follow a curve, and takes the force out of outliers; trees find their own edges. A bin has its
    lower edge and not its upper one; the first and the last take everything beyond. Edges that are equal are one, so
    that a column may have fewer bins. Missing stays missing (0 everywhere with ``one_hot``). It is scikit-learn's
    ``KBinsDiscretizer`` with ``quantile_method: linear``.
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to replace: a list of names, or numeric; all means the numeric ones too.",
    )
    n_bins: int = Field(
        default=5,
        ge=2,
        le=10_000,
        description="How many bins a column has at most. More bins follow a curve more closely and need more rows in each.",
    )
    strategy: Literal["quantile", "uniform"] = Field(
        default="quantile",
        description="Where the edges are. quantile: bins of equally many training rows, exact up to 65,536 different "
        "values a column, beyond each edge is within 0.1 % of itself; infinite values are not learned from. uniform: bins "
        "of equal width between the smallest and the largest value; an infinite value in training stops the run.",
    )
    encode: Literal["ordinal", "one_hot"] = Field(
        default="ordinal",
        description="What comes out. ordinal: the number of the bin, for trees. one_hot: in place of column `x` a column "
        "`x=0`, `x=1` and so on for each bin, 1 in its rows and 0 in the others (Int8), for linear models.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        columns = choose_numbers(self.columns, frame.collect_schema(), "bin")
        return _extremes.summarize(frame, columns) if self.strategy == "uniform" else _quantiles.summarize(frame, columns)

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _extremes.merge(a, b) if self.strategy == "uniform" else _quantiles.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column`` and its ``edges`` between bins, in order: one fewer than there are bins."""
        shares = np.linspace(0, 1, self.n_bins + 1)
        if self.strategy == "uniform":
            known = _extremes.ranges(summary).fill_null(0.0).sort("column")
            found = [np.linspace(low, high, len(shares)) for low, high in known.select("min", "max").iter_rows()]
        else:
            known = _quantiles.quantiles(summary, shares)
            found = [edges.to_numpy() for edges in known["quantiles"]]
        return pl.DataFrame({"column": known["column"], "edges": [np.unique(edges)[1:-1].tolist() for edges in found]}, _EDGES)

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = state["column"].to_list()
        require(columns, schema.names())
        bins = {name: _place(number(name, schema[name]), edges) for name, edges in zip(columns, state["edges"], strict=True)}
        if self.encode == "ordinal":
            return frame.with_columns(place.alias(name) for name, place in bins.items())
        flags = [
            (bins[name] == index).fill_null(value=False).cast(pl.Int8).alias(f"{name}={index}")
            for name, edges in zip(columns, state["edges"], strict=True)
            for index in range(len(edges) + 1)
        ]
        return frame.with_columns(flags).drop(columns)


def _place(value: pl.Expr, edges: pl.Series) -> pl.Expr:
    place = pl.lit(edges).search_sorted(value, side="right").cast(pl.Int32)
    return pl.when(value.is_not_null()).then(place)
