"""How common a level is."""

import polars as pl
from pydantic import Field

from engine.plugin import Columns, FittedTransformer, choose, require
from plugins.transformers import _levels


class Frequency(FittedTransformer):
    """Replace each level by the share of training rows that have it, 0 to 1 (Float64).

    One column however many levels there are, for when being rare or common tells something. Levels of equal shares
    become equal. A missing value is a level of its own; one that training never saw is 0.
    """

    columns: Columns = Field(default="text", description="The columns to replace: a list of names, or text, boolean or all.")

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _levels.summarize(frame, choose(self.columns, frame.collect_schema()))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _levels.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, ``level`` (null for missing) and its ``share``."""
        count, total = pl.col("count"), pl.col("count").sum().over("column")
        share = pl.when(total > 0).then(count / total).otherwise(0.0)
        return summary.select("column", "level", share=share).sort("column", "level")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = state["column"].unique(maintain_order=True).to_list()
        require(columns, schema.names())
        return frame.with_columns(
            _shares(_levels.text(name, schema[name]), state.filter(column=name)).alias(name) for name in columns
        )


def _shares(text: pl.Expr, levels: pl.DataFrame) -> pl.Expr:
    known = levels.drop_nulls("level")
    missing = levels.filter(pl.col("level").is_null())["share"].item()
    found = text.replace_strict(known["level"], known["share"], default=0.0, return_dtype=pl.Float64)
    return pl.when(text.is_null()).then(missing).otherwise(found)
