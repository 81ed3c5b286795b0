"""Keeping some columns only."""

import polars as pl
from pydantic import Field

from engine.plugin import PART, TARGET, Transformer, require


class Keep(Transformer):
    """Keep only the columns that are listed, in the order of the list. Under ``encode``, the target stays as well."""

    columns: tuple[str, ...] = Field(min_length=1, description="The columns to keep; each must exist.")

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        names = frame.collect_schema().names()
        require(self.columns, names)
        return frame.select(*self.columns, *(name for name in (TARGET, PART) if name in names and name not in self.columns))
