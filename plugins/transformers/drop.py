"""Leaving columns out."""

import polars as pl
from pydantic import Field

from engine.plugin import Transformer, require


class Drop(Transformer):
    """Leave columns out, such as those that are only known after the fact."""

    columns: tuple[str, ...] = Field(min_length=1, description="The columns to leave out; each must exist.")

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        require(self.columns, frame.collect_schema().names())
        return frame.drop(self.columns)
