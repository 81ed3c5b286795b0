"""How rows are parted: those that are loaded from those set aside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from engine.stages.reading import Rules, spans_in, split
from plugins.checks.not_null import NotNull
from plugins.extractors._streamed import streamed


def test_both_files_and_the_count_come_of_one_reading_of_the_source(tmp_path: Path) -> None:
    readings = []

    def frames() -> Iterator[pl.DataFrame]:
        readings.append(1)
        yield pl.DataFrame({"a": [1, None, 3]})

    read = streamed(frames, {"a": pl.Int64()}).with_columns(pl.col("a").map_batches(lambda a: a, return_dtype=pl.Int64))
    written = split(read, None, Rules([NotNull(columns=("a",))], ["a"]), tmp_path)
    assert readings == [1]
    assert written.rows_in == 3
    assert pl.read_parquet(written.loaded)["a"].to_list() == [1, 3]
    assert pl.read_parquet(written.aside)["__row__"].to_list() == [2]


def test_spans_are_of_dates_and_times_in_microseconds(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "day": [date(1970, 1, 2), None, date(1969, 12, 31)],
            "local": pl.Series([datetime(1970, 1, 1, 1), None, None], dtype=pl.Datetime("ms")),  # noqa: DTZ001  has none
            "there": [datetime(1970, 1, 1, tzinfo=UTC)] * 3,
            "never": pl.Series([None] * 3, dtype=pl.Datetime("us")),
            "number": [1, 2, 3],
        },
        schema_overrides={"there": pl.Datetime("us", "America/New_York")},
    )
    rows.write_parquet(tmp_path / "rows.parquet")
    day, hour = 86_400 * 10**6, 3_600 * 10**6
    assert spans_in(tmp_path / "rows.parquet") == {"day": [-day, day], "local": [hour, hour], "there": [0, 0]}
