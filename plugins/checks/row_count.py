"""There must be so many rows."""

from datetime import datetime

import polars as pl
from pydantic import Field, model_validator

from engine.plugin import Broken, DatasetCheck


class RowCount(DatasetCheck):
    """A dataset has at least, or at most, so many rows.

    Rows of all its batches count together, as they are loaded: those in quarantine do not.
    """

    min: int | None = Field(default=None, ge=0, description="The smallest number of rows allowed. Left out, there is none.")
    max: int | None = Field(default=None, ge=0, description="The largest number of rows allowed. Left out, there is none.")

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> "RowCount":
        if self.min is None and self.max is None:
            raise ValueError("give min, max, or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is larger than max {self.max}: no number would be allowed")
        return self

    def needs(self) -> tuple[str, ...]:
        return ()

    def describe(self) -> str:
        if self.min is None:
            return f"there are at most {self.max:,} rows"
        if self.max is None:
            return f"there are at least {self.min:,} rows"
        return f"there are between {self.min:,} and {self.max:,} rows"

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return frame.select(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return a + b

    def judge(self, summary: pl.DataFrame, other: pl.DataFrame | None, now: datetime) -> Broken | None:
        rows = int(summary.item())
        if (self.min is None or rows >= self.min) and (self.max is None or rows <= self.max):
            return None
        return Broken(f"{rows:,} rows")
