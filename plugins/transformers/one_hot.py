"""A column of zeros and ones for each level."""

import polars as pl
from pydantic import Field

from engine.plugin import Columns, FittedTransformer, choose, require
from plugins.transformers import _levels


class OneHot(FittedTransformer):
    """Replace each column by one column a level, 1 in the rows that have it and 0 in the others (Int8).

    Level ``UA`` of column ``carrier`` becomes ``carrier=UA``. Levels beyond the most frequent share ``carrier=other``,
    and so does a level that training never saw; where there is no such column, an unseen level is 0 everywhere. A
    missing value is 0 everywhere, ``other`` included: impute before, or with ``add_indicator``, to tell it apart.
    """

    columns: Columns = Field(default="text", description="The columns to replace: a list of names, or text, boolean or all.")
    max_levels: int = Field(
        default=30,
        ge=1,
        description="How many levels a column may have of its own, the most frequent ones, of equal ones the first by "
        "name. More levels cost columns and rarely help; raise it for linear models with many rows.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _levels.summarize(frame, choose(self.columns, frame.collect_schema()))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _levels.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, its own ``levels`` in order, and ``rest``: whether there is a column for the others."""
        ranked = pl.col("level").sort_by([-pl.col("count"), "level"]).drop_nulls()
        rest = ranked.len() > self.max_levels
        # A level that is called `other` belongs to the rest, where there is one: both columns would have one name.
        own = ranked.head(self.max_levels)
        own = own.filter(~(rest & (own == "other"))).sort()
        return summary.group_by("column").agg(own.alias("levels"), rest.alias("rest")).sort("column")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = state["column"].to_list()
        require(columns, schema.names())
        encoded: list[pl.Expr] = []
        for name, levels, rest in zip(columns, state["levels"].to_list(), state["rest"].to_list(), strict=True):
            text = _levels.text(name, schema[name])
            flags = {level: (text == level).fill_null(value=False) for level in levels}
            if rest:
                flags["other"] = text.is_not_null() & ~text.is_in(levels).fill_null(value=False)
            encoded += [flag.cast(pl.Int8).alias(f"{name}={level}") for level, flag in flags.items()]
        return frame.with_columns(encoded).drop(columns)
