from __future__ import annotations

import polars as pl

from engine.plugin import PART

ROLES = {"task": "classification", "target": "kind", "key": ["id"], "time": None}
ROWS = pl.DataFrame({"id": range(200), "kind": ["a", "b"] * 100})


def segregated(stages, *frames, splitter=None, **roles):
    return stages.run("segregate", *stages.keep(*frames), splitter=splitter or {"use": "stratified"}, roles=ROLES | roles)


def test_every_row_gets_a_part_in_the_order_of_rows_whatever_the_partitions(stages):
    whole, apart = segregated(stages, ROWS), segregated(stages, ROWS[:70], ROWS[70:])
    assert stages.rows(whole).equals(stages.rows(apart))
    assert stages.rows(whole)[PART].value_counts(sort=True)["count"].to_list() == [120, 40, 40]
    assert (whole.data()["offsets"], apart.data()["offsets"]) == ([0, 200], [0, 70, 200])


def test_a_partition_gets_its_own_parts(stages):
    both = segregated(stages, ROWS[:70], ROWS[70:])
    cut = pl.concat(stages.rows(stages.run("assign", both, partition=number)) for number in range(2))
    assert cut.equals(stages.rows(both))


def test_rows_without_a_target_belong_to_no_part_and_are_counted(stages):
    found = segregated(stages, ROWS.with_columns(kind=pl.when(pl.col("id") >= 10).then("kind")))
    assert stages.rows(found)[PART].null_count() == 10
    assert found.data()["unlabelled"] == 10


def test_groups_need_no_target_in_every_row(stages):
    rows = ROWS.with_columns(kind=pl.when(pl.col("id") >= 10).then("kind"))
    found = segregated(stages, rows, splitter={"use": "random"}, task="clustering")
    assert stages.rows(found)[PART].null_count() == 0


def test_the_span_of_time_of_each_part_is_said(stages):
    split = segregated(stages, ROWS, splitter={"use": "chronological", "column": "id"}, time="id").data()["split"]
    assert [(entry["from"], entry["to"]) for entry in split] == [("0", "119"), ("120", "159"), ("160", "199")]
    assert [entry.get("not_later") for entry in split] == [None, None, None]


def test_rows_that_are_no_later_than_the_last_of_training_are_counted(stages):
    rows = pl.DataFrame({"id": [1, 2, 3, 4, 5, 6], "kind": ["a"] * 6, "set": ["train", "test", "train", "test", "test", None]})
    split = segregated(stages, rows, splitter={"use": "predefined", "column": "set"}, time="id").data()["split"]
    assert [entry.get("not_later") for entry in split] == [None, None, 1]
