"""Rows name their batch, source and number; batches, the quarantine and events are told as plain data."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import engine.notebook
from engine.errors import ConfigError, DataError, MissingColumn, UnknownName
from engine.explain import lineage
from engine.intake import ingest_pipeline, replay_quarantine
from engine.plugin import ROW, Window
from engine.records import events, list_batches, quarantine, rows, show_batch
from engine.stages.numbers import count_around
from tests.conftest import Shapes


def describe(
    shapes: Shapes, rules: str, *, mode: str = "append", extract: str = '{use: csv, path: "data/shapes-*.csv"}'
) -> None:
    """Write the pipeline with rules for its shapes."""
    shapes.pipeline(
        ("    key: [id]\n", f"    key: [id]\n    mode: {mode}\n    on_change: new_batch\n    expect: [{rules}]\n"),
        ('{use: csv, path: "data/shapes-*.csv"}', extract),
    )


def ingest(shapes: Shapes, window: Window | None = None) -> None:
    """Ingest what is new, which must succeed."""
    ingest_pipeline(shapes.load(), None, window or Window()).raise_failure()


COMPLETE = "{use: not_null, columns: [height]}"


@pytest.fixture
def ingested(shapes: Shapes) -> Shapes:
    """A project of which three files are ingested; shapes without height are in quarantine."""
    describe(shapes, COMPLETE)
    ingest(shapes)
    return shapes


@given(st.integers(0, 60), st.sets(st.integers(1, 60)))
def test_the_nth_row_has_the_nth_number_that_no_row_set_aside_has(count: int, missing: set[int]) -> None:
    gaps = sorted(number for number in missing if number <= count + len(missing))
    there = [number for number in range(1, count + len(gaps) + 1) if number not in gaps][:count]
    loaded = pl.LazyFrame({"own": there}, schema={"own": pl.Int64})
    aside = pl.LazyFrame({ROW: gaps}, schema={ROW: pl.UInt32})
    assert count_around(loaded, aside).collect()[ROW].to_list() == there


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40),
    st.lists(st.integers(0, 9), max_size=3, unique=True).map(sorted),
)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_know_their_numbers_however_often_some_of_them_were_replayed(
    shapes: Shapes, tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[int, bool]], limits: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("one")
    lines = [f"{number},{value if parses else 'x'}" for number, (value, parses) in enumerate(cells, 1)]
    (folder / "shapes-0.csv").write_text("\n".join(["id,value", "0,0", *lines]) + "\n")
    extract = f'{{use: csv, path: "{folder}/*.csv", dtypes: {{id: Int64, value: Int64}}}}'
    root = f"store.root={folder}/store"
    for limit in [-1, *limits]:
        describe(shapes, f"{{use: between, column: value, max: {max(limit, 0)}}}", extract=extract)
        spec = shapes.load(root)
        (ingest_pipeline(spec) if limit < 0 else replay_quarantine(spec)).raise_failure()
        loaded = rows(spec.store, "shapes").collect()
        aside = quarantine(spec.store, "shapes", 100)["first_rows"]
        assert (loaded[ROW] == loaded["id"] + 1).all()
        expected = {number for number, (value, parses) in enumerate(cells, 1) if parses and value <= max(limit, 0)}
        assert set(loaded["id"]) == {0} | expected
        assert sorted([*loaded[ROW], *(row["row"] for row in aside)]) == list(range(1, len(cells) + 2))
        assert sum(batch["rows"] for batch in list_batches(spec.store)) == loaded.height


def test_rows_are_those_of_all_batches_with_batch_source_and_number(ingested: Shapes) -> None:
    found = engine.notebook.raw("shapes").collect()
    assert found.columns == ["id", "colour", "width", "height", "kind", "__batch__", "__partition__", "__row__"]
    batches = list_batches(ingested.load().store)
    row = found.row(by_predicate=pl.col("id") == 24, named=True)
    assert row["__batch__"] == batches[1]["id"]
    assert row["__partition__"] == str(ingested.folder / "data" / "shapes-1.csv")
    assert row["__row__"] == 4
    assert found.height == sum(batch["rows"] for batch in batches) == 52


def test_rows_of_another_version_of_a_file_are_no_longer_there(ingested: Shapes) -> None:
    ingested.write("data/shapes-1.csv", ingested.rows(61, 5))
    ingest(ingested)
    found = rows(ingested.load().store, "shapes").collect()
    assert found.filter(pl.col("id") > 60)[ROW].to_list() == [1, 2, 4, 5]  # the third has no height
    assert found.filter(pl.col("id").is_between(21, 40)).is_empty()


def test_a_backfill_takes_rows_and_quarantine_out_of_earlier_batches(shapes: Shapes) -> None:
    with sqlite3.connect(shapes.folder / "shapes.db") as database:
        database.execute("CREATE TABLE shapes (id INTEGER PRIMARY KEY, height REAL, at INTEGER NOT NULL)")
        data = [(number, None if number % 3 == 0 else number / 2, number * 10) for number in range(1, 13)]
        database.executemany("INSERT INTO shapes VALUES (?,?,?)", data)
    database.close()
    extract = f'{{use: sql, uri: "sqlite:///{shapes.folder}/shapes.db", table: shapes, watermark: at}}'
    describe(shapes, COMPLETE, extract=extract)
    ingest(shapes)
    store = shapes.load().store
    aside = quarantine(store, "shapes")["first_rows"]
    assert [row["values"]["id"] for row in aside] == [3, 6, 9, 12]

    with sqlite3.connect(shapes.folder / "shapes.db") as database:
        database.execute("UPDATE shapes SET height = 1 WHERE id = 6")
    database.close()
    ingest(shapes, Window(since="50", until="100"))
    aside = quarantine(store, "shapes")["first_rows"]
    assert sorted(row["values"]["id"] for row in aside) == [3, 9, 12]
    assert sorted(rows(store, "shapes").collect()["id"]) == [1, 2, 4, 5, 6, 7, 8, 10, 11]

    describe(shapes, "{use: not_null, columns: [id]}", extract=extract)
    replay_quarantine(shapes.load()).raise_failure()
    found = rows(store, "shapes").collect()
    assert sorted(found["id"]) == list(range(1, 13))
    first = found.filter(pl.col("__partition__") == aside[0]["source"])
    assert sorted(first["id"]) == [1, 2, 3, 4, 10, 11, 12]
    assert (first["id"] == first[ROW]).all()
    assert quarantine(store)["rows"] == 0


def test_of_a_dataset_that_nobody_knows_there_are_no_rows(ingested: Shapes) -> None:
    with pytest.raises(UnknownName, match="unknown dataset 'shape'") as raised:
        rows(ingested.load().store, "shape")
    assert raised.value.hint == "did you mean 'shapes'?"
    with pytest.raises(UnknownName):
        quarantine(ingested.load().store, "shape")
    with pytest.raises(DataError, match="there is no store"):
        rows(ingested.load("store.root=nowhere").store, "shapes")


def test_a_batch_is_named_by_its_id_the_beginning_of_it_or_its_sequence(ingested: Shapes) -> None:
    store = ingested.load().store
    last = list_batches(store)[-1]
    assert show_batch(store, last["id"]) == show_batch(store, "shapes:3") == show_batch(store, last["id"][:30])
    with pytest.raises(DataError, match="3 batches have an id that begins with '0'") as raised:
        show_batch(store, "0")
    assert f"{last['id']} (shapes:3)" in raised.value.expected
    for unknown in ("shapes:4", "other:1", "ffff", ""):
        with pytest.raises(DataError, match="there is no batch"):
            show_batch(store, unknown)


def test_a_batch_is_shown_with_everything_that_is_recorded_of_it(ingested: Shapes) -> None:
    store = ingested.load().store
    shown = show_batch(store, "shapes:2", 3)
    json.dumps(shown)
    (piece,) = shown["pieces"]
    assert (piece["rows_in"], piece["loaded"]["rows"], piece["quarantined"]) == (20, 17, 3)
    for kept in (piece["loaded"], piece["aside"]):
        assert (Path(store.root) / kept["path"]).stat().st_size == kept["bytes"]
    assert piece["reasons"] == [{"check": "height is not missing", "rows": 3, "first": 1, "on_fail": "quarantine"}]
    assert shown["source"]["use"] == "csv"
    assert ["height", "Float64"] in shown["columns"]
    assert [(row[ROW], row["id"]) for row in shown["first_rows"]] == [(2, 22), (3, 23), (4, 24)]
    assert piece["held"]

    ingested.write("data/shapes-1.csv", ingested.rows(21, 10))
    ingest(ingested)
    (piece,) = show_batch(store, "shapes:2")["pieces"]
    assert (piece["held"], piece["replaced_by"]) == (False, list_batches(store)[-1]["id"])


def test_the_quarantine_is_counted_and_its_rows_are_shown_with_values_or_text(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    shapes.write("data/shapes-1.csv", shapes.rows(21, 2) + "broken\n" + shapes.rows(23, 1).split("\n")[1] + "\n")
    ingest(shapes)
    store, file = shapes.load().store, str(shapes.folder / "data" / "shapes-1.csv")
    everything = quarantine(store)
    assert everything["first_rows"] == []
    counts = [(one["check"], one["rows"], one["first"]) for one in everything["reasons"] if one["source"] == file]
    assert [count[1:] for count in counts] == [(1, 1), (1, 3)]
    assert counts[0][0] == "height is not missing"

    found = quarantine(store, "shapes", 4)["first_rows"]
    assert [(row["source"][-5], row["row"]) for row in found] == [("0", 7), ("0", 14), ("1", 1), ("1", 3)]
    assert found[2]["values"] == {"id": 21, "colour": "red", "width": 7.0, "height": None, "kind": "b"}
    assert (found[3]["raw"], found[3]["values"]) == ("broken", None)
    json.dumps(found)


def test_every_commit_is_an_event_the_replay_too(ingested: Shapes) -> None:
    describe(ingested, "{use: not_null, columns: [id]}")
    replay_quarantine(ingested.load()).raise_failure()
    store = ingested.load().store
    found = events(store)
    assert [one["payload"]["batch"] for one in found] == [one["id"] for one in list_batches(store)]
    assert [one["offset"] for one in found] == [1, 2, 3, 4]
    assert found[-1]["payload"]["rows"] == 8
    assert events(store, "another") == []


def test_rows_that_fulfil_a_condition_are_traced_to_their_lines_and_to_what_came_of_them(ingested: Shapes) -> None:
    run = ingested.run()
    found = lineage(ingested.load().store, "shapes", "id in (8, 24) and kind = 'b'")
    names = [(Path(row["source"]).name, row["row"]) for row in found["rows"]]
    assert names == [("shapes-0.csv", 8), ("shapes-1.csv", 4)]
    assert found["title"] == "2 rows of shapes where id in (8, 24) and kind = 'b'"
    told = [line for _, line in found["to"]]
    assert "model.estimate  1 result" in told
    assert f"run {run.id} of shapes, done" in told

    many = lineage(ingested.load().store, "shapes", "id > 0")
    assert (len(many["rows"]), many["more"]) == (20, 32)


def test_a_condition_is_judged_as_a_filter_is(ingested: Shapes) -> None:
    store = ingested.load().store
    with pytest.raises(ConfigError, match="subqueries are not supported"):
        lineage(store, "shapes", "id in (select 1)")
    with pytest.raises(MissingColumn) as raised:
        lineage(store, "shapes", "colours = 'red'")
    assert raised.value.hint == "did you mean 'colour'?"
    with pytest.raises(DataError, match="cannot look for rows"):
        lineage(store, "shapes", "colour = 3")


def test_the_lineage_of_a_dataset_is_its_batches(ingested: Shapes) -> None:
    found = lineage(ingested.load().store, "shapes")
    assert found["title"] == "dataset shapes: 52 rows of 3 batches"
    assert [depth for depth, _ in found["from"]] == [0, 1] * 3


def test_rows_of_another_store_read_the_same(ingested: Shapes) -> None:
    (ingested.folder / ".levada").rename(ingested.folder / "moved")
    moved = engine.notebook.raw("shapes", "store.root=moved")
    assert_frame_equal(moved.collect(), rows(ingested.load("store.root=moved").store, "shapes").collect())
