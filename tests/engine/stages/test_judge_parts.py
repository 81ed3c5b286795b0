"""What is doubtful about the parts is told of, and nothing where nothing is."""

from __future__ import annotations

import random

import polars as pl
import pytest

from engine.errors import DataError, MissingColumn

LOTS = random.Random(7)
COUNT = 1_500
ROWS = pl.DataFrame(
    {
        "id": range(COUNT),
        "kind": [LOTS.choice("ab") for _ in range(COUNT)],
        "width": [LOTS.gauss(0, 1) if LOTS.random() < 0.9 else None for _ in range(COUNT)],
        "colour": [LOTS.choice(["red", "green", "blue", None]) for _ in range(COUNT)],
        "wide": [LOTS.random() < 0.5 for _ in range(COUNT)],
        "owner": [f"owner {number}" for number in range(COUNT)],
        "set": ["train"] * 900 + ["validation"] * 300 + ["test"] * 300,
    }
)
PREDEFINED = {"use": "predefined", "column": "set"}
LATE = pl.col("set") == "test"


def judged(stages, *frames, watch=None, features="all", dropped=(), sketched=True, splitter=PREDEFINED, **changes):
    """Return the findings by code, each with the part that it is about."""
    roles = {"task": "classification", "target": "kind", "key": ["id"], "time": None} | changes
    view = stages.keep(*frames)
    segregation = stages.run("segregate", *view, splitter=splitter, roles=roles)
    params = {"watch": watch, "features": features, "dropped": [["id", "set"], *dropped], **roles}
    sketches = [
        stages.run("sketch_parts", rows, stages.run("assign", segregation, partition=number), **params)
        for number, rows in enumerate(view)
    ]
    sketch = [stages.run("merge_sketches", *sketches)] if sketched else []
    return stages.run("judge_parts", segregation, *sketch, roles=roles, metric="accuracy")


def found(judgement):
    return {(one["code"], one["numbers"].get("part")): one for one in judgement.data()["warnings"]}


def test_parts_that_are_alike_are_beyond_doubt(stages):
    assert found(judged(stages, ROWS)) == {}
    assert found(judged(stages, ROWS, splitter={"use": "random", "seed": 3}, watch=["owner"])) == {}


def test_what_is_found_does_not_depend_on_partitions(stages):
    rows = ROWS.with_columns(width=pl.when(LATE).then(pl.col("width") + 1).otherwise("width"))
    whole, apart = judged(stages, rows), judged(stages, rows[:700], rows[700:710], rows[710:])
    assert whole.digest == apart.digest
    assert found(whole)


@pytest.mark.parametrize(
    ("change", "column", "measure", "least", "most"),
    [
        ({"width": pl.when(LATE).then(pl.col("width") + 1).otherwise("width")}, "width", "ks", 0.25, 0.5),
        ({"width": pl.when(LATE & (pl.col("id") % 2 == 0)).then(None).otherwise("width")}, "width", "ks", 0.4, 0.5),
        ({"colour": pl.when(LATE, colour="red").then(pl.lit("mauve")).otherwise("colour")}, "colour", "psi", 1, 5),
        ({"wide": pl.when(LATE).then(pl.col("id") % 5 > 0).otherwise("wide")}, "wide", "psi", 0.3, 0.6),
    ],
    ids=["moved", "missing", "new level", "other shares"],
)
def test_a_feature_that_differs_is_named_with_how_far(stages, change, column, measure, least, most):
    ((code, one),) = found(judged(stages, ROWS.with_columns(**change))).items()
    assert code == ("features_differ", "test")
    ((seen),) = one["numbers"]["columns"]
    assert (seen["column"], seen["measure"], one["severity"]) == (column, measure, "warning")
    assert least < seen["value"] < most
    assert one["message"].startswith("1 of 4 features differ between test and train: " + column)


def test_what_is_no_feature_is_not_compared(stages):
    rows = ROWS.with_columns(width=pl.when(LATE).then(pl.col("width") + 1).otherwise("width"))
    assert found(judged(stages, rows, features=["wide", "colour"])) == {}
    assert found(judged(stages, rows, dropped=[["width"]])) == {}
    assert found(judged(stages, rows, dropped=["numeric"])) == {}
    assert found(judged(stages, rows, sketched=False)) == {}


def test_a_target_of_numbers_is_compared_too(stages):
    rows = ROWS.with_columns(kind=pl.when(LATE).then(pl.col("id") % 7 + 3.0).otherwise(pl.col("id") % 7))
    assert list(found(judged(stages, rows, task="regression"))) == [("target_differs", "test")]


def test_class_shares_that_differ_are_told_of_with_chi_square_and_its_effect(stages):
    rows = ROWS.with_columns(kind=pl.when(LATE & (pl.col("id") % 2 == 0)).then(pl.lit("a")).otherwise("kind"))
    ((code, one),) = found(judged(stages, rows)).items()
    assert code == ("class_shares_differ", "test")
    numbers = one["numbers"]
    assert (numbers["class"], numbers["degrees"]) == ("b", 1)
    there, here = (rows.filter(set=part)["kind"].eq("b").mean() for part in ("train", "test"))
    assert (numbers["train"], numbers["share"]) == pytest.approx((there, here), rel=1e-5)
    assert numbers["p"] < 0.001
    assert 0.1 < numbers["cramers_v"] == pytest.approx((numbers["chi_square"] / 1200) ** 0.5, rel=1e-4)


