"""A number for each level."""

import polars as pl
from pydantic import Field

from engine.plugin import Columns, FittedTransformer, choose, require
from plugins.transformers import _levels


class Ordinal(FittedTransformer):
    """Replace each level by its place among the column's sorted levels, from 0 (Int32).

    A level that training never saw becomes -1, a missing value stays missing. It suits models that split on values
    (trees and their ensembles), and columns of very many levels; linear models and distances read an order into the
    numbers that is not there: use ``one_hot`` for them. Levels are sorted as text.
    """

    columns: Columns = Field(default="text", description="The columns to replace: a list of names, or text, boolean or all.")

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _levels.summarize(frame, choose(self.columns, frame.collect_schema()))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _levels.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column`` and its ``levels`` in the order of their codes."""
        return summary.group_by("column").agg(pl.col("level").drop_nulls().sort().alias("levels")).sort("column")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = state["column"].to_list()
        require(columns, schema.names())
        levels = dict(zip(columns, state["levels"], strict=True))
        return frame.with_columns(_codes(_levels.text(name, schema[name]), known).alias(name) for name, known in levels.items())


def _codes(text: pl.Expr, levels: pl.Series) -> pl.Expr:
    codes = pl.int_range(len(levels), dtype=pl.Int32, eager=True)
    known = text.replace_strict(levels, codes, default=-1, return_dtype=pl.Int32)
    return pl.when(text.is_not_null()).then(known)
