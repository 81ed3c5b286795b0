"""Times out of text and numbers."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import AfterValidator, Field

from engine.errors import DataError
from engine.plugin import Transformer, require


def _zone_exists(name: str | None) -> str | None:
    try:
        return name and ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{name}' is no time zone; use a name such as UTC or Europe/Lisbon") from error


class ParseTime(Transformer):
    """Turn columns of text or of numbers into times, in microseconds.

    A value that is not a time stops the run. Columns that are times or dates already only get the time zone, so the
    step may stand where an extractor has recognised the times itself.
    """

    columns: tuple[str, ...] = Field(min_length=1, description="The columns to turn into times.")
    format: str | None = Field(
        default=None,
        description="How the text is written, in chrono's letters, such as `%d.%m.%Y %H:%M`. Left out, ISO 8601 is "
        "expected: `2013-01-01`, `2013-01-01 10:00:00`, `2013-01-01T10:00:00Z`.",
    )
    time_zone: Annotated[str | None, AfterValidator(_zone_exists)] = Field(
        default=None,
        description="The zone that results are in, such as UTC. A time that names its own offset is converted to it, "
        "any other is taken as local time there. Left out, results have no zone, and text may not name an offset.",
    )
    unit: Literal["s", "ms", "us", "ns"] = Field(
        default="s",
        description="What numbers count since 1970-01-01 00:00 UTC: seconds, milli-, micro- or nanoseconds.",
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(self.columns, schema.names())
        return frame.with_columns(self._time(name, schema[name]).alias(name) for name in self.columns)

    def _time(self, name: str, source: pl.DataType) -> pl.Expr:
        column = pl.col(name)
        if source == pl.String:
            parsed = column.str.to_datetime(self.format, time_unit="us", time_zone=self._zone_while_parsing())
            return parsed.dt.convert_time_zone(self.time_zone) if self.time_zone else parsed
        if source.is_numeric():
            utc = pl.from_epoch(column, time_unit=self.unit).cast(pl.Datetime("us"))
            return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(self.time_zone) if self.time_zone else utc
        if source == pl.Datetime and getattr(source, "time_zone", None):
            aware = column.dt.cast_time_unit("us")
            return aware.dt.convert_time_zone(self.time_zone) if self.time_zone else aware
        if source in (pl.Datetime, pl.Date, pl.Null):
            naive = column.cast(pl.Datetime("us"))
            return naive.dt.replace_time_zone(self.time_zone) if self.time_zone else naive
        raise DataError(f"column '{name}' can not become a time", expected="text or numbers", found=str(source))

    def _zone_while_parsing(self) -> str | None:
        """Polars refuses a zone beside a format that reads the offset: such a result is in UTC."""
        reads_offset = self.format is not None and any(letter in self.format for letter in ("%z", "%:z", "%#z", "%+"))
        return None if reads_offset else self.time_zone
