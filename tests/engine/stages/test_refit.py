"""Whether a clustering comes to the same groups when it is fitted again."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from engine.errors import DataError
from engine.stages.refit import compare

CLUSTERING = """\
# @package _global_
defaults:
  - override /splitter: random
  - override /model: k_means
problem: {task: clustering}
splitter: {train: 1.0, validation: 0.0, test: 0.0}
model: {n_clusters: 3}
datasets: {points: {extract: {use: csv, path: points.csv}}}
view: {from: points}
assess: false
"""

PATIENT = """\
import threading
from typing import ClassVar

import polars as pl

from engine.plugin import Model


class Patient(Model):
    \"\"\"Says that all rows are alike; of fewer rows than there are it never comes to an end.\"\"\"

    task: ClassVar[str] = "clustering"

    def estimate(self, features, target):
        if features.height < 120:
            threading.Event().wait()
        return "all"

    def predict(self, fitted, features):
        return features.select(pl.repeat(0, pl.len(), dtype=pl.Int64).alias("prediction"))
"""


def test_the_same_groups_under_other_numbers_are_the_same():
    found = compare(pl.Series([0, 0, 1, 1, -1]), pl.Series([1, 1, 0, 0, -1]))
    assert found == {"adjusted_rand": 1.0, "clusters": 2, "jaccard": {"0": 1.0, "1": 1.0}}


def test_a_group_is_followed_to_the_one_most_like_it_and_what_became_noise_is_lost():
    found = compare(pl.Series([0, 0, 0, 0, 1, 1, 2, 2]), pl.Series([0, 0, 0, 1, 1, 1, -1, -1]))
    assert found["jaccard"] == {"0": 0.75, "1": pytest.approx(2 / 3, abs=1e-6), "2": 0.0}
    assert found["clusters"] == 2


@pytest.mark.parametrize("apart", [True, False], ids=["groups", "noise"])
def test_groups_that_are_there_are_found_again_and_those_of_noise_are_not(shapes, apart):
    random = np.random.default_rng(0)
    centres = np.repeat([[0, 0], [9, 0], [0, 9]], 40, axis=0) if apart else 0
    points = random.normal(size=(120, 2)) + centres
    shapes.write("points.csv", pl.DataFrame(points, schema=["x", "y"]).write_csv())
    shapes.write("conf/pipeline/points.yaml", CLUSTERING)
    found = shapes.run("stability=4", name="points").summary["stability"]
    assert (found["refits"], found["clusters"], len(found["jaccard"])) == (4, [3, 3], 3)
    low, high = found["range"]
    assert low <= found["adjusted_rand"] <= high
    if apart:
        assert (low, [one["mean"] for one in found["jaccard"]]) == (1.0, [1.0] * 3)
        more = shapes.run("stability=5", name="points")
        assert shapes.ran(more) == {"model.refit": 1}
    else:
        assert found["adjusted_rand"] < 0.9
        assert min(one["mean"] for one in found["jaccard"]) < 0.9


def test_a_refit_that_takes_too_long_is_ended_like_a_fit(shapes):
    points = pl.DataFrame(np.random.default_rng(0).normal(size=(120, 2)), schema=["x", "y"])
    shapes.write("points.csv", points.write_csv())
    shapes.write("conf/pipeline/points.yaml", CLUSTERING)
    shapes.write("plugins/models/patient.py", PATIENT)
    shapes.write("conf/model/patient.yaml", "use: patient\n")
    asked = ("model=patient", "~model.n_clusters")
    assert shapes.ran(shapes.run(*asked, name="points"))["model.estimate"] == 1
    with pytest.raises(DataError, match="the fit of patient took too long"):
        shapes.run(*asked, "stability=2", "timeout=1", name="points")
