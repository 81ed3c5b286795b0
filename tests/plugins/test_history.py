"""Steps that look at earlier rows, against a slow and plain reckoning of what was known when."""

# ruff: noqa: DTZ001  columns hold times without a zone

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from engine.errors import DataError
from engine.plugin import TimeAware
from plugins.transformers._history import span
from plugins.transformers.expanding import Expanding
from plugins.transformers.fill_forward import FillForward
from plugins.transformers.lag import Lag
from plugins.transformers.rolling import Rolling

START = datetime(2013, 1, 1)
SCHEMA = {"time": pl.Datetime("us"), "key": pl.String, "value": pl.Float64}

Row = tuple[datetime | None, str | None, float | None]

rows = st.lists(
    st.tuples(
        st.none() | st.integers(0, 12).map(lambda hours: START + timedelta(hours=hours)),
        st.none() | st.sampled_from("ab"),
        st.none() | st.integers(-50, 50).map(float) | st.sampled_from([math.nan, math.inf]),
    ),
    max_size=25,
)


def frame(data: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(list(data), schema=SCHEMA, orient="row")


def last(step: TimeAware, data: Sequence[Row], earlier: Sequence[Row] | None = None) -> list[Any]:
    result = step.apply(frame(data).lazy(), None if earlier is None else frame(earlier).lazy()).collect()
    assert result.height == len(data)
    return result[result.columns[-1]].to_list()


def known(data: Sequence[Row], row: Row, after: str, within: str | None) -> list[float | None]:
    """Return the values that are known at a row's time, oldest first."""
    time, key, _ = row
    if time is None or key is None:
        return []
    end = time - span(after)
    since = START if within is None else end - span(within)
    found = [(when, value) for when, other, value in data if other == key and when is not None and since <= when < end]
    return [value for _, value in sorted(found, key=lambda one: one[0])]


def finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "sum": math.fsum,
    "min": min,
    "max": max,
    "median": statistics.median,
}


def told(values: list[float], aggregate: str) -> float | None:
    if aggregate == "count":
        return float(len(values))
    if aggregate == "std":
        return statistics.stdev(values) if len(values) > 1 else None
    return AGGREGATES[aggregate](values) if values else None


def close(found: Sequence[float | None], expected: Sequence[float | None]) -> bool:
    return [None if value is None else round(value, 6) for value in found] == [
        None if value is None else round(value, 6) + 0.0 for value in expected
    ]


@pytest.mark.parametrize("aggregate", ["mean", "sum", "min", "max", "std", "median", "count"])
@given(rows, st.sampled_from(["0s", "1h", "3h"]), st.sampled_from(["1h", "2h", "5h"]))
def test_a_window_holds_what_was_known_at_the_rows_time(aggregate: Any, data: list[Row], after: str, within: str) -> None:
    step = Rolling(on="time", value="value", by=("key",), within=within, known_after=after, aggregate=aggregate)
    expected = [None if None in row[:2] else told(finite(known(data, row, after, within)), aggregate) for row in data]
    assert close(last(step, data), expected)


@pytest.mark.parametrize("aggregate", ["mean", "sum", "min", "max", "count"])
@given(rows, st.sampled_from(["0s", "1h", "3h"]))
def test_all_that_was_known_before_counts(aggregate: Any, data: list[Row], after: str) -> None:
    step = Expanding(on="time", value="value", by=("key",), known_after=after, aggregate=aggregate)
    expected = [None if None in row[:2] else told(finite(known(data, row, after, None)), aggregate) for row in data]
    assert close(last(step, data), expected)


@given(rows, st.integers(1, 3), st.sampled_from(["0s", "2h"]))
def test_the_nth_row_before_is_taken_as_it_is(data: list[Row], n: int, after: str) -> None:
    step = Lag(on="time", value="value", by=("key",), n=n, known_after=after)
    before = [known(data, row, after, None) for row in data]
    expected = [values[-n] if len(values) >= n else None for values in before]
    assert str(last(step, data)) == str(expected)


