"""Rules about a dataset as a whole are looked at when its batches are in, and before anything is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, DataError, LevadaError, UnknownName
from engine.intake import Intake, ingest_pipeline
from engine.runs import run_pipeline
from tests.conftest import Shapes

COLOURS = """
  colours:
    extract: {use: csv, path: "data/colours.csv"}
"""
VIEW = "view:\n"


def describe(shapes: Shapes, *rules: str, more: str = "", mode: str = "append") -> None:
    """Write the pipeline with rules for its shapes."""
    lines = f"    key: [id]\n    mode: {mode}\n    expect: [{', '.join(rules)}]\n"
    shapes.pipeline(("    key: [id]\n", lines), (VIEW, f"{more.removeprefix(chr(10))}{VIEW}"))


def ingested(shapes: Shapes, *names: str) -> Intake:
    return ingest_pipeline(shapes.load(), list(names) or None)


def error(found: Intake) -> LevadaError:
    with pytest.raises(DataError) as caught:
        found.raise_failure()
    return caught.value


def warnings(found: Any) -> list[str]:
    return [one["message"] for one in found.summary["warnings"]]


def write_twice(shapes: Shapes, *ids: int) -> None:
    """Write one more file, of shapes that there are already."""
    text = shapes.rows(1, 60).splitlines()
    shapes.write("data/shapes-3.csv", "\n".join([text[0], *(text[number] for number in ids)]) + "\n")


ONCE = "{use: unique, columns: [id], scope: dataset}"


def test_a_key_that_stands_in_two_files_stops_the_run_before_anything_is_prepared(shapes: Shapes) -> None:
    describe(shapes, "{use: unique, columns: [id]}", ONCE)
    write_twice(shapes, 5, 46)
    run = run_pipeline(shapes.load())
    with pytest.raises(DataError) as caught:
        run.raise_failure()
    wrong = caught.value
    assert wrong.exit_code == 3
    assert wrong.what == "shapes breaks the rule: id is unique in the whole dataset"
    assert wrong.where == "datasets.shapes.expect[1]"
    assert wrong.found.startswith("2 rows with a key that an earlier row has, 2 such keys; such as ")
    with shapes.catalog() as catalog:
        batches = {Path(part.source).name: batch.id[:13] for batch in catalog.batches() for part in batch.partitions}
    (first, second) = wrong.found.partition("such as ")[2].split("), ")
    number = int(first.partition("row ")[2].partition(" ")[0])
    file = "shapes-0.csv" if number == 5 else "shapes-2.csv"
    assert first == f"{shapes.folder / 'data' / file}, row {number} (batch {batches[file]}"
    assert second.startswith(f"{shapes.folder / 'data' / 'shapes-3.csv'}, row ")
    assert second.endswith(f"(batch {batches['shapes-3.csv']})")
    assert shapes.ran(run) == {}
    assert not (shapes.folder / ".levada/features").exists()


def test_a_rule_that_warns_lets_the_run_go_on_and_is_said_each_time(shapes: Shapes) -> None:
    describe(shapes, ONCE.replace("}", ", on_fail: warn}"), "{use: row_count, min: 10}")
    write_twice(shapes, 5)
    for _ in range(2):
        (said,) = [one for one in warnings(shapes.run()) if "rule" in one]
        assert said.startswith("shapes breaks the rule: id is unique in the whole dataset: 1 row with a key that")


def test_ingesting_says_it_too_and_the_batches_stay(shapes: Shapes) -> None:
    describe(shapes, ONCE)
    write_twice(shapes, 5)
    found = ingested(shapes)
    assert "id is unique in the whole dataset" in str(error(found))
    assert found.summary["status"] == "failed"
    with shapes.catalog() as catalog:
        assert len(catalog.batches("shapes")) == 4
    (shapes.folder / "data/shapes-3.csv").unlink()
    error(ingested(shapes))  # what was ingested from a file that is gone still belongs to the dataset
    describe(shapes, "{use: unique, columns: [id, height], scope: dataset, on_fail: warn}")
    ingested(shapes).raise_failure()


def test_a_rule_about_the_dataset_is_no_reason_to_read_it_again(shapes: Shapes) -> None:
    describe(shapes)
    ingested(shapes).raise_failure()
    describe(shapes, ONCE, "{use: row_count, min: 60, max: 60}")
    found = ingested(shapes)
    found.raise_failure()
    assert found.summary["datasets"][0]["new"] == 0


def test_a_new_batch_costs_its_own_summary_and_a_merge(shapes: Shapes) -> None:
    describe(shapes, ONCE)
    ingested(shapes).raise_failure()
    shapes.write("data/shapes-3.csv", shapes.rows(61, 5))
    with shapes.catalog() as catalog:
        before = {memory.memo for memory in catalog.history("shapes.check")}
    ingested(shapes).raise_failure()
    with shapes.catalog() as catalog:
        new = [memory for memory in catalog.history("shapes.check") if memory.memo not in before]
    assert sorted(len(memory.contents) for memory in new) == [1, 4]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("{use: row_count, min: 61}", "60 rows"),
        ("{use: row_count, max: 59}", "60 rows"),
        ("{use: row_count, min: 1, max: 60}", None),
    ],
)
def test_rows_are_counted_over_all_batches(shapes: Shapes, rule: str, found: str | None) -> None:
    describe(shapes, rule)
    if found is None:
        ingested(shapes).raise_failure()
    else:
        assert error(ingested(shapes)).found == found


def test_rows_in_quarantine_do_not_count(shapes: Shapes) -> None:
    describe(shapes, "{use: not_null, columns: [height]}", "{use: row_count, min: 53}")
    assert error(ingested(shapes)).found == "52 rows"


def test_how_fresh_a_dataset_is_depends_on_the_clock_and_what_is_kept_of_it_does_not(shapes: Shapes) -> None:
    lines = "".join(f"2013-01-0{day},a,{day}\n" for day in (1, 3, 2))
    shapes.write("data/days.csv", f"day,kind,width\n{lines}")
    days = '\n  days:\n    extract: {use: csv, path: "data/days.csv"}\n    expect: [{use: freshness, column: day, '
    describe(shapes, more=f"{days}max_age: 1d12h}}]\n")
    stale = error(ingested(shapes, "days"))
    assert stale.what == "days breaks the rule: the newest day is at most 1d12h old"
    assert stale.found.startswith("the newest is of 2013-01-03 00:00:00 UTC, looked at from 20")
    kept = sorted((shapes.folder / ".levada/artifacts").rglob("*.parquet"))
    assert len(kept) == 1
    describe(shapes, more=f"{days}max_age: 1d12h, at: 2013-01-04T12:00:00}}]\n")
    ingested(shapes, "days").raise_failure()
    describe(shapes, more=f"{days}max_age: 1d12h, at: 2013-01-04T12:00:01}}]\n")
    assert "looked at from 2013-01-04 12:00:01 UTC" in error(ingested(shapes, "days")).found


KNOWN = "{use: foreign_key, columns: [colour], dataset: colours, references: [name]}"


def test_a_key_that_the_other_dataset_does_not_have_is_found_wherever_it_is(shapes: Shapes) -> None:
    shapes.write("data/colours.csv", "name,note\nred,\ngreen,\n")
    describe(shapes, KNOWN, more=COLOURS)
    wrong = error(ingested(shapes))
    blue = sum(line.split(",")[1] == "blue" for line in shapes.rows(1, 60).splitlines())
    assert wrong.found.startswith(f"{blue} rows with keys that colours does not have (colour=blue); such as ")
    assert wrong.found.count("shapes-0.csv, row ") == 3
    shapes.write("data/colours.csv", "name,note\nred,\ngreen,\nblue,\n")
    ingested(shapes).raise_failure()


def test_a_run_ingests_the_dataset_that_a_rule_refers_to(shapes: Shapes) -> None:
    shapes.write("data/colours.csv", "name\nred\ngreen\nblue\n")
    describe(shapes, KNOWN, more=COLOURS)
    run = shapes.run()
    assert [one["name"] for one in run.summary["datasets"]] == ["shapes", "colours"]


def test_a_dataset_ingested_by_itself_is_compared_with_the_other_as_it_was_last_ingested(shapes: Shapes) -> None:
    shapes.write("data/colours.csv", "name\nred\ngreen\nblue\n")
    describe(shapes, KNOWN, more=COLOURS)
    assert "nothing was ingested of colours" in str(error(ingested(shapes, "shapes")))
    ingested(shapes, "colours").raise_failure()
    ingested(shapes, "shapes").raise_failure()


def test_what_refers_to_a_dataset_that_has_failed_is_not_said_to_be_wrong(shapes: Shapes) -> None:
    shapes.write("data/colours.csv", "name\n")
    describe(shapes, KNOWN, more=COLOURS)
    found = ingested(shapes)
    assert "the dataset colours has no rows" in str(error(found))
    assert len(found.errors) == 1


@pytest.mark.parametrize(
    ("columns", "types"),
    [("name\n1\n2\n", "colours.name is Int64"), ("name\n1.5\n2\n", "colours.name is Float64")],
)
def test_keys_of_two_types_are_refused_with_both(shapes: Shapes, columns: str, types: str) -> None:
    shapes.write("data/colours.csv", columns)
    describe(shapes, KNOWN, more=COLOURS)
    wrong = error(ingested(shapes))
    assert wrong.found == f"colour is String, {types}"


def test_a_dataset_or_a_column_that_is_not_there_is_refused_before_anything_is_read(shapes: Shapes) -> None:
    shapes.write("data/colours.csv", "name\nred\n")
    describe(shapes, KNOWN.replace("dataset: colours", "dataset: colour"), more=COLOURS)
    with pytest.raises(UnknownName, match="colours") as unknown:
        shapes.load()
    assert "datasets.shapes.expect[0].dataset" in unknown.value.where
    describe(shapes, KNOWN.replace("[name]", "[nam]"), more=COLOURS)
    with pytest.raises(ConfigError, match="no column 'nam' in colours"):
        run_pipeline(shapes.load())
    describe(shapes, ONCE.replace("[id]", "[idd]"))
    with pytest.raises(ConfigError, match="no column 'idd' in shapes"):
        run_pipeline(shapes.load())


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("{use: unique, columns: [id], scope: dataset, on_fail: quarantine}", "can not be set aside any more"),
        ("{use: row_count}", "give min, max, or both"),
        ("{use: row_count, min: 2, max: 1}", "larger than max"),
        ("{use: row_count, min: 2, on_fail: quarantine}", "on_fail"),
        ("{use: freshness, column: id, max_age: 3 days}", "no duration"),
        ("{use: freshness, column: id, max_age: 999999999999w}", "longer than a million days"),
        ("{use: foreign_key, columns: [id], dataset: shapes, references: [id, width]}", "as many references"),
    ],
)
def test_rules_that_make_no_sense_are_refused(shapes: Shapes, rule: str, reason: str) -> None:
    describe(shapes, rule)
    with pytest.raises(ConfigError, match=reason):
        shapes.load()


def test_a_column_that_holds_no_times_has_no_age(shapes: Shapes) -> None:
    describe(shapes, "{use: freshness, column: width, max_age: 1d, on_fail: warn}")
    assert error(ingested(shapes)).what == "width is Float64, which has no age"


def test_the_second_rule_that_is_broken_is_said_too(shapes: Shapes) -> None:
    describe(shapes, "{use: row_count, max: 1}", "{use: unique, columns: [colour], scope: dataset}")
    found = ingested(shapes)
    assert "there are at most 1 rows" in str(error(found))
    assert any("colour is unique in the whole dataset" in said for said in warnings(found))


def test_a_snapshot_is_judged_by_the_files_that_are_there(shapes: Shapes) -> None:
    describe(shapes, ONCE, mode="snapshot")
    write_twice(shapes, 5)
    error(ingested(shapes))
    (shapes.folder / "data/shapes-3.csv").unlink()
    ingested(shapes).raise_failure()
