"""Times out of text and numbers."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import AfterValidator, Field, field_validator, model_validator

from engine.errors import DataError
from engine.plugin import Transformer, require
from plugins.transformers._values import is_text, strictly

_DAY_AND_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?$"
_WITH_OFFSET = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})$"
_OFFSETS = ("%z", "%:z", "%#z", "%+")
_ISO = "iso"
_YEARS = (-62_135_596_800, 253_402_300_799)
"""The first second of the year 1 and the last one of 9999: beyond, nobody means a time, and Polars would wrap round."""

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _zone_exists(name: str | None) -> str | None:
    try:
        return name and ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{name}' is no time zone; use a name such as UTC or Europe/Lisbon") from error


class ParseTime(Transformer):
    """Turn columns of text or of numbers into times, in microseconds.

    A value that is not a time stops the run, unless ``strict`` is false; so does a number that means no year from 1 to
    9999. Columns that are times or dates already only get the time zone, so the step may stand where an extractor has
    recognised the times itself.
    """

    columns: tuple[str, ...] = Field(min_length=1, description="The columns to turn into times.")
    format: str | tuple[str, ...] | None = Field(
        default=None,
        description="How the text is written, in chrono's letters, such as `%d.%m.%Y %H:%M`, or a list of such formats, of "
        "which the first that fits a text counts. `iso`, as when it is left out, stands for ISO 8601: `2013-01-01`, "
        "`2013-01-01 10:00:00`, `2013-01-01T10:00:00Z`.",
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
    strict: bool = Field(default=True, description="Whether what is no time stops the run; when false it becomes missing.")
    ambiguous: Literal["raise", "earliest", "latest", "missing"] = Field(
        default="raise",
        description="What a local time means that the zone's clocks show twice, when they are set back: it stops the run, is "
        "the earlier or the later one, or becomes missing.",
    )
    non_existent: Literal["raise", "missing"] = Field(
        default="raise",
        description="What becomes of a local time that the zone's clocks skip, when they are set forward: it stops the run, or "
        "becomes missing.",
    )

    @field_validator("format")
    @classmethod
    def _is_not_empty(cls, format: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:  # noqa: A002  the key's name
        if format in ((), "") or (isinstance(format, tuple) and "" in format):
            raise ValueError("name at least one format, or leave `format` out for ISO 8601")
        return format

    @model_validator(mode="after")
    def _kinds_of_time_agree(self) -> "ParseTime":
        kinds = {_reads_offset(one) for one in self._formats()}
        if len(kinds) == 2 and self.time_zone is None:
            raise ValueError("some formats name an offset and some do not: say in `time_zone` which zone results are in")
        return self

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(self.columns, schema.names())
        return frame.with_columns(self._time(name, schema[name]).alias(name) for name in self.columns)

    def _formats(self) -> tuple[str, ...]:
        return self.format if isinstance(self.format, tuple) else (self.format or _ISO,)

    def _time(self, name: str, source: pl.DataType) -> pl.Expr:
        column = pl.col(name)
        if is_text(source):
            return self._of_text(column.cast(pl.String), name)
        if source.is_numeric():
            utc = self._since_1970(column.fill_nan(None) if source.is_float() else column, name)
            return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(self.time_zone) if self.time_zone else utc
        if source == pl.Datetime and getattr(source, "time_zone", None):
            aware = column.dt.cast_time_unit("us")
            return aware.dt.convert_time_zone(self.time_zone) if self.time_zone else aware
        if source in (pl.Datetime, pl.Date, pl.Null):
            return self._local(column.cast(pl.Datetime("us")))
        raise DataError(f"column '{name}' can not become a time", expected="text or numbers", found=str(source))

    def _since_1970(self, number: pl.Expr, name: str) -> pl.Expr:
        low, high = (bound * _PER_SECOND[self.unit] for bound in _YEARS)
        fitting = pl.when(number.is_between(max(low, -(2**63)), min(high, 2**63 - 1))).then(number)
        time = pl.from_epoch(fitting, time_unit=self.unit).cast(pl.Datetime("us"))
        if not self.strict:
            return time
        return strictly(
            time,
            number,
            pl.Datetime("us"),
            f"column '{name}' holds numbers that are no times",
            expected=f"what `unit: {self.unit}` counts from the year 1 to 9999",
            hint="say in `unit` what the numbers count; with strict: false such numbers become missing",
        )

    def _of_text(self, text: pl.Expr, name: str) -> pl.Expr:
        formats = self._formats()
        local = [_parsed(text, one, _DAY_AND_TIME) for one in formats if not _reads_offset(one)]
        aware = [_parsed(text, one, "") for one in formats if _reads_offset(one)]
        if self.time_zone and _ISO in formats:
            aware.append(_parsed(text, _ISO, _WITH_OFFSET))
        read = [pl.coalesce(times) for times in (local, aware) if times]
        if self.strict:
            # Judged before a zone is given: a time that a zone lacks may become missing, and is a time all the same.
            known = pl.coalesce([times.dt.epoch("us") for times in read])
            known = strictly(
                known,
                text,
                pl.Int64(),
                f"column '{name}' holds what is no time",
                expected=" or ".join("ISO 8601" if one == _ISO else one for one in formats),
                hint="list all its formats under `format`; an offset in the text needs a time_zone; with strict: false what "
                "can not be read becomes missing",
            )
            read = [pl.when(known.is_not_null()).then(times) for times in read]
        if not aware:
            return self._local(read[0])
        zoned = read[-1].dt.convert_time_zone(self.time_zone or "UTC")
        return pl.coalesce(zoned, self._local(read[0])) if local else zoned

    def _local(self, naive: pl.Expr) -> pl.Expr:
        """Give times without a zone the one that is asked for, if any."""
        if self.time_zone is None:
            return naive
        return naive.dt.replace_time_zone(
            self.time_zone,
            ambiguous="null" if self.ambiguous == "missing" else self.ambiguous,
            non_existent="null" if self.non_existent == "missing" else self.non_existent,
        )


def _reads_offset(format: str) -> bool:  # noqa: A002  the parameter's name
    return any(letter in format for letter in _OFFSETS)


def _parsed(text: pl.Expr, format: str, iso: str) -> pl.Expr:  # noqa: A002  as above
    """Return the times that a format reads, null for others: in UTC if it reads an offset, else without a zone."""
    if format != _ISO:
        return text.str.to_datetime(format, time_unit="us", strict=False)
    text = pl.when(text.str.contains(iso)).then(text)
    if iso == _WITH_OFFSET:
        return text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    return text.str.to_datetime(time_unit="us", strict=False)
