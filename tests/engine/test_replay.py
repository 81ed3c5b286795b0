"""Quarantined rows come in once they keep the rules: after a rule or the source was mended, each of them once."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError, ConflictError, DataError
from engine.ingestion.replay import plan_replay, replay
from engine.intake import Intake, ingest_pipeline, replay_quarantine
from engine.opened import opened, workers_of
from engine.records import ROW, list_batches, quarantine, rows, show_batch
from engine.stores.batches import Batch
from tests.conftest import Shapes

WITHOUT_HEIGHT = [7, 14, 21, 28, 35, 42, 49, 56]
"""The ids of those shapes that have no height; an id is also the shape's number among all rows of all files."""

COMPLETE = "{use: not_null, columns: [height]}"
SEEN = "{use: not_null, columns: [colour]}"


def describe(shapes: Shapes, *rules: str, mode: str = "append", more: str = "", extract: str = "") -> None:
    """Write the pipeline with rules for its shapes."""
    lines = f"    key: [id]\n    mode: {mode}\n    expect: [{', '.join(rules)}]\n{more}"
    changes = [("    key: [id]\n", lines)]
    shapes.pipeline(*changes, *([('path: "data/shapes-*.csv"', f'path: "data/shapes-*.csv", {extract}')] if extract else []))


def ingested(shapes: Shapes) -> int:
    """Ingest what is new, which must succeed, and return how many batches that were."""
    found = ingest_pipeline(shapes.load())
    found.raise_failure()
    return int(found.summary["datasets"][0]["new"])


def replayed(shapes: Shapes) -> Intake:
    """Replay the quarantine, which must succeed."""
    found = replay_quarantine(shapes.load())
    found.raise_failure()
    return found


def mend(file: Path, *changes: tuple[str, str]) -> None:
    """Replace lines of a file."""
    text = file.read_text()
    for old, new in changes:
        assert text.count(f"{old}\n") == 1, old
        text = text.replace(f"{old}\n", f"{new}\n" if new else "")
    file.write_text(text)


def ids(shapes: Shapes) -> list[int]:
    """Return the ids of all rows of the dataset, each of which must say where it is from."""
    found = rows(shapes.load().store, "shapes").collect()
    file = found["__partition__"].str.extract(r"shapes-(\d)\.csv$").cast(int)
    assert (found[ROW] + file * 20 == found["id"]).all()
    return sorted(found["id"])


def waiting(shapes: Shapes) -> list[int]:
    """Return the ids of the rows that are in quarantine, each with its right number; those without an id are -1."""
    found = []
    answer = quarantine(shapes.load().store, "shapes", 1000)
    for row in answer["first_rows"]:
        file = int(row["source"].removesuffix(".csv")[-1])
        if row["values"] is not None:
            assert row["row"] + file * 20 == row["values"]["id"]
        found.append(row["values"]["id"] if row["values"] is not None else -1)
    assert answer["rows"] == len(found)
    return sorted(found)


def batches(shapes: Shapes) -> list[Batch]:
    with shapes.catalog() as catalog:
        found = catalog.batches("shapes")
        assert [one for one in catalog.reservations() if one.dataset == "shapes"] == []
    for batch in found:
        assert batch.rows_in == batch.rows + batch.quarantined
        for part in batch.partitions:
            assert part.rows_in == part.loaded.rows + part.quarantined
    return found


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_after_a_rule_was_mended_its_rows_come_in_as_one_batch_and_nothing_is_read_again(shapes: Shapes, mode: str) -> None:
    describe(shapes, COMPLETE, mode=mode)
    ingested(shapes)
    before = batches(shapes)
    assert waiting(shapes) == WITHOUT_HEIGHT

    describe(shapes, SEEN, mode=mode)
    summary = replayed(shapes).summary["datasets"][0]

    *same, new = batches(shapes)
    assert same == before
    assert (summary["batch"], summary["rows_in"], summary["rows"]) == (new.id, 8, 8)
    assert (new.rows_in, new.rows, new.quarantined) == (8, 8, 0)
    assert new.replays == tuple(batch.id for batch in before)
    assert new.adopts == before[-1].definition != new.definition
    files = [str(shapes.folder / "data" / f"shapes-{number}.csv") for number in range(3)]
    assert [part.of for part in new.partitions] == files
    assert new.partitions[0].source == f"{files[0]}, replayed from batch {before[0].id[:13]}"
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 61)), [])

    assert ingested(shapes) == 0
    assert shapes.run().summary["datasets"][0]["rows"] == 60
    assert len(batches(shapes)) == len(before) + 1


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_replaying_twice_has_nothing_to_do(shapes: Shapes, mode: str) -> None:
    describe(shapes, COMPLETE, mode=mode)
    ingested(shapes)
    describe(shapes, SEEN, mode=mode)
    replayed(shapes)
    before = batches(shapes)
    again = replayed(shapes).summary["datasets"][0]
    assert (again["batch"], again["rows_in"]) == (None, 0)
    assert batches(shapes) == before


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_rows_that_still_fail_wait_for_the_next_replay_each_of_them_once(shapes: Shapes, mode: str) -> None:
    describe(shapes, "{use: between, column: width, max: 3}", mode=mode)
    ingested(shapes)
    wide = waiting(shapes)
    describe(shapes, "{use: between, column: width, max: 6}", mode=mode)
    replayed(shapes)
    wider = waiting(shapes)
    assert set(wider) < set(wide)
    assert ids(shapes) == sorted(set(range(1, 61)) - set(wider))

    describe(shapes, "{use: between, column: width, max: 8}", mode=mode)
    replayed(shapes)
    widest = waiting(shapes)
    assert set(widest) < set(wider)
    assert ids(shapes) == sorted(set(range(1, 61)) - set(widest))
    assert ingested(shapes) == 0

    describe(shapes, SEEN, mode=mode)
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 61)), [])
    assert ingested(shapes) == 0


