"""Joins as of each row's own time, against a plain reckoning."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.errors import DataError, MissingColumn
from engine.names import span
from engine.stages.join import join

EPOCH = datetime(2026, 3, 1)  # noqa: DTZ001  without a zone, as most files have it
TIMES = st.none() | st.integers(0, 20).map(lambda hours: EPOCH + timedelta(hours=hours))
KEYS = st.none() | st.sampled_from("ab")
LEFT = st.lists(st.tuples(KEYS, TIMES), max_size=12)
RIGHT = st.lists(st.tuples(KEYS, TIMES), max_size=12, unique=True)


def node(**changes):
    plain = {"with": "weather", "on": ["key"], "suffix": None, "many": False, "time": "time", "with_time": "time"}
    return plain | {"tolerance": None, "known_after": "0s"} | changes


def frame(rows, **columns):
    schema = {"key": pl.String, "time": pl.Datetime("us")}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(**columns).with_row_index("n").lazy()


def reckoned(left, right, tolerance, known_after):
    """Return for each row of the left the number of the row of the right that it is joined to, or None."""
    found = []
    for key, time in left:
        fitting = [
            (happened, number)
            for number, (other, happened) in enumerate(right)
            if None not in (key, time, other, happened)
            and key == other
            and happened + known_after <= time
            and (tolerance is None or time - happened <= tolerance)
        ]
        found.append(max(fitting)[1] if fitting else None)
    return found


@given(LEFT, RIGHT, st.sampled_from([None, "2h", "5h"]), st.sampled_from(["0s", "1h", "2h"]))
def test_each_row_is_given_the_last_one_that_was_known_at_its_time(left, right, tolerance, known_after):
    joined = join(frame(left), frame(right), node(tolerance=tolerance, known_after=known_after)).collect()
    expected = reckoned(left, right, tolerance and span(tolerance), span(known_after))
    assert joined["n_weather"].to_list() == expected
    assert joined["n"].to_list() == list(range(len(left))), "every row stays, in its place"


@given(LEFT, RIGHT, st.integers(0, 20))
def test_what_happens_later_changes_nothing_before(left, right, hour):
    now = EPOCH + timedelta(hours=hour)
    before = [(key, time) for key, time in left if time is not None and time < now]
    later = [(key, time) for key, time in right if time is None or time < now]
    whole = join(frame(before), frame(right), node()).collect()
    assert_frame_equal(whole.drop("n_weather"), join(frame(before), frame(later), node()).collect().drop("n_weather"))


@given(LEFT, RIGHT, st.randoms())
def test_the_order_of_the_dataset_does_not_matter(left, right, random):
    shuffled = random.sample(right, len(right))
    one, two = (join(frame(left), frame(rows), node()).drop("n_weather").collect() for rows in (right, shuffled))
    assert_frame_equal(one, two)


def test_without_keys_the_time_alone_decides():
    left = frame([(None, EPOCH + timedelta(hours=3)), (None, EPOCH)])
    right = frame([("a", EPOCH + timedelta(hours=1)), ("b", EPOCH + timedelta(hours=2))])
    assert join(left, right, node(on=[])).collect()["key_weather"].to_list() == ["b", None]


def test_the_times_of_the_dataset_stay_and_tell_how_old_it_is():
    left, right = frame([("a", EPOCH + timedelta(hours=3))]), frame([("a", EPOCH)])
    found = join(left, right.rename({"time": "seen"}), node(with_time="seen")).select(age=pl.col("time") - pl.col("seen"))
    assert found.collect().item() == timedelta(hours=3)


def test_columns_that_are_there_already_get_the_suffix():
    left, right = frame([("a", EPOCH)], x=pl.lit(1)), frame([("a", EPOCH)], x=pl.lit(2))
    assert join(left, right, node(suffix="_w")).collect_schema().names() == ["n", "key", "time", "x", "n_w", "time_w", "x_w"]


@pytest.mark.parametrize("coarse", ["left", "right"])
def test_a_finer_unit_is_not_rounded_into_the_past(coarse):
    """0.5 microseconds later is later."""
    fine = frame([("a", EPOCH)]).with_columns(
        (pl.col("time").cast(pl.Datetime("ns")).to_physical() + 500).cast(pl.Datetime("ns"))
    )
    left, right = (frame([("a", EPOCH)]), fine) if coarse == "left" else (fine, frame([("a", EPOCH)]))
    assert join(left, right, node()).collect()["n_weather"].to_list() == [None if coarse == "left" else 0]


def test_times_of_different_zones_are_compared_as_moments():
    """In New York clocks go from 1:59 to 3:00 on 8 March 2026: 3:30 there is 7:30 UTC, an hour after 1:30."""
    zoned = pl.DataFrame({"key": ["a", "a"], "n": [0, 1], "time": ["2026-03-08 01:30", "2026-03-08 03:30"]}).lazy()
    left = zoned.with_columns(pl.col("time").str.to_datetime().dt.replace_time_zone("America/New_York"))
    right = pl.LazyFrame({"key": ["a"], "n": [0], "time": [datetime(2026, 3, 8, 7, 0, tzinfo=UTC)]})
    assert join(left, right, node()).collect()["n_weather"].to_list() == [None, 0]
    assert join(left, right, node(tolerance="29m")).collect()["n_weather"].to_list() == [None, None]


def test_dates_are_compared_with_dates():
    left = pl.LazyFrame({"key": ["a"], "time": [date(2026, 3, 2)]})
    right = pl.LazyFrame({"key": ["a", "a"], "time": [date(2026, 3, 1), date(2026, 3, 3)]})
    assert join(left, right, node()).collect()["time_weather"].to_list() == [date(2026, 3, 1)]


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (EPOCH, date(2026, 3, 1), "can not be compared"),
        (EPOCH, EPOCH.replace(tzinfo=UTC), "can not be compared"),
        (EPOCH, 3, "column 'time' of weather has no times"),
        ("soon", EPOCH, "column 'time' of the view has no times"),
    ],
)
def test_times_that_can_not_be_compared_are_named(left, right, said):
    frames = (pl.LazyFrame({"key": ["a"], "time": [value]}) for value in (left, right))
    with pytest.raises(DataError, match=said):
        join(*frames, node())


def test_a_column_of_times_without_any_value_matches_nothing():
    right = frame([("a", EPOCH)]).with_columns(time=pl.lit(None))
    assert join(frame([("a", EPOCH)]), right, node()).collect()["n_weather"].to_list() == [None]


@pytest.mark.parametrize(("changes", "side"), [({"time": "when"}, "the view"), ({"with_time": "when"}, "weather")])
def test_a_column_of_times_that_is_not_there_is_said_with_its_side(changes, side):
    with pytest.raises(MissingColumn) as raised:
        join(frame([]), frame([]), node(**changes))
    assert raised.value.where == f"join with weather: {side}"
