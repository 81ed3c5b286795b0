"""Slices: how a column cuts rows, and which slice is told from the others."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from engine.errors import DataError
from engine.registry import build
from engine.stages.slices import Told, measure
from engine.stages.slicing import slices_of

ACCURACY = build("metric", "accuracy")


def cut(values, dtype=None):
    return [(one.name, one.kind, one.places.tolist()) for one in slices_of(pl.Series("column", values, dtype=dtype))]


def test_a_text_has_a_slice_for_each_value_the_most_frequent_first_and_missing_is_one():
    assert cut(["b", "a", None, "b"]) == [("b", "value", [0, 3]), ("a", "value", [1]), ("missing", "missing", [2])]
    assert cut([True, False, True]) == [("true", "value", [0, 2]), ("false", "value", [1])]
    assert cut(["b", "a", "b"], pl.Categorical) == [("b", "value", [0, 2]), ("a", "value", [1])]


def test_beyond_the_twenty_most_frequent_values_are_one_slice():
    found = cut([str(number) for number in range(25) for _ in range(30 - number)])
    assert [kind for _, kind, _ in found] == ["value"] * 20 + ["others"]
    assert found[-1][0] == "5 others"
    assert len(found[-1][2]) == sum(30 - number for number in range(20, 25))


def test_a_number_of_few_values_keeps_them_and_one_of_many_is_cut_into_ranges_of_as_many_rows():
    assert cut([3, 1, 3]) == [("1", "value", [1]), ("3", "value", [0, 2])]
    found = cut([*np.arange(100.0)[::-1], np.nan, None])
    assert [(name, len(places)) for name, _, places in found] == [
        ("0 to 24", 25),
        ("25 to 49", 25),
        ("50 to 74", 25),
        ("75 to 99", 25),
        ("missing", 2),
    ]
    assert cut([date(2024, 1, 1 + day) for day in range(28)])[0][0] == "2024-01-01 to 2024-01-07"
    assert [len(places) for _, _, places in cut([0] * 90 + list(range(30)))] == [91, 29]  # equal rows stay together


def test_a_column_whose_values_can_not_be_told_apart_is_refused():
    with pytest.raises(DataError, match=r"sliced by the column 'column'.*") as caught:
        cut([[1], [2]])
    assert (caught.value.where, caught.value.found) == ("slices", "List(Int64)")


def told(rights):
    """Return rows of which some are predicted right."""
    rights = np.asarray(rights)
    prediction = pl.DataFrame({"prediction": np.where(rights, "yes", "no")})
    return Told(pl.Series(["yes"] * len(rights)), prediction, pl.DataFrame({"x": np.zeros(len(rights))}))


def test_the_worst_slice_that_can_be_told_is_named_and_one_of_few_rows_is_not():
    random = np.random.default_rng(0)
    place = random.choice(["a", "b", "c"], 900).astype(object)
    rights = random.random(900) < np.where(place == "c", 0.6, 0.9)
    place[:5], rights[:5] = "few", False
    found = measure(ACCURACY, told(rights), slices_of(pl.Series("place", place)))
    by_name = {entry["slice"]: entry for entry in found["slices"]}
    worst = found["slices"][found["worst"]]
    assert worst is by_name["c"]
    assert worst["value"] == pytest.approx(rights[place == "c"].mean())
    assert worst["others"] == pytest.approx(rights[place != "c"].mean())
    assert worst["difference"] == worst["value"] - worst["others"]
    low, high = worst["difference_interval"]
    assert low < worst["difference"] < high < 0
    assert high - low == pytest.approx(2 * 1.96 * (0.24 / 300 + 0.09 / 600) ** 0.5, rel=0.25)
    few = by_name["few"]
    assert (few["value"], few["interval"], few["differs"]) == (0.0, None, None)
    assert found["compared"] == 3


def test_of_many_slices_that_are_alike_none_is_named():
    random = np.random.default_rng(1)
    named = 0
    for _ in range(20):
        found = measure(
            ACCURACY, told(random.random(1200) < 0.8), slices_of(pl.Series("place", random.choice(list("abcdefghij"), 1200)))
        )
        named += found["worst"] is not None
    assert named <= 3  # at 95 % without regard to their number it would be nine in twenty


def test_a_metric_that_hangs_on_a_class_of_two_rows_names_no_slice():
    random = np.random.default_rng(2)
    positive = random.random(400) < 0.4
    place = np.repeat(["most", "few"], [360, 40])
    positive[360:] = False
    positive[[370, 380]] = True
    chance = np.where(positive, 0.7, 0.3) + random.normal(0, 0.1, 400)
    chance[[370, 380]] = 0.0
    prediction = pl.DataFrame(
        {"prediction": np.where(chance > 0.5, "yes", "no"), "probability:no": 1 - chance, "probability:yes": chance}
    )
    rows = Told(pl.Series(np.where(positive, "yes", "no")), prediction, pl.DataFrame({"x": chance}))
    found = measure(build("metric", "roc_auc"), rows, slices_of(pl.Series("place", place)))
    few = found["slices"][1]
    assert (few["slice"], few["value"], few["differs"]) == ("few", 0.0, None)
    assert found["worst"] is None


def test_a_run_measures_slices_of_columns_that_the_model_does_not_see_and_fits_nothing_again(shapes):
    first = shapes.run()
    assert first.summary["slices"] == {}
    run = shapes.run("slices=[colour,id]")
    assert shapes.ran(run) == {"model.slices": 2}
    test = run.summary["slices"]["test"]
    assert test["whole"] == run.metrics["test"]["accuracy"]
    rows = pl.concat([run.split("test").rows.collect(), run.predictions("test")], how="horizontal")
    alone = rows.group_by("colour").agg((pl.col("prediction") == pl.col("kind")).mean().alias("value"), pl.len().alias("rows"))
    told = {entry["slice"]: (entry["value"], entry["rows"]) for entry in test["slices"] if entry["column"] == "colour"}
    assert told == {colour: (pytest.approx(value), count) for colour, value, count in alone.iter_rows()}
    assert sum(entry["rows"] for entry in test["slices"] if entry["column"] == "id") == rows.height
