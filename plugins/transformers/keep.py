"""Keeping some columns only."""

import polars as pl
from pydantic import Field

from engine.plugin import Transformer, require


class Keep(Transformer):
    """Keep only the columns that are listed, in the order of the list."""

    columns: tuple[str, ...] = Field(min_length=1, description="The columns to keep; each must exist.")

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        require(self.columns, frame.collect_schema().names())
        return frame.select(self.columns)
