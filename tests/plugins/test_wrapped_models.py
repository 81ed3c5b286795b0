"""Models that wrap another: calibrated probabilities, and a threshold chosen by a metric."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import brier_score_loss, f1_score

from engine.errors import ConfigError, DataError
from engine.plugin import Metric, Model
from engine.registry import build, describe
from engine.stores import models

_random = np.random.RandomState(0)
_x = _random.normal(size=2_000)
FEATURES = pl.DataFrame({"x": _x, "noise": _random.normal(size=2_000), "copy": _x})
TARGET = pl.Series(np.where(_random.uniform(size=2_000) < 1 / (1 + np.exp(2 - 1.5 * _x)), "yes", "no"))
LEARNED, ASKED = (FEATURES[:1_500], TARGET[:1_500]), (FEATURES[1_500:], TARGET[1_500:])


def model(**node: Any) -> Model:
    made = build("model", node)
    assert isinstance(made, Model)
    return made


class Sure(Model):
    """Say yes, and not how likely it is."""

    task = "classification"

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> str:
        return "yes"

    def predict(self, fitted: str, features: pl.DataFrame) -> pl.DataFrame:
        return features.select(prediction=pl.lit(fitted))


WRAPPED = [
    {"use": "thresholded", "model": "sklearn.GaussianNB", "metric": "f1"},
    {"use": "calibrated", "model": "sklearn.LinearSVC"},
    {"use": "calibrated", "model": "sklearn.GaussianNB", "method": "isotonic"},
    {"use": "thresholded", "model": {"use": "calibrated", "model": "sklearn.LinearSVC"}, "metric": "f1"},
]


@pytest.mark.parametrize("node", WRAPPED, ids=lambda node: f"{node['use']}-{node['model']}")
def test_a_wrapped_model_is_rebuilt_stored_with_equal_bytes_and_predicts_the_same(node: dict[str, Any], tmp_path: Path) -> None:
    made = model(**node)
    assert build("model", describe(made)) == made
    for name in ("one", "two"):
        models.dump(made.estimate(*LEARNED), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = made.predict(made.estimate(*LEARNED), ASKED[0])
    assert_frame_equal(made.predict(models.load(tmp_path / "one"), ASKED[0]), found)
    assert found.columns == ["prediction", "probability:no", "probability:yes"]
    assert made.predict(made.estimate(*LEARNED), ASKED[0].clear()).schema == found.schema


def test_a_threshold_makes_the_metric_better_than_the_middle_does() -> None:
    plain, cut = (
        model(use="sklearn.LogisticRegression"),
        model(use="thresholded", model="sklearn.LogisticRegression", metric="f1"),
    )
    fitted = cut.estimate(*LEARNED)
    before, after = plain.predict(plain.estimate(*LEARNED), ASKED[0]), cut.predict(fitted, ASKED[0])
    truth = ASKED[1].to_list()
    assert f1_score(truth, after["prediction"], pos_label="yes") > f1_score(truth, before["prediction"], pos_label="yes") + 0.05
    assert cut.summary(fitted).facts["threshold"] < 0.5  # type: ignore[operator]  # a number
    said = after.select(
        (pl.col("probability:yes") >= cut.summary(fitted).facts["threshold"] - 1e-6) == (pl.col("prediction") == "yes")
    )
    assert said.to_series().mean() == 1


def test_a_threshold_chosen_by_costs_costs_less_than_the_middle_does() -> None:
    costs = {"use": "cost", "costs": {"yes": {"no": 10}}}
    measured = build("metric", costs)
    assert isinstance(measured, Metric)
    plain = model(use="sklearn.LogisticRegression")
    cut = model(use="thresholded", model="sklearn.LogisticRegression", metric=costs)
    before, after = (measured.score(ASKED[1], one.predict(one.estimate(*LEARNED), ASKED[0]), ASKED[0]) for one in (plain, cut))
    assert before is not None
    assert after is not None
    assert after < 0.75 * before


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated_probabilities_are_nearer_to_the_truth(method: str) -> None:
    plain, made = model(use="sklearn.GaussianNB"), model(use="calibrated", model="sklearn.GaussianNB", method=method)
    truth = (ASKED[1] == "yes").to_list()
    before = plain.predict(plain.estimate(*LEARNED), ASKED[0])["probability:yes"]
    after = made.predict(made.estimate(*LEARNED), ASKED[0])["probability:yes"]
    assert brier_score_loss(truth, after) < brier_score_loss(truth, before)


def test_probabilities_of_three_classes_sum_to_one() -> None:
    three = pl.Series(["low" if number < -0.5 else "top" if number > 0.5 else "mid" for number in FEATURES["x"]])
    made = model(use="calibrated", model="sklearn.LinearSVC")
    found = made.predict(made.estimate(FEATURES, three), FEATURES)
    assert found.columns[1:] == ["probability:low", "probability:mid", "probability:top"]
    assert found.select(pl.sum_horizontal(pl.exclude("prediction")).is_close(1.0).all()).item()
    with pytest.raises(DataError, match="two classes"):
        model(use="thresholded", model="sklearn.GaussianNB", metric="f1").estimate(FEATURES, three)


@pytest.mark.parametrize("node", WRAPPED[:2], ids=lambda node: node["use"])
def test_what_can_not_be_wrapped_is_refused(node: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="needs a model of classes"):
        model(**{**node, "model": "sklearn.Ridge"})
    with pytest.raises(DataError, match="rates classes"):
        model(**node).model_copy(update={"model": Sure()}).estimate(*LEARNED)
    with pytest.raises(DataError, match="two rows of each class"):
        model(**node).estimate(FEATURES[:5], pl.Series(["no", "no", "no", "no", "yes"]))
