"""The parts of a time as features."""

import math
from collections.abc import Callable
from typing import Literal

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import Transformer, require
from plugins.transformers._numbers import divided

_PARTS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "year": lambda time: time.dt.year(),
    "quarter": lambda time: time.dt.quarter(),
    "month": lambda time: time.dt.month(),
    "week": lambda time: time.dt.week(),
    "day": lambda time: time.dt.day(),
    "day_of_year": lambda time: time.dt.ordinal_day(),
    "weekday": lambda time: time.dt.weekday(),
    "hour": lambda time: time.dt.hour(),
    "minute": lambda time: time.dt.minute(),
    "is_weekend": lambda time: time.dt.weekday() > 5,
}

_ROUNDS: dict[str, tuple[int, Callable[[pl.Expr], pl.Expr]]] = {
    "quarter": (1, lambda _: pl.lit(4.0)),
    "month": (1, lambda _: pl.lit(12.0)),
    "week": (1, lambda _: pl.lit(53.0)),
    "day": (1, lambda time: time.dt.days_in_month()),
    "day_of_year": (1, lambda time: time.dt.is_leap_year().cast(pl.Float64) + 365),
    "weekday": (1, lambda _: pl.lit(7.0)),
    "hour": (0, lambda _: pl.lit(24.0)),
    "minute": (0, lambda _: pl.lit(60.0)),
}
"""Of parts that come round again: the number of the first, and how many there are."""

_Part = Literal["year", "quarter", "month", "week", "day", "day_of_year", "weekday", "hour", "minute", "is_weekend"]


class Calendar(Transformer):
    """Add parts of a time as columns, so that a model sees the season, the weekday or the hour.

    Part ``hour`` of column ``time_hour`` is ``time_hour_hour``. Parts are those of the clock in the column's own time
    zone. The column itself stays; a missing time gives missing parts.

    With ``cyclic`` a part is a place on a circle, so that December is next to January: ``time_hour_hour_sin`` and
    ``time_hour_hour_cos`` (Float64, -1 to 1), the angle from 0 for the first hour. A round has as many parts as there are:
    the days of that month or year, and 53 weeks.
    """

    column: str = Field(description="The column of dates or times.")
    parts: tuple[_Part, ...] = Field(
        min_length=1,
        description="What to add: year, quarter (1 to 4), month (1 to 12), week (ISO, 1 to 53), day (1 to 31), "
        "day_of_year (1 to 366), weekday (Monday 1 to Sunday 7), hour (0 to 23; 0 for dates), minute (0 to 59; 0 for "
        "dates), is_weekend (true on Saturday and Sunday).",
    )
    cyclic: bool = Field(
        default=False,
        description="Whether each part that comes round again, which is all but year and is_weekend, is given as sine and "
        "cosine instead of as a number. It suits linear models, distances and networks; trees do without.",
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require((self.column,), schema.names())
        source = schema[self.column]
        if source not in (pl.Datetime, pl.Date, pl.Null):
            raise DataError(
                f"column '{self.column}' is no time",
                expected="dates or times",
                found=str(source),
                hint="turn it into one first: {use: parse_time, columns: [" + self.column + "]}",
            )
        time = pl.col(self.column) if source == pl.Datetime else pl.col(self.column).cast(pl.Datetime("us"))
        return frame.with_columns(made for part in self.parts for made in self._made(part, time))

    def _made(self, part: _Part, time: pl.Expr) -> list[pl.Expr]:
        name, value = f"{self.column}_{part}", _PARTS[part](time)
        if not self.cyclic or part not in _ROUNDS:
            return [value.alias(name)]
        first, count = _ROUNDS[part]
        angle = divided(value.cast(pl.Float64) - first, count(time).cast(pl.Float64)) * (2 * math.pi)
        return [angle.sin().alias(f"{name}_sin"), angle.cos().alias(f"{name}_cos")]
