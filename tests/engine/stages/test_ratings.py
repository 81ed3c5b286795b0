"""What is drawn of probabilities: bins that came true or not, and what thresholds would do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from engine.registry import build
from engine.stages.ratings import calibration, thresholds


def rated(chance, cut=0.5, kind="probability"):
    said = np.where(np.asarray(chance) >= cut, "yes", "no")
    return pl.DataFrame({"prediction": said, f"{kind}:no": 1 - np.asarray(chance), f"{kind}:yes": chance})


RANDOM = np.random.default_rng(0)
CHANCE = RANDOM.beta(0.7, 2, 2_000).round(3)
TRUTH = pl.Series(np.where(RANDOM.random(2_000) < CHANCE, "yes", "no"))


def test_bins_of_as_many_rows_each_hold_the_share_that_came_true_with_its_interval():
    (found,) = calibration(TRUTH, rated(CHANCE))
    assert found["class"] == "yes"
    assert [one["rows"] for one in found["bins"]] == pytest.approx([200] * 10, abs=15)
    assert sum(one["rows"] for one in found["bins"]) == 2_000
    assert sum(one["low"] <= one["mean"] <= one["high"] for one in found["bins"]) >= 9  # the probabilities are the truth
    error = build("metric", "expected_calibration_error").score(TRUTH, rated(CHANCE), pl.DataFrame())
    assert found["error"] == pytest.approx(error, abs=1e-6)
    assert found["brier"] == pytest.approx(build("metric", "brier").score(TRUTH, rated(CHANCE), pl.DataFrame()), abs=1e-6)


def test_wilson_intervals_stay_within_0_and_1_and_are_those_of_the_paper():
    truth = pl.Series(["yes"] * 10)
    (found,) = calibration(truth, rated(np.full(10, 0.9)))
    (only,) = found["bins"]
    assert (only["share"], only["high"]) == (1.0, 1.0)
    assert only["low"] == pytest.approx(10 / (10 + 1.959964**2), abs=1e-6)  # with no failure it is n / (n + z^2)


def test_curves_are_what_each_threshold_would_do():
    found = thresholds(TRUTH, rated(CHANCE), [], None)
    assert (found["class"], found["rating"], found["used"]) == ("yes", "probability", 0.5)
    assert "cost" not in found
    for place in (5, 40, len(found["at"]) - 2):
        said = np.where(found["at"][place] <= CHANCE, "yes", "no")
        for name, rate in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
            assert found[name][place] == pytest.approx(rate(TRUTH, said, pos_label="yes"), abs=2e-3)
        assert found["positive"][place] == pytest.approx((said == "yes").mean(), abs=2e-3)


def test_the_threshold_in_use_is_the_one_that_agrees_with_the_predictions():
    assert thresholds(TRUTH, rated(CHANCE, 0.2), [0.2], None)["used"] == 0.2
    assert thresholds(TRUTH, rated(CHANCE, 0.2), [], None)["used"] == CHANCE[CHANCE >= 0.2].min()
    shuffled = rated(CHANCE).with_columns(pl.col("prediction").shuffle(seed=0))
    assert thresholds(TRUTH, shuffled, [], None)["used"] is None
    assert thresholds(TRUTH, rated(CHANCE - 0.3, 0.0, "score"), [], None)["used"] == 0.0
    assert thresholds(pl.Series(["no"] * 2_000), rated(CHANCE), [], None) is None


def test_a_run_says_what_errors_cost_at_each_threshold_and_which_class_is_not_there(shapes):
    shapes.write("conf/model/cheap.yaml", "use: thresholded\nmodel: sklearn.GaussianNB\nmetric: cost\n")
    run = shapes.run("problem.costs={a:{b:5},bb:{a:1}}", "model=cheap", "metrics=null")
    found = run.summary["evaluation"]["test"]
    assert found["thresholds"]["used"] == run.summary["fit"]["threshold"]
    rows = run.predictions("test")
    missed = pl.when(pl.col("__target__") == "a").then(5).otherwise(1)
    paid = rows.select(missed * (pl.col("__target__") != pl.col("prediction")))
    assert run.metrics["test"]["cost"] == pytest.approx(paid.to_series().mean())
    at = len(found["thresholds"]["at"]) // 2
    said = rows["probability:b"] >= found["thresholds"]["at"][at]
    then = rows.select(missed * ((pl.col("__target__") == "b") != said)).to_series().mean()
    assert found["thresholds"]["cost"][at] == pytest.approx(then, abs=1e-6)
    assert found["intervals"]["cost"][0] <= run.metrics["test"]["cost"]
    assert len(found["thresholds"]["cost"]) == len(found["thresholds"]["at"])
    (warning,) = [one for one in run.summary["warnings"] if one["code"] == "no_such_class"]
    assert warning["message"] == "problem.costs names the class 'bb', of which there is no row"
    assert warning["advice"] == "did you mean 'b'?"
