"""A pipeline looks at its datasets as they were at a point of the store's history."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.errors import DataError
from engine.explain import explain
from engine.intake import ingest_pipeline
from engine.records import list_batches

HOURS = "cast('2026-03-01' as timestamp) + interval '1 hour' * (id % 24)"


def readings(level):
    """Return a file in which every colour was read at 6:00 and at 12:00."""
    lines = [f"{colour},2026-03-01T{hour:02}:00:00,{level + hour}" for colour in ("red", "green", "blue") for hour in (6, 12)]
    return "\n".join(["colour,seen,level", *lines]) + "\n"


@pytest.fixture
def measured(shapes):
    """Shapes, each of a time, that are given the last reading of their colour; a new file of shapes is a new batch."""
    shapes.write("data/readings.csv", readings(0))
    shapes.pipeline(
        ("    key: [id]\n", "    key: [id]\n    mode: append\n    time: at\n"),
        ('wide: "width > 5"', f'wide: "width > 5", at: "{HOURS}"'),
        ("view:\n", "  readings:\n    extract: {use: csv, path: data/readings.csv}\n    time: seen\nview:\n"),
        ("  from: shapes\n", "  from: shapes\n  join:\n    - {with: readings, on: [colour], time: at, tolerance: 3h}\n"),
        ("{use: drop, columns: [wide]}", "{use: drop, columns: [wide, seen]}"),
    )
    ingest_pipeline(shapes.load(), ["readings"])  # before the others
    return shapes


def test_each_row_is_joined_to_the_last_reading_of_its_time(measured):
    rows = measured.run().features().collect()
    assert rows.height == 60
    hour = rows["at"].dt.hour()
    expected = pl.select(pl.when(hour.is_between(6, 9)).then(6).when(hour.is_between(12, 15)).then(12)).to_series()
    assert rows["level"].to_list() == expected.to_list()


def test_a_run_as_of_a_batch_is_the_run_of_that_time_again(measured):
    then = measured.run()
    measured.write("data/shapes-3.csv", measured.rows(61, 20))
    measured.write("data/readings.csv", readings(100))
    now = measured.run()
    assert (then.features().collect().height, now.features().collect().height) == (60, 80)
    assert set(now.features().collect()["level"].drop_nulls()) == {106, 112}
    again = measured.run("view.as_of=shapes:3")
    assert_frame_equal(again.features().collect(), then.features().collect())
    assert (again.execution.count("ran"), again.metrics) == (0, then.metrics)


def test_within_a_dataset_the_number_of_a_batch_says_what_was_there(measured):
    measured.run()
    assert [measured.run(f"view.as_of=shapes:{number}").features().collect().height for number in (1, 2, 3)] == [20, 40, 60]
    with pytest.raises(DataError, match="the dataset shapes was not there yet"):
        measured.run("view.as_of=readings:1")


def test_as_of_a_time_only_what_was_ingested_by_then_counts(measured):
    measured.run()
    between = datetime.now(UTC)
    while datetime.now(UTC) == between or time.time() <= between.timestamp():
        pass
    measured.write("data/shapes-3.csv", measured.rows(61, 20))
    assert measured.run().features().collect().height == 80
    assert measured.run(f"view.as_of='{between.isoformat()}'").features().collect().height == 60


def test_sources_are_not_looked_at(measured):
    before = measured.run()
    shutil.rmtree(measured.folder / "data")
    again = measured.run(f"view.as_of='{datetime.now(UTC).isoformat()}'")
    assert (again.execution.count("ran"), again.metrics) == (0, before.metrics)
    assert len(list_batches(again.compiled.spec.store)) == 4, "three files of shapes, one of readings"


def test_the_plan_of_a_pipeline_as_of_a_batch_says_what_is_reused(measured):
    measured.run()
    measured.write("data/shapes-3.csv", measured.rows(61, 20))
    stages = explain(measured.load("view.as_of=shapes:3"))["stages"]
    assert {stage["label"]: stage["run"] for stage in stages if stage["run"]} == {}
    assert next(stage["tasks"] for stage in stages if stage["label"] == "shapes.ingest") == 3


@pytest.mark.parametrize(
    ("as_of", "said"),
    [
        ("shapes:9", "'shapes:9' is neither a time nor a batch"),
        ("soon", "'soon' is neither a time nor a batch"),
        ("2020-01-01", "the dataset shapes was not there yet"),
    ],
)
def test_a_point_at_which_nothing_was_there_is_refused(measured, as_of, said):
    measured.run()
    with pytest.raises(DataError) as raised:
        measured.run(f"view.as_of='{as_of}'")
    assert said in str(raised.value)
