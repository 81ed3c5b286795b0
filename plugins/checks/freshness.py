"""The newest row must not be old."""

from datetime import UTC, datetime

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.names import Duration, span
from engine.plugin import Broken, DatasetCheck

_SHOWN = "%Y-%m-%d %H:%M:%S"


class Freshness(DatasetCheck):
    """The newest time in a dataset is not older than a duration.

    Its age is asked for each time the dataset is ingested or a run uses it, against the clock unless ``at`` is given: what
    was fresh yesterday may not be today, though nothing has changed. Times without a zone are taken for UTC, a date for its
    midnight. A dataset without any time in the column is not fresh.
    """

    column: str = Field(description="The column of dates or times.")
    max_age: Duration = Field(
        description="How old the newest may be: weeks, days, hours, minutes and seconds, as in `1d12h` or `90m`."
    )
    at: datetime | None = Field(
        default=None, description="The time that age is measured from, in UTC unless it has an offset. Left out, it is now."
    )

    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def describe(self) -> str:
        return f"the newest {self.column} is at most {self.max_age} old"

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        dtype, newest = frame.collect_schema()[self.column], pl.col(self.column).max()
        if isinstance(dtype, pl.Datetime):
            newest = newest.dt.convert_time_zone("UTC") if dtype.time_zone else newest.dt.replace_time_zone("UTC")
        elif dtype == pl.Date:
            newest = newest.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        else:
            hint = f"declare its type in the extractor (dtypes: {{{self.column}: Datetime}})"
            raise DataError(f"{self.column} is {dtype}, which has no age", expected="dates or times", hint=hint)
        return frame.select(newest=newest.cast(pl.Datetime("us", "UTC"))).collect(engine="streaming")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([a, b]).max()

    def judge(self, summary: pl.DataFrame, other: pl.DataFrame | None, now: datetime) -> Broken | None:
        newest: datetime | None = summary.item()
        if newest is None:
            return Broken(f"{self.column} has no value")
        at = now if self.at is None else self.at if self.at.tzinfo is not None else self.at.replace(tzinfo=UTC)
        if at - newest <= span(self.max_age):
            return None
        return Broken(f"the newest is of {newest:{_SHOWN}} UTC, looked at from {at.astimezone(UTC):{_SHOWN}} UTC")