def test_a_class_that_training_lacks_is_an_error_and_comes_first(stages):
    rows = ROWS.with_columns(kind=pl.when(pl.col("id") >= COUNT - 3).then(pl.lit("z")).otherwise("kind"), width=pl.lit(1.0))
    judgement = judged(stages, rows.with_columns(width=pl.when(LATE).then(2.0).otherwise(1.0)))
    first, *_ = judgement.data()["warnings"]
    assert (first["code"], first["severity"], first["numbers"]) == (
        "class_not_in_train",
        "error",
        {"part": "test", "classes": {"z": 3}},
    )
    assert ("features_differ", "test") in found(judgement)


def test_a_part_too_small_for_its_metric_is_told_of(stages):
    few = found(judged(stages, ROWS.filter(~LATE | (pl.col("id") % 20 == 0))))
    assert few["small_part", "test"]["numbers"] == {"part": "test", "rows": 15, "margin": pytest.approx(0.253, abs=0.001)}
    rare = ROWS.with_columns(kind=pl.when(LATE & (pl.col("id") % 100 > 1)).then(pl.lit("a")).otherwise("kind"))
    one = found(judged(stages, rare))["small_part", "test"]
    assert list(one["numbers"]["classes"]) == ["b"]
    assert "accuracy there says little" in one["message"]


def test_keys_on_both_sides_are_told_of_unless_a_splitter_keeps_them_together(stages):
    rows = ROWS.with_columns(owner=pl.format("owner {}", pl.col("id") % 500))
    seen = found(judged(stages, rows, watch=["owner"], splitter={"use": "random"}))
    keys = seen["keys_on_both_sides", "test"]["numbers"]
    assert (keys["columns"], keys["estimated"]) == (["owner"], False)
    assert keys["share"] == pytest.approx(keys["keys"] / 256, rel=0.2)
    group = {"use": "group", "columns": ["owner"]}
    assert found(judged(stages, rows, watch=["owner"], splitter=group)) == {}
    twice = ROWS.with_columns(id=pl.col("id") % 1300)
    assert found(judged(stages, twice, features=["wide"]))["keys_on_both_sides", "test"]["numbers"]["keys"] == 200


def test_where_nothing_says_which_rows_belong_together_no_keys_are_looked_for(stages):
    assert found(judged(stages, pl.concat([ROWS, ROWS.head(3)]), key=[])) == {}
    assert found(judged(stages, ROWS.select("id", "kind", "set"), features=["kind"])) == {}


def test_a_view_without_rows_has_nothing_to_be_doubted(stages):
    assert found(judged(stages, ROWS.clear())) == {}


def test_a_column_to_watch_that_is_not_there_is_refused(stages):
    with pytest.raises(MissingColumn, match="ownr"):
        judged(stages, ROWS, watch=["ownr"])


def test_rows_on_both_sides_are_told_of_unless_chance_would_make_them(stages):
    again = ROWS.head(30).with_columns(id=pl.col("id") + COUNT, set=pl.lit("test"))
    rows = pl.concat([ROWS, again])
    (one,) = found(judged(stages, rows)).values()
    assert one["code"] == "rows_on_both_sides"
    assert one["numbers"] == {
        "part": "test",
        "rows": 30,
        "share": pytest.approx(30 / 330),
        "by_chance": pytest.approx(0, abs=0.001),
        "estimated": False,
    }
    few = rows.select("id", "kind", "wide", "set")  # of four different rows, all are everywhere
    assert found(judged(stages, few)) == {}


def test_times_that_overlap_are_told_of(stages):
    timed = ROWS.with_columns(day=pl.col("id"))
    assert found(judged(stages, timed, time="day")) == {}
    one = found(judged(stages, timed, time="day", splitter={"use": "random"}))["time_overlaps", "test"]
    assert (one["numbers"]["train_to"], one["severity"]) == ("1499", "warning")
    assert one["numbers"]["share"] > 0.99


def test_rows_without_a_target_are_no_reason_for_doubt(stages):
    rows = ROWS.with_columns(kind=pl.when(pl.col("id") % 50 > 0).then("kind"))
    judgement = judged(stages, rows)
    ((code, one),) = found(judgement).items()
    assert (code, one["severity"], one["numbers"]) == (("no_target", None), "info", {"rows": 30})
    assert stages.run("admit", judgement).data() == {"admitted": True}


def test_a_strict_splitter_says_which_warnings_it_stops_at(stages):
    rows = ROWS.with_columns(width=pl.when(LATE).then(pl.col("width") + 1).otherwise("width"))
    with pytest.raises(DataError, match="strict: 1 warning") as raised:
        stages.run("admit", judged(stages, rows))
    assert "width (KS" in raised.value.found
    assert "[features_differ]" in raised.value.found


def test_more_rows_than_are_kept_are_estimated(stages, monkeypatch):
    monkeypatch.setattr("engine.assess.sketch.KEPT", {"key": 300, "row": 250, "sample": 200})
    monkeypatch.setattr("engine.assess.sides.KEPT", {"key": 300, "row": 250, "sample": 200})
    rows = ROWS.with_columns(owner=pl.format("owner {}", pl.col("id") % 750))
    whole = judged(stages, rows, watch=["owner"], features=["width"])
    assert whole.digest == judged(stages, rows[:400], rows[400:], watch=["owner"], features=["width"]).digest
    numbers = found(whole)["keys_on_both_sides", "test"]["numbers"]
    assert numbers["estimated"]
    assert numbers["keys"] == pytest.approx(300, rel=0.3)
    assert "about" in found(whole)["keys_on_both_sides", "test"]["message"]
