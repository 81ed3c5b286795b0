"""Giving columns other names."""

from collections import Counter

import polars as pl
from pydantic import Field, field_validator

from engine.errors import DataError
from engine.plugin import Transformer, require


class Rename(Transformer):
    """Give columns other names; their order and values stay. Two names may be swapped."""

    columns: dict[str, str] = Field(min_length=1, description="The new name of each column, as `old: new`.")

    @field_validator("columns")
    @classmethod
    def _new_names_differ(cls, columns: dict[str, str]) -> dict[str, str]:
        twice = [name for name, count in Counter(columns.values()).items() if count > 1]
        if twice:
            raise ValueError(f"two columns can not both be called '{twice[0]}'")
        return columns

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        names = frame.collect_schema().names()
        require(tuple(self.columns), names)
        taken = sorted(set(self.columns.values()) & (set(names) - self.columns.keys()))
        if taken:
            raise DataError(
                f"there is a column '{taken[0]}' already",
                hint=f"drop or rename '{taken[0]}' first, or choose another name",
            )
        return frame.rename(self.columns)