ORDERED = "{use: monotonic, column: width}"
NOT_NINE = '{use: expression, where: "width <> 9"}'


def widths(shapes: Shapes, *values: int) -> None:
    """Write one file of shapes with these widths, in the place of the others."""
    for file in (shapes.folder / "data").glob("shapes-*.csv"):
        file.unlink()
    lines = "".join(f"{number},red,{width},1,a\n" for number, width in enumerate(values, 1))
    shapes.write("data/shapes-0.csv", f"id,colour,width,height,kind\n{lines}")


def test_a_row_that_was_set_aside_for_a_key_that_is_loaded_does_not_come_in_as_the_first_of_those_set_aside(
    shapes: Shapes,
) -> None:
    widths(shapes, 5, 9, 5, 9, 6, 9)
    describe(shapes, "{use: unique, columns: [width]}")
    ingested(shapes)
    assert waiting(shapes) == [3, 4, 6]
    assert replayed(shapes).summary["datasets"][0]["batch"] is None
    describe(shapes, "{use: unique, columns: [width], on_fail: warn}")
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == ([1, 2, 3, 4, 5, 6], [])


def test_rows_come_in_where_their_order_with_all_others_of_their_file_allows_it(shapes: Shapes) -> None:
    widths(shapes, 5, 9, 6, 7, 10)
    describe(shapes, NOT_NINE, ORDERED)
    ingested(shapes)
    assert waiting(shapes) == [2, 3, 4]  # a row that another rule sets aside is looked at too
    describe(shapes, ORDERED)
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == ([1, 2, 5], [3, 4])
    describe(shapes, SEEN)
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == ([1, 2, 3, 4, 5], [])


def test_loaded_rows_that_break_a_new_rule_only_together_with_those_that_wait_refuse_the_replay(shapes: Shapes) -> None:
    widths(shapes, 5, 9, 6, 7, 10)
    describe(shapes, NOT_NINE)
    ingested(shapes)
    describe(shapes, ORDERED)
    with pytest.raises(DataError, match="2 rows that are loaded break the rule: width does not decrease"):
        replayed(shapes)
    assert waiting(shapes) == [2]


def test_a_replay_that_nothing_passes_leaves_no_batch(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    before = batches(shapes)
    summary = replayed(shapes).summary["datasets"][0]
    assert (summary["batch"], summary["rows_in"], summary["rows"]) == (None, 8, 0)
    assert batches(shapes) == before


@pytest.mark.parametrize("mode", ["append", "snapshot"])
def test_after_the_source_was_mended_only_its_quarantined_rows_come_in(shapes: Shapes, mode: str) -> None:
    describe(shapes, COMPLETE, mode=mode)
    ingested(shapes)
    mend(shapes.folder / "data" / "shapes-0.csv", ("7,green,5.7,,b", "7,green,5.7,8.25,b"))
    replayed(shapes)
    (_, *_, new) = batches(shapes)
    assert (new.rows_in, new.rows, new.quarantined, new.adopts) == (2, 1, 1, None)
    assert waiting(shapes) == [14, *WITHOUT_HEIGHT[2:]]
    assert ids(shapes) == sorted(set(range(1, 61)) - set(waiting(shapes)))
    mended = rows(shapes.load().store, "shapes").collect().filter(id=7)
    assert mended["height"].to_list() == [8.25]
    assert ingested(shapes) == 0

    mend(shapes.folder / "data" / "shapes-0.csv", ("14,blue,1.3,,a", "14,blue,1.3,2,a"))
    replayed(shapes)
    assert waiting(shapes) == WITHOUT_HEIGHT[2:]
    assert ids(shapes) == sorted(set(range(1, 61)) - set(waiting(shapes)))
    assert ingested(shapes) == 0


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ([("7,green,5.7,,b", "7,green,5.7,8.25,b"), ("8,blue,9.4,3.6,b", "8,blue,9.5,3.6,b")], "row 8 is another"),
        ([("20,blue,3.3,9.0,a", "")], "19 rows"),
        ([("3,red,1.0,6.2,a", "3,red,1.0,,a")], "17 that keep the rules"),
    ],
)
def test_a_source_of_which_other_rows_have_changed_is_refused_and_nothing_happens(
    shapes: Shapes, changes: list[tuple[str, str]], found: str
) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    before, file = batches(shapes), shapes.folder / "data" / "shapes-0.csv"
    mend(file, *changes)
    with pytest.raises(DataError, match="has changed in other rows") as raised:
        replayed(shapes)
    assert found in raised.value.found
    assert raised.value.where == "datasets.shapes.on_change"
    assert batches(shapes) == before
    assert waiting(shapes) == WITHOUT_HEIGHT
    with pytest.raises(DataError, match="has changed since it was ingested"):
        ingested(shapes)


