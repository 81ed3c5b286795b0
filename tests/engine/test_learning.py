from __future__ import annotations

from contextlib import chdir
from itertools import pairwise

import polars as pl
import pytest

from engine.errors import ConfigError
from engine.stages.rows import nested
from tests.conftest import Shapes

CURVE = "learning_curve=[0.25,20,0.001]"


@pytest.fixture(scope="module")
def curved(tmp_path_factory):
    """A run with a curve whose least size, one row, is none that the model can be fitted on."""
    shapes = Shapes.create(tmp_path_factory.mktemp("curved"))
    with chdir(shapes.folder):
        overrides = ("model=k_neighbors", "model.n_neighbors=3", CURVE)
        run = shapes.run(*overrides)
        return shapes, overrides, run


def test_a_learning_curve_ends_in_the_runs_own_model_and_rates_it_on_the_rows_that_rank(curved):
    _, _, run = curved
    curve = run.summary["learning_curve"]
    train = next(part["rows"] for part in run.summary["split"] if part["part"] == "train")
    assert (curve["metric"], curve["part"]) == ("accuracy", "validation")
    assert [point["rows"] for point in curve["points"]] == [round(train / 4), 20, train]
    assert curve["points"][-1]["value"] == run.metrics["validation"]["accuracy"]
    assert curve["points"][-1]["interval"] == run.summary["evaluation"]["validation"]["intervals"]["accuracy"]
    assert curve["last_step"]["rows"] == [20, train]
    assert curve["ran"] == 6  # three fits and four ratings, one of which fails


def test_a_size_that_the_model_can_not_be_fitted_on_is_said_and_fails_no_run(curved):
    _, _, run = curved
    assert run.summary["status"] == "done"
    (failure,) = run.summary["learning_curve"]["failures"]
    assert failure.startswith("size 0.001: KNeighborsClassifier can not predict these rows")


def test_a_curve_is_drawn_once_and_a_run_without_one_is_the_same(curved):
    shapes, overrides, first = curved
    with chdir(shapes.folder):
        again, without = shapes.run(*overrides), shapes.run(*overrides[:-1])
    assert again.summary["learning_curve"]["ran"] == 0
    assert again.summary["learning_curve"]["points"] == first.summary["learning_curve"]["points"]
    assert (shapes.ran(without), without.summary["learning_curve"]) == ({}, None)
    assert without.summary["bundle"] == first.summary["bundle"]


def test_groups_have_no_learning_curve(shapes):
    with pytest.raises(ConfigError, match="no learning curve"):
        shapes.load("model=k_means", "problem.task=clustering", "problem.metric=silhouette", "metrics=[silhouette]", CURVE)


def test_rows_of_a_size_are_among_those_of_a_larger_one_and_classes_keep_their_shares():
    features = pl.DataFrame({"row": range(400)})
    target = pl.Series(["a", "b", "b", "b"] * 100)
    sizes = [nested(features, target, size) for size in (0.1, 100, 0.5, 1.0, 1000)]
    assert [own.height for own, _ in sizes] == [40, 100, 200, 400, 400]
    assert [(answers == "a").sum() for _, answers in sizes] == [10, 25, 50, 100, 100]
    for (less, _), (more, _) in pairwise(sizes):
        assert set(less["row"]) <= set(more["row"])
    assert all(own["row"].is_sorted() for own, _ in sizes)
    numbers = nested(features, pl.Series(range(400), dtype=pl.Float64), 0.1)
    assert numbers[1].to_list() == numbers[0]["row"].to_list()
