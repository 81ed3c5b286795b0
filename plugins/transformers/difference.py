"""One column minus another."""

from typing import Literal

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import Transformer, require
from plugins.transformers._numbers import divided
from plugins.transformers._pairs import numbers
from plugins.transformers._values import strictly

_MICROSECONDS = {"s": 1e6, "min": 60e6, "h": 3600e6, "d": 86400e6}
_TIMES = (pl.Date, pl.Datetime)


class Difference(Transformer):
    """Subtract one column from another: numbers, or times and dates.

    Whole numbers give Int64, and a difference that it can not hold stops the run; other numbers give Float64. Times give
    how much later the first is, in a unit, as Float64. A missing value on either side gives a missing one.
    """

    column: str = Field(description="The column that is subtracted from.")
    minus: str = Field(description="The column that is subtracted, of the same kind.")
    into: str = Field(description="The name of the new column; one of this name is replaced.")
    unit: Literal["s", "min", "h", "d"] = Field(
        default="s",
        description="What a difference of times or dates is counted in: seconds, minutes, hours, or days of 24 hours.",
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require((self.column, self.minus), schema.names())
        kinds = [schema[self.column], schema[self.minus]]
        temporal = any(kind in _TIMES for kind in kinds)
        value = self._of_times(kinds) if temporal else self._of_numbers(numbers(frame, self.column, self.minus))
        return frame.with_columns(value.alias(self.into))

    def _of_times(self, kinds: list[pl.DataType]) -> pl.Expr:
        zoned = {getattr(kind, "time_zone", None) is not None for kind in kinds if kind != pl.Null}
        if len(zoned) == 2 or any(kind not in (*_TIMES, pl.Null) for kind in kinds):
            raise DataError(
                f"'{self.minus}' can not be subtracted from '{self.column}'",
                expected="both times or dates, both with a time zone or both without",
                found=f"{kinds[0]} and {kinds[1]}",
            )
        first, second = (_microseconds(name, kind) for name, kind in zip((self.column, self.minus), kinds, strict=True))
        return divided((first - second).cast(pl.Float64), _MICROSECONDS[self.unit])

    def _of_numbers(self, kinds: list[pl.DataType]) -> pl.Expr:
        if not all(kind.is_integer() for kind in kinds):
            return pl.col(self.column).cast(pl.Float64) - pl.col(self.minus).cast(pl.Float64)
        narrow = {pl.Int8(), pl.Int16(), pl.Int32(), pl.UInt8(), pl.UInt16(), pl.UInt32()}
        if all(kind in narrow for kind in kinds):
            return pl.col(self.column).cast(pl.Int64) - pl.col(self.minus).cast(pl.Int64)
        first, second = (pl.col(name).cast(pl.Int128, strict=False) for name in (self.column, self.minus))
        # Differences of 64 bits fit 128. Those of 128 bits may wrap: they are compared with what a float makes of them.
        exact = (first - second).cast(pl.Int64, strict=False)
        near = (first.cast(pl.Float64) - second.cast(pl.Float64)).abs() < 2.0**64
        return strictly(
            pl.when(near).then(exact),
            pl.when(pl.col(self.column).is_not_null() & pl.col(self.minus).is_not_null()).then(
                pl.format("{} - {}", self.column, self.minus)
            ),
            pl.Int64(),
            f"'{self.column}' minus '{self.minus}' is more than Int64 holds",
            hint="cast the columns to Float64 first if rounded differences will do",
        )


def _microseconds(name: str, kind: pl.DataType) -> pl.Expr:
    zone = getattr(kind, "time_zone", None)
    return pl.col(name).cast(pl.Datetime("us", zone)).dt.epoch("us").cast(pl.Int64)