def test_one_file_that_is_refused_does_not_keep_the_others_out(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    mend(shapes.folder / "data" / "shapes-0.csv", ("8,blue,9.4,3.6,b", "8,blue,9.5,3.6,b"))
    describe(shapes, SEEN)
    found = replay_quarantine(shapes.load())
    assert [type(error) for error in found.errors] == [DataError]
    assert waiting(shapes) == [7, 14]
    assert found.summary["status"] == "failed"


def test_what_could_not_be_parsed_stays_until_the_source_is_mended(shapes: Shapes) -> None:
    describe(shapes, SEEN)
    mend(shapes.folder / "data" / "shapes-1.csv", ("30,red,10.0,3.8,b", "30,red"))
    ingested(shapes)
    assert waiting(shapes) == [-1]
    describe(shapes)
    assert replayed(shapes).summary["datasets"][0]["batch"] is None
    assert waiting(shapes) == [-1]

    describe(shapes, SEEN)
    mend(shapes.folder / "data" / "shapes-1.csv", ("30,red", "30,red,10.0,3.8,b"))
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 61)), [])
    assert ingested(shapes) == 0


@pytest.mark.parametrize("gone", [1, 3])
def test_rows_whose_file_is_gone_are_checked_as_they_were_kept(shapes: Shapes, gone: int) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    for number in range(gone):
        (shapes.folder / "data" / f"shapes-{number}.csv").unlink()
    describe(shapes, SEEN)
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 61)), [])


def test_a_rule_that_loaded_rows_break_is_no_reason_to_replay(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    before = batches(shapes)
    describe(shapes, "{use: between, column: id, max: 50}")
    with pytest.raises(DataError, match=r"10 rows|9 rows") as raised:
        replayed(shapes)
    assert "reads everything again" in raised.value.hint
    assert batches(shapes) == before


def test_a_rule_that_only_warns_keeps_no_row_out(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    describe(shapes, "{use: not_null, columns: [height], on_fail: warn}")
    replayed(shapes)
    *_, new = batches(shapes)
    assert (new.rows, new.quarantined) == (8, 0)
    assert [reason.rows for part in new.partitions for reason in part.reasons] == [2, 3, 3]
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 61)), [])


def test_rows_numbers_are_right_beside_rows_that_only_warn(shapes: Shapes) -> None:
    describe(shapes, COMPLETE, "{use: between, column: width, max: 5, on_fail: warn}")
    ingested(shapes)
    assert waiting(shapes) == WITHOUT_HEIGHT
    assert ids(shapes) == sorted(set(range(1, 61)) - set(WITHOUT_HEIGHT))


