from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.errors import DataError
from engine.schemas import columns_of
from engine.stages.numbers import outside
from engine.stages.transform import apply_steps
from engine.stores.artifacts import Artifact

LEFT = pl.DataFrame({"id": [3, 1, 2, 4], "colour": ["red", "blue", None, "grey"], "width": [1.0, 2.0, 3.0, 4.0]})
RIGHT = pl.DataFrame({"colour": ["blue", "red", None], "width": [10, 20, 30], "warm": [False, True, None]})
JOIN = {
    "join": {"with": "colours", "on": ["colour"], "suffix": None, "many": False, "time": None, "with_time": None},
    "side": 0,
}


def transform(stages, frames, steps, *sides, unique=()):
    rows = stages.keep_raw(*frames)
    return stages.run(
        *("transform", *rows, *(stages.keep(side)[0] for side in sides)),
        steps=steps,
        schema=columns_of(frames[0].schema),
        partitions=len(rows),
        unique=list(unique),
        earlier=0,
        between=None,
        scatter=None,
        dataset="shapes",
    )


def test_steps_are_applied_one_after_the_other(stages):
    steps = [
        {"use": "derive", "double": "width * 2"},
        {"use": "filter", "where": "double > 2"},
        {"use": "drop", "columns": ["colour"]},
    ]
    assert stages.rows(transform(stages, [LEFT], steps)).to_dict(as_series=False) == {
        "id": [1, 2, 4],
        "width": [2.0, 3.0, 4.0],
        "double": [4.0, 6.0, 8.0],
    }


def test_every_row_stays_in_its_place_when_another_dataset_is_joined(stages):
    expected = LEFT.with_columns(
        width_colours=pl.Series([20, 10, None, None], dtype=pl.Int64), warm=pl.Series([True, False, None, None])
    )
    assert_frame_equal(stages.rows(transform(stages, [LEFT], [JOIN], RIGHT)), expected)


def test_columns_that_are_there_already_get_the_suffix(stages):
    join = {"join": {**JOIN["join"], "suffix": "_x"}, "side": 0}
    assert stages.rows(transform(stages, [LEFT], [join], RIGHT)).columns == ["id", "colour", "width", "width_x", "warm"]


def test_several_partitions_are_one_where_a_step_sees_the_whole_table(stages):
    found = stages.rows(transform(stages, [LEFT, LEFT.reverse()], [{"use": "deduplicate", "columns": ["id"]}]))
    assert_frame_equal(found, LEFT)


def test_partitions_take_the_types_of_the_dataset(stages):
    whole = LEFT.cast({"width": pl.Int64})
    params = {"steps": [], "schema": columns_of(LEFT.schema), "partitions": 1, "unique": [], "dataset": "shapes"}
    params |= {"earlier": 0, "between": None, "scatter": None}
    assert_frame_equal(stages.rows(stages.run("transform", *stages.keep_raw(whole), **params)), LEFT)


def test_a_column_that_a_partition_lacks_is_empty_there(stages):
    rows = stages.keep_raw(LEFT, LEFT.drop("colour"))
    params = {"steps": [], "schema": columns_of(LEFT.schema), "partitions": 2, "unique": [], "dataset": "shapes"}
    params |= {"earlier": 0, "between": None, "scatter": None}
    found = stages.rows(stages.run("transform", *rows, **params))
    assert found["colour"].to_list() == [*LEFT["colour"], None, None, None, None]


def test_rows_that_a_backfill_has_replaced_are_left_out(stages):
    (rows,) = stages.keep_raw(LEFT)
    masked = Artifact('{"without":[["id","2","4"]]}', rows.file, rows.rows)
    params = {"steps": [], "schema": columns_of(LEFT.schema), "partitions": 1, "unique": [], "dataset": "shapes"}
    params |= {"earlier": 0, "between": None, "scatter": None}
    assert stages.rows(stages.run("transform", masked, **params))["id"].to_list() == [1, 4]


