"""The feature store is read by version, as of a time or a batch, and in ranges of key and time."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from engine.errors import ConfigError, Corrupt, DataError, HostError, UnknownName
from engine.notebook import features
from engine.opened import opened
from engine.records import list_batches
from engine.runs import run_pipeline
from engine.views import describe_version, list_versions, write_rows
from engine.views import features as read
from tests.conftest import Shapes


def write_days(shapes: Shapes, number: int, days: list[str | None]) -> None:
    lines = [f"{number * 10 + n},{day or ''},{'ab'[n % 2]},{n}" for n, day in enumerate(days)]
    shapes.write(f"data/shapes-{number}.csv", "\n".join(["id,day,kind,width", *lines]) + "\n")


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    """A project of three files: the days 1 to 5, 6 to 10 with a row that has none, 11 to 15; run after each."""
    project = Shapes.create(tmp_path_factory.mktemp("days"))
    project.pipeline(
        ("    key: [id]\n", "    key: [id]\n    mode: append\n    time: day\n"),
        ('{use: derive, area: "width * height"}', '{use: derive, area: "width * 2"}'),
    )
    with chdir(project.folder):
        for number in range(3):
            (project.folder / f"data/shapes-{number}.csv").unlink()
        for number in range(3):
            days: list[str | None] = [f"2013-01-{number * 5 + n + 1:02}" for n in range(5)]
            write_days(project, number, [*days, None] if number == 1 else days)
            shapes_run(project)
    return project


@pytest.fixture
def timed(days: Shapes, monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """The project of days, for tests that only look; the test stands in its folder."""
    monkeypatch.chdir(days.folder)
    return days


def shapes_run(shapes: Shapes) -> None:
    """Run a pipeline whose rows are too few to be split, for the sake of its features."""
    run_pipeline(shapes.load("splitter=random"))


def ids(shapes: Shapes) -> list[str]:
    return [one["id"] for one in list_versions(shapes.load().store)]


def test_versions_are_listed_oldest_first_with_what_they_hold(timed):
    found = list_versions(timed.load().store, "shapes")
    assert [(one["batches"], one["rows"], one["first"], one["last"]) for one in found] == [
        (1, 5, "2013-01-01", "2013-01-05"),
        (2, 11, "2013-01-01", "2013-01-10"),
        (3, 16, "2013-01-01", "2013-01-15"),
    ]
    assert len({one["definition"] for one in found}) == 1
    assert json.loads(json.dumps(found)) == found


def test_the_newest_version_is_read_unless_another_is_named(timed):
    first, second, third = ids(timed)
    assert features("shapes").collect().height == features("shapes", version=third).collect().height == 16
    assert features("shapes", version=first).collect().height == 5
    assert features("shapes", version=second[:13]).collect().equals(features("shapes", version=second).collect())


def test_as_of_a_batch_is_the_newest_version_of_nothing_later(timed):
    batches = [one["id"] for one in list_batches(timed.load().store)]
    assert [features("shapes", as_of=one).collect().height for one in batches] == [5, 11, 16]
    assert [features("shapes", as_of=f"shapes:{number}").collect().height for number in (1, 2, 3)] == [5, 11, 16]


def test_as_of_a_time_is_the_newest_version_that_was_there_then(timed):
    created = [datetime.fromisoformat(one["created"]) for one in list_versions(timed.load().store)]
    assert [features("shapes", as_of=one).collect().height for one in created] == [5, 11, 16]
    just_before = created[1] - timedelta(milliseconds=1)
    assert features("shapes", as_of=just_before.isoformat()).collect().height == 5
    local = created[2].astimezone().replace(tzinfo=None)
    assert features("shapes", as_of=local.isoformat()).collect().height == 16
    assert features("shapes", as_of=date(9999, 1, 1)).collect().height == 16


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [
        (None, None, 16),
        ("2013-01-06", None, 10),
        (None, "2013-01-06", 5),
        ("2013-01-05", "2013-01-11", 6),
        (date(2013, 1, 15), None, 1),
        ("2013-01-16", None, 0),
        ("2013-01-08", "2013-01-08", 0),
    ],
)
@pytest.mark.usefixtures("timed")
def test_a_range_of_time_includes_its_beginning_and_not_its_end_nor_rows_without_a_time(since, until, count):
    found = features("shapes", since=since, until=until).collect()
    everything = features("shapes").collect()
    low, high = (date.fromisoformat(str(one)) if one else None for one in (since, until))
    wanted = everything
    if low:
        wanted = wanted.filter(pl.col("day") >= low)
    if high:
        wanted = wanted.filter(pl.col("day") < high)
    assert found.equals(wanted)
    assert found.height == count
    assert found.schema == everything.schema


def test_partitions_outside_a_range_are_not_opened(timed, tmp_path: Path, monkeypatch):
    copied = shutil.copytree(timed.folder, tmp_path / "copy")
    monkeypatch.chdir(copied)
    with opened(timed.load().store, look=True) as stores:
        paths = [copied / ".levada" / part.piece.path for part in stores.catalog.features()[-1].partitions]
    paths[0].unlink()
    paths[2].write_bytes(b"spoilt")
    assert features("shapes", since="2013-01-06", until="2013-01-11").collect().height == 5
    with pytest.raises(HostError, match="cannot read"):
        features("shapes", until="2013-01-06")
    with pytest.raises(Corrupt, match="is not what was written"):
        features("shapes", since="2013-01-11")


@pytest.mark.usefixtures("timed")
def test_what_is_asked_of_the_frame_is_pushed_down_into_the_files():
    plan = features("shapes", since="2013-01-06").filter(pl.col("kind") == "a").select("id").explain()
    assert 'SELECTION: (col("day") >= 2013-01-06) & (col("kind") == "a")' in plan
    assert "PROJECT 3/5 COLUMNS" in plan
    assert "FILTER" not in plan


def test_values_of_columns_are_read_from_text_and_several_are_alternatives(timed):
    store = timed.load().store
    everything = read(store, "shapes").collect()
    for where, wanted in (
        ({"kind": ["a"]}, pl.col("kind") == "a"),
        ({"width": ["1", "3"]}, pl.col("width").is_in([1, 3])),
        ({"day": ["2013-01-07"], "kind": ["a", "b"]}, pl.col("day") == date(2013, 1, 7)),
    ):
        assert read(store, "shapes", where=where).collect().equals(everything.filter(wanted))


@pytest.mark.parametrize(
    ("asked", "kind", "says"),
    [
        ({"version": "nothing"}, DataError, "has no version 'nothing'"),
        ({"version": ""}, DataError, "has no version"),
        ({"version": "0"}, DataError, "3 versions of shapes"),
        ({"as_of": "1999-01-01"}, DataError, "there was no version of shapes as of 1999"),
        ({"as_of": "yesterday"}, DataError, "neither a time nor a batch"),
        ({"as_of": "shapes:9"}, DataError, "neither a time nor a batch"),
        ({"as_of": "2013-01-01", "version": "0"}, ConfigError, "two ways"),
        ({"since": "monday"}, ConfigError, "'monday' is no value of the column day"),
        ({"until": 5}, ConfigError, "'5' is no value of the column day"),
        ({"where": {"kimd": ["a"]}}, UnknownName, "unknown column 'kimd'"),
        ({"where": {"width": ["wide"]}}, ConfigError, "'wide' is no value of the column width"),
    ],
)
def test_what_can_not_be_read_is_said(asked, kind, says, timed):
    with pytest.raises(kind, match=says):
        read(timed.load().store, "shapes", **asked)


@pytest.mark.usefixtures("timed")
def test_a_view_that_is_not_known_is_said_with_the_nearest_name():
    with pytest.raises(UnknownName, match="unknown view 'shape'") as caught:
        features("shape")
    assert caught.value.hint == "did you mean 'shapes'?"


def test_a_view_without_time_has_no_ranges_of_it(shapes):
    shapes.run()
    with pytest.raises(ConfigError, match="have no time") as caught:
        features("shapes", since="2013-01-01")
    assert "datasets.shapes.time" in caught.value.hint


@pytest.mark.parametrize(
    ("dtype", "since", "rows"),
    [
        (pl.Datetime("us", "UTC"), "2013-01-01T12:00:00+02:00", 2),
        (pl.Datetime("us", "UTC"), "2013-01-01T10:00", 2),
        (pl.Datetime("ns", "Europe/Berlin"), "2013-01-01T11:00", 2),
        (pl.Datetime("ms", "Europe/Berlin"), datetime(2013, 1, 1, 10, tzinfo=UTC), 2),
        (pl.Datetime("us", "UTC"), date(2013, 1, 2), 1),
    ],
)
def test_a_bound_without_a_zone_is_of_the_zone_of_the_column(dtype, since, rows, shapes):
    times = pl.Series(["2013-01-01T09:00", "2013-01-01T10:00", "2013-01-02T10:00"]).str.to_datetime()
    frame = pl.DataFrame({"id": [1, 2, 3], "kind": ["a", "b", "a"], "width": [1, 2, 3]})
    (shapes.folder / "data").mkdir(exist_ok=True)
    frame.with_columns(day=times.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone).cast(dtype)).write_parquet(
        shapes.folder / "data/days.parquet"
    )
    shapes.pipeline(
        ('{use: csv, path: "data/shapes-*.csv"}', '{use: parquet, path: "data/days.parquet"}'),
        ("    key: [id]\n", "    key: [id]\n    time: day\n"),
        ('{use: derive, area: "width * height"}', '{use: derive, area: "width * 2"}'),
    )
    shapes_run(shapes)
    assert features("shapes", since=since).collect().height == rows
    assert features("shapes", until=since).collect().height == 3 - rows


def test_a_time_without_a_zone_takes_no_bound_with_one(shapes):
    shapes.write("data/shapes-0.csv", "id,day,kind,width\n1,2013-01-01T10:00:00,a,1\n2,2013-01-01T11:00:00,b,2\n")
    for number in (1, 2):
        (shapes.folder / f"data/shapes-{number}.csv").unlink()
    shapes.pipeline(
        ("    key: [id]\n", "    key: [id]\n    time: day\n"),
        ('{use: derive, area: "width * height"}', '{use: derive, area: "width * 2"}'),
    )
    shapes_run(shapes)
    assert features("shapes", since="2013-01-01T10:30").collect().height == 1
    with pytest.raises(ConfigError, match="is no value of the column day"):
        features("shapes", since="2013-01-01T10:30Z")


def test_a_version_is_described_with_the_meaning_and_the_origin_of_its_columns(shapes):
    shapes.pipeline(("view:\n", "view:\n  describe: {area: what a shape covers}\n"))
    shapes.run()
    found = describe_version(shapes.load().store, "shapes")
    (area,) = (one for one in found["columns"] if one["name"] == "area")
    assert (area["type"], area["description"], area["raw"]) == (
        "Float64",
        "what a shape covers",
        ["shapes.height", "shapes.width"],
    )
    assert [(step["place"], step["use"]) for step in area["steps"]] == [("view.features.0", "derive")]
    assert found["chosen_by"] == {"raw": [], "steps": []}
    assert json.loads(json.dumps(found)) == found


def test_a_description_of_a_column_that_is_not_there_is_refused_before_anything_is_read(shapes):
    shapes.pipeline(("view:\n", "view:\n  describe: {aera: what a shape covers}\n"))
    with pytest.raises(ConfigError, match="no column 'aera'") as caught:
        shapes.run()
    assert "view.describe" in caught.value.where


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.usefixtures("timed")
def test_rows_are_written_to_a_file_as_a_whole(ending, tmp_path: Path):
    out = tmp_path / f"rows.{ending}"
    assert write_rows(features("shapes", since="2013-01-06"), out) == 10
    back = pl.read_parquet(out) if ending == "parquet" else pl.read_csv(out, try_parse_dates=True)
    assert back.select("id", "day").equals(features("shapes", since="2013-01-06").select("id", "day").collect())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".rows")] == []


@pytest.mark.parametrize(
    ("out", "kind", "says"),
    [
        ("rows.txt", ConfigError, "Parquet, CSV or Arrow"),
        ("none/rows.csv", HostError, "there is no folder"),
        ("lists.csv", DataError, "cannot write"),
    ],
)
def test_rows_that_can_not_be_written_leave_no_file(out, kind, says, tmp_path: Path):
    frame = pl.LazyFrame({"a": [[1, 2]]}) if out == "lists.csv" else pl.LazyFrame({"a": [1]})
    with pytest.raises(kind, match=says):
        write_rows(frame, tmp_path / out)
    assert list(tmp_path.iterdir()) == []