def test_a_source_that_is_described_otherwise_is_to_be_ingested_instead(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    describe(shapes, SEEN, extract="nulls: [red]")
    with pytest.raises(ConfigError, match="described in another way") as raised:
        replayed(shapes)
    assert "levada ingest" in raised.value.hint


def test_a_new_version_of_a_file_takes_the_place_of_its_replay_too(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    describe(shapes, SEEN)
    replayed(shapes)
    describe(shapes, SEEN, more="    on_change: new_batch\n")
    shapes.write("data/shapes-0.csv", shapes.rows(1, 10))
    assert ingested(shapes) == 1
    assert ids(shapes) == [*range(1, 11), *range(21, 61)]
    old = show_batch(shapes.load().store, "shapes:4")
    assert [piece["held"] for piece in old["pieces"]] == [False, True, True]
    assert old["pieces"][0]["replaced_by"] == batches(shapes)[-1].id


def test_a_replay_of_a_version_that_was_replaced_is_gone_even_when_its_file_is(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    describe(shapes, SEEN)
    replayed(shapes)
    describe(shapes, SEEN, more="    on_change: new_batch\n")
    file = shapes.write("data/shapes-0.csv", shapes.rows(1, 10))
    assert ingested(shapes) == 1
    file.unlink()
    describe(shapes, "{use: between, column: id, min: 0}")
    ingested(shapes)
    assert ids(shapes) == [*range(1, 11), *range(21, 61)]


def test_a_dataset_of_which_every_row_was_set_aside_comes_in_whole(shapes: Shapes) -> None:
    describe(shapes, "{use: between, column: id, max: 0}")
    with pytest.raises(DataError, match="has no rows"):
        ingested(shapes)
    describe(shapes, SEEN)
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 61)), [])
    assert ingested(shapes) == 0
    assert rows(shapes.load().store, "shapes").collect()["colour"].null_count() == 0


def test_a_file_set_aside_for_its_columns_comes_in_once_the_dataset_may_evolve(shapes: Shapes) -> None:
    describe(shapes, SEEN, more="    on_drift: quarantine\n")
    ingested(shapes)
    text = shapes.rows(61, 20).replace("kind\n", "kind,depth\n").replace(",a\n", ",a,1\n").replace(",b\n", ",b,2\n")
    shapes.write("data/shapes-3.csv", text)
    assert ingested(shapes) == 1
    assert waiting(shapes) == list(range(61, 81))
    assert replayed(shapes).summary["datasets"][0]["rows"] == 0

    describe(shapes, SEEN, more="    on_drift: evolve\n")
    replayed(shapes)
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 81)), [])
    assert rows(shapes.load().store, "shapes").collect()["depth"].null_count() == 60
    assert ingested(shapes) == 0


def test_two_that_replay_the_same_make_one_batch(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    describe(shapes, SEEN)
    spec = shapes.load()
    with opened(spec.store) as stores, workers_of(spec, []) as workers:
        planned = [plan_replay("shapes", spec.datasets["shapes"], stores.catalog) for _ in range(2)]
        found = [
            replay([one], stores.files, stores.catalog, stores.bus, workers, run=run)[0].batch
            for one, run in zip(planned, ("first", "second"), strict=True)
        ]
    assert found[0] == found[1]
    assert len(batches(shapes)) == 4


def test_a_replay_makes_way_for_a_batch_that_came_in_between(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    ingested(shapes)
    spec = shapes.load()
    mend(shapes.folder / "data" / "shapes-0.csv", ("7,green,5.7,,b", "7,green,5.7,8.25,b"))
    with opened(spec.store) as stores, workers_of(spec, []) as workers:
        planned = plan_replay("shapes", spec.datasets["shapes"], stores.catalog)
        mend(shapes.folder / "data" / "shapes-0.csv", ("7,green,5.7,8.25,b", "7,green,5.7,,b"))
        shapes.write("data/shapes-3.csv", shapes.rows(61, 20))
        assert ingested(shapes) == 1
        mend(shapes.folder / "data" / "shapes-0.csv", ("7,green,5.7,,b", "7,green,5.7,8.25,b"))
        with pytest.raises(ConflictError, match="has a new batch"):
            replay([planned], stores.files, stores.catalog, stores.bus, workers, run="late")
    replayed(shapes)
    assert 7 in ids(shapes)


def test_a_dataset_without_batches_has_nothing_to_replay(shapes: Shapes) -> None:
    describe(shapes, COMPLETE)
    assert replayed(shapes).summary["datasets"][0]["rows_in"] == 0
    assert list_batches(shapes.load().store) == []


@pytest.mark.parametrize("on_fail", ["stop", "warn"])
def test_rows_that_come_in_count_for_the_rules_about_the_whole_dataset(shapes: Shapes, on_fail: str) -> None:
    most = f"{{use: row_count, max: 52, on_fail: {on_fail}}}"
    describe(shapes, COMPLETE, most)
    ingested(shapes)
    describe(shapes, SEEN, most)
    found = replay_quarantine(shapes.load())
    assert (ids(shapes), waiting(shapes)) == (list(range(1, 61)), []), "what is in quarantine no more is in"
    said = "shapes breaks the rule: there are at most 52 rows"
    if on_fail == "warn":
        assert (found.errors, found.summary["status"]) == ([], "done")
        assert [one["message"] for one in found.summary["warnings"]] == [f"{said}: 60 rows"]
    else:
        (error,) = found.errors
        assert isinstance(error, DataError)
        assert (error.what, error.where, error.found) == (said, "datasets.shapes.expect[1]", "60 rows")
        assert found.summary["status"] == "failed"