def test_a_key_that_is_there_twice_is_refused_where_it_must_be_there_once(stages):
    twice = pl.concat([RIGHT, RIGHT.head(1)])
    with pytest.raises(DataError) as caught:
        transform(stages, [twice], [], unique=["colour"])
    assert caught.value.what == "shapes has several rows for one key, so a join would multiply rows"
    assert caught.value.found == "2 rows for colour=blue"
    assert transform(stages, [twice], []).rows == 4


def test_keys_that_are_missing_match_nothing_and_may_be_many(stages):
    assert transform(stages, [pl.concat([RIGHT, RIGHT.tail(1)])], [], unique=["colour"]).rows == 4


def test_a_step_that_fails_is_named(stages):
    with pytest.raises(DataError) as caught:
        transform(stages, [LEFT], [{"use": "keep", "columns": ["colour"]}, {"use": "cast", "columns": {"colour": "Int64"}}])
    assert caught.value.what.startswith("cannot prepare")
    assert "column 'colour'" in caught.value.found
    with pytest.raises(DataError, match="no column 'widht'"):
        transform(stages, [LEFT], [{"use": "drop", "columns": ["widht"]}])


def test_a_join_on_a_column_that_is_not_there_says_on_which_side(stages):
    with pytest.raises(DataError) as caught:
        transform(stages, [LEFT], [JOIN], RIGHT.rename({"colour": "color"}))
    assert caught.value.where == "join with colours: colours"


def test_a_value_that_a_step_refuses_while_rows_are_read_is_told_without_the_plan_behind_it(stages):
    with pytest.raises(DataError) as caught:
        transform(stages, [LEFT], [{"use": "parse_number", "columns": ["colour"]}])
    error = caught.value
    assert error.what == "column 'colour' holds what is no Float64 in the way described"
    assert error.found.startswith("such as '")
    assert "cannot prepare shapes" in error.where
    assert "strict: false" in error.hint
    assert "expression" not in str(error)


DAYS = [datetime(2013, 1, day, tzinfo=UTC) for day in range(1, 6)]


@pytest.mark.parametrize(
    ("dtype", "since", "until"),
    [
        pytest.param(pl.Date(), "2013-01-02", "2013-01-04", id="dates"),
        pytest.param(pl.Datetime("us"), "2013-01-02", "2013-01-04 00:00:00", id="times"),
        pytest.param(pl.Datetime("us", "UTC"), "2013-01-02", "2013-01-04 01:00:00+01:00", id="times with a zone"),
        pytest.param(pl.Datetime("ms", "Asia/Tokyo"), "2013-01-02 00:00:00", "2013-01-04T00:00:00Z", id="of another zone"),
        pytest.param(pl.Int64(), str(DAYS[1].timestamp() * 10**6)[:-2], str(DAYS[3].timestamp() * 10**6)[:-2], id="numbers"),
    ],
)
def test_rows_of_a_range_of_any_kind_are_left_out(dtype, since, until):
    rows = pl.DataFrame({"at": pl.Series(DAYS, dtype=pl.Datetime("us", "UTC"))}).with_row_index("n")
    zone = getattr(dtype, "time_zone", None)
    at = pl.col("at").dt.convert_time_zone(zone) if zone else pl.col("at").dt.replace_time_zone(None)
    frame = rows.with_columns(at.dt.timestamp("us") if dtype == pl.Int64 else at.cast(dtype)).lazy()
    assert outside(frame, [("at", since, until)]).collect()["n"].to_list() == [0, 3, 4]


def test_rows_are_read_once_however_many_steps_look_at_earlier_ones():
    read = []

    def seen(rows: pl.DataFrame) -> pl.DataFrame:
        read.append(rows.height)
        return rows

    times = [datetime(2013, 1, day) for day in range(1, 6)]  # noqa: DTZ001  a column without a zone
    own, other = pl.LazyFrame({"at": times, "x": range(5)}), pl.LazyFrame({"at": times, "x": range(5, 10)})
    steps = [{"use": "lag", "on": "at", "value": "x", "into": "x"}] * 3
    found = apply_steps(own.map_batches(seen, streamable=False), steps, [], other).collect(engine="streaming")
    assert found["x"].to_list() == [None, None, None, 0, 1]
    assert read == [5]