@given(rows, st.sampled_from([None, "2h"]))
def test_a_gap_is_filled_with_the_last_value_before_it(data: list[Row], within: str | None) -> None:
    step = FillForward(on="time", columns=("value",), by=("key",), within=within)
    filled = step.apply(frame(data).lazy()).collect()["value"].to_list()
    for row, found in zip(data, filled, strict=True):
        if row[2] is not None and not math.isnan(row[2]):
            assert found == row[2]
        else:
            there = [value for value in known(data, row, "0s", within) if value is not None and not math.isnan(value)]
            assert found == (there[-1] if there else None)


STEPS = [
    Rolling(on="time", value="value", by=("key",), within="3h", known_after="1h"),
    Rolling(on="time", value="value", within="3h", aggregate="count"),
    Expanding(on="time", value="value", by=("key",), aggregate="sum"),
    Lag(on="time", value="value", by=("key",), n=2),
    FillForward(on="time", columns=("value",), by=("key",)),
]


@pytest.mark.parametrize("step", STEPS, ids=repr)
@given(rows, st.integers(0, 25))
def test_a_partition_beside_the_rows_before_it_comes_to_what_the_whole_does(step: TimeAware, data: list[Row], cut: int) -> None:
    ordered = sorted((row for row in data if row[0] is not None), key=lambda row: str(row[0]))
    first, second = ordered[:cut], ordered[cut:]
    apart = [step.apply(frame(own).lazy(), frame(rest).lazy()).collect() for own, rest in ((first, second), (second, first))]
    assert_frame_equal(pl.concat(apart), step.apply(frame(ordered).lazy()).collect(), abs_tol=1e-9)


@pytest.mark.parametrize("step", STEPS, ids=repr)
@given(rows)
def test_what_comes_later_changes_nothing_before_it(step: TimeAware, data: list[Row]) -> None:
    ordered = sorted((row for row in data if row[0] is not None), key=lambda row: str(row[0]))
    later = [(START + timedelta(hours=12), key, 1e6) for key in "ab"]
    whole = step.apply(frame([*ordered, *later]).lazy()).collect()
    assert_frame_equal(whole.head(len(ordered)), step.apply(frame(ordered).lazy()).collect(), abs_tol=1e-9)


def test_times_with_a_zone_are_compared_as_moments_whatever_the_clocks_do() -> None:
    utc = pl.datetime_range(datetime(2013, 11, 3, 3), datetime(2013, 11, 3, 9), "1h", time_zone="UTC", eager=True)
    local = pl.DataFrame({"time": utc.dt.convert_time_zone("America/New_York"), "value": range(7)})  # one hour is there twice
    step = Lag(on="time", value="value", within="1h")
    assert step.apply(local.lazy()).collect()["value_lag_1"].to_list() == [None, 0, 1, 2, 3, 4, 5]


def test_dates_are_times_at_midnight() -> None:
    days = pl.DataFrame({"time": [date(2013, 1, day) for day in (3, 1, 2)], "value": [3, 1, 2]})
    step = Rolling(on="time", value="value", within="1d", into="yesterday")
    assert step.apply(days.lazy()).collect()["yesterday"].to_list() == [2.0, None, 1.0]


def test_sums_of_large_whole_numbers_do_not_wrap() -> None:
    large = pl.DataFrame({"time": [START + timedelta(hours=hour) for hour in range(4)], "value": [2**62] * 4})
    found = Rolling(on="time", value="value", within="9h", aggregate="sum").apply(large.lazy()).collect()
    assert found["value_sum_9h"].to_list() == [None, 2.0**62, 2.0**63, 3 * 2.0**62]


@pytest.mark.parametrize("text", ["", "2", "h", "2 h", "-2h", "1mo", "2h!"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is no duration"):
        Rolling(on="time", value="value", within=text)


def test_a_column_without_times_is_refused() -> None:
    with pytest.raises(DataError, match="column 'key' has no times"):
        last(Rolling(on="key", value="value", within="1h"), [(START, "a", 1.0)])
    with pytest.raises(DataError, match="column 'key' has no numbers"):
        last(Rolling(on="time", value="key", within="1h"), [(START, "a", 1.0)])
