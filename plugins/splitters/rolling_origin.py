"""The future, again and again, from the past before it."""

from datetime import timedelta
from typing import Literal

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.names import Duration, span
from engine.plugin import Folds, Roles
from plugins.splitters._shares import time_column


class RollingOrigin(Folds):
    """Cut time into blocks: a block validates, and what lies before it is learned from. The latest rows are for testing.

    Fold 0 validates on the second block, fold 1 on the third, and so on; a sweep over ``splitter.fold=range(5)`` tells
    whether a model stays good as time goes on. Later rows than those that validate are in no part, and so are rows without
    a time. Blocks have equal numbers of rows; rows of equal time stay together in the earlier one.
    """

    column: str | None = Field(
        default=None, description="The column that orders rows: times, dates or numbers. Left out, the dataset's time."
    )
    window: Literal["expanding", "sliding"] = Field(
        default="expanding",
        description="What is learned from: all blocks before, or only the last one, where what is long past misleads.",
    )
    gap: Duration | float | None = Field(
        default=None,
        description="How long before the first row that validates learning ends: 7d, or a number where the column is one. As "
        "long as it takes until the target of a row is known.",
    )

    def needs(self, roles: Roles) -> list[str]:
        return [time_column(self.column, roles, "rolling_origin")]

    def assign(self, roles: Roles) -> pl.Expr:
        return pl.col(self.needs(roles)).map_batches(self._parts, return_dtype=pl.String)

    def _parts(self, times: pl.Series) -> pl.Series:
        time, place = pl.col("time"), pl.col("time").rank("min").cast(pl.Int64) - 1
        until_test = (time.count() * (1 - self.test) + 0.5).floor()
        rows = times.alias("time").to_frame()
        block = pl.when(place < until_test).then((place * (self.folds + 1) / until_test).floor().cast(pl.Int64))
        rows = rows.with_columns(block=block)
        begins = rows.filter(pl.col("block") == self.fold + 1)["time"].min()
        early = pl.col("block") <= self.fold if self.window == "expanding" else pl.col("block") == self.fold
        if self.gap is not None and begins is not None:
            early &= time < pl.lit(begins, dtype=times.dtype) - self._gap(times.dtype)
        part = (
            pl.when(time.is_null())
            .then(None)
            .when(pl.col("block").is_null())
            .then(pl.lit("test"))
            .when(pl.col("block") == self.fold + 1)
            .then(pl.lit("validation"))
            .when(early)
            .then(pl.lit("train"))
        )
        return rows.select(part.cast(pl.String)).to_series()

    def _gap(self, dtype: pl.DataType) -> timedelta | float:
        """Return the gap in what the column is made of. Raises ``DataError`` when it is made of something else."""
        if isinstance(self.gap, str) == dtype.is_temporal():
            return span(self.gap) if isinstance(self.gap, str) else float(self.gap or 0)
        expected = "a duration such as 7d" if dtype.is_temporal() else "a number"
        raise DataError(f"a gap of {self.gap} makes no sense for {dtype}", expected=expected, where="splitter.gap")
