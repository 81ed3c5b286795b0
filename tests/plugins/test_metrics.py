"""What each metric says of predictions whose worth is known."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from engine.plugin import Metric
from engine.registry import build, names

NO_FEATURES = pl.DataFrame()
TRUTH = pl.Series(["no", "no", "yes", "yes"])
BINARY = pl.DataFrame(
    {
        "prediction": ["no", "yes", "no", "yes"],
        "probability:no": [0.9, 0.4, 0.65, 0.2],
        "probability:yes": [0.1, 0.6, 0.35, 0.8],
    }
)
THREE = pl.Series(["a", "b", "c", "a", "b", "c"])
_shares = np.random.RandomState(0).dirichlet([1, 1, 1], 6)
MANY = pl.DataFrame(
    {
        "prediction": ["a", "b", "c", "b", "b", "a"],
        **{f"probability:{name}": _shares[:, n] for n, name in enumerate("abc")},
    }
)
BLOBS = pl.DataFrame({"x": [0.0, 0.1, 0.2, 9.0, 9.1, 9.2, 50.0]})
CLUSTERS = pl.DataFrame({"prediction": [0, 0, 0, 1, 1, 1, -1]})


def score(
    name: str, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame = NO_FEATURES, **more: Any
) -> Any:
    metric = build("metric", {"use": name, **more})
    assert isinstance(metric, Metric)
    return metric.score(truth, prediction, features)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 0.5),
        ("balanced_accuracy", 0.5),
        ("precision", 0.5),
        ("recall", 0.5),
        ("f1", 0.5),
        ("roc_auc", 0.75),
        ("average_precision", 5 / 6),
        ("log_loss", log_loss([0, 0, 1, 1], [0.1, 0.6, 0.35, 0.8])),
        ("brier", brier_score_loss([0, 0, 1, 1], [0.1, 0.6, 0.35, 0.8])),
    ],
)
def test_two_classes_are_rated_by_the_last_in_sorted_order(name: str, expected: float) -> None:
    assert score(name, TRUTH, BINARY) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 4 / 6),
        ("balanced_accuracy", 4 / 6),
        ("precision", (1 / 2 + 2 / 3 + 1) / 3),
        ("recall", (1 / 2 + 1 + 1 / 2) / 3),
        ("roc_auc", roc_auc_score(THREE.to_list(), _shares, multi_class="ovr")),
        ("log_loss", log_loss(THREE.to_list(), _shares)),
        ("brier", brier_score_loss(THREE.to_list(), _shares, labels=list("abc"), scale_by_half=True)),
    ],
)
def test_several_classes_are_averaged(name: str, expected: float) -> None:
    assert score(name, THREE, MANY) == pytest.approx(expected)


def test_the_calibration_error_is_the_mean_distance_of_bins_from_what_came_true() -> None:
    assert score("expected_calibration_error", TRUTH, BINARY, bins=2) == pytest.approx(
        (abs(0.45 / 2 - 0.5) + abs(0.7 - 0.5)) / 2
    )
    ties = pl.DataFrame({"prediction": ["no"] * 8, "probability:no": [0.75] * 8, "probability:yes": [0.25] * 8})
    assert score("expected_calibration_error", pl.Series(["yes", "yes", *["no"] * 6]), ties) == pytest.approx(0)
    assert score("expected_calibration_error", pl.Series(["no"] * 8), ties) == pytest.approx(0.25)
    assert 0 < score("expected_calibration_error", THREE, MANY) < 1


def test_errors_cost_what_was_said_and_one_where_nothing_was() -> None:
    said = pl.DataFrame({"prediction": ["a", "b", "c", "b", "a", "a"]})
    assert score("cost", THREE, said) == pytest.approx(3 / 6)
    assert score("cost", THREE, said, costs={"a": {"b": 5}, "b": {"a": -2, "b": -1}, "x": {"a": 9}}) == pytest.approx(
        (5 - 2 - 1 + 1) / 6
    )
    assert score("cost", None, said) is None


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error"])
def test_metrics_of_probabilities_are_none_without_them(name: str) -> None:
    assert score(name, TRUTH, BINARY.select("prediction")) is None


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_metrics_of_order_are_none_where_the_truth_has_one_class(name: str) -> None:
    assert score(name, pl.Series(["no"] * 4), BINARY) is None


def test_ratings_that_would_divide_by_nothing_are_none() -> None:
    never = pl.DataFrame({"prediction": ["no"] * 4})
    assert score("precision", TRUTH, never) is None
    assert score("recall", TRUTH, never) == 0.0
    assert score("f1", TRUTH, never) == 0.0
    assert score("recall", pl.Series(["no"] * 4), BINARY) is None


def test_a_class_that_the_model_never_saw_counts_as_probability_zero() -> None:
    truth = pl.Series(["no", "no", "yes", "never seen"])
    assert score("log_loss", truth, BINARY) > 8
    assert score("brier", truth, BINARY) < 1
    assert 0 <= score("roc_auc", truth, BINARY) <= 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rmse", np.sqrt(17 / 4)),
        ("mae", 1.25),
        ("median_absolute_error", 0.5),
        ("mape", (0 + 0 + 1 / 3 + 1) / 4),
        ("r2", 1 - 17 / 5),
    ],
)
def test_regression_is_rated_by_its_errors(name: str, expected: float) -> None:
    truth = pl.Series([1.0, 2.0, 3.0, 4.0])
    assert score(name, truth, pl.DataFrame({"prediction": [1.0, 2.0, 4.0, 8.0]})) == pytest.approx(expected)


def test_regression_metrics_are_none_where_they_are_not_defined() -> None:
    found = pl.DataFrame({"prediction": [1.0, 2.0]})
    assert score("r2", pl.Series([3.0, 3.0]), found) is None
    assert score("mape", pl.Series([0.0, 1.0]), found) is None


def test_clusterings_are_rated_without_the_rows_called_noise() -> None:
    assert score("silhouette", None, CLUSTERS, BLOBS) > 0.95
    assert score("davies_bouldin", None, CLUSTERS, BLOBS) < 0.1
    assert score("calinski_harabasz", None, CLUSTERS, BLOBS) > 1000
    assert score("clusters", None, CLUSTERS, BLOBS) == 2.0


def test_silhouette_of_many_rows_measures_a_sample_always_the_same() -> None:
    features = pl.DataFrame({"x": np.random.RandomState(0).normal(size=2000)})
    found = pl.DataFrame({"prediction": (features["x"] > 0).cast(pl.Int64)})
    first, again = (score("silhouette", None, found, features, sample=200) for _ in range(2))
    assert first == again == pytest.approx(score("silhouette", None, found, features), abs=0.05)


@pytest.mark.parametrize("name", ["silhouette", "davies_bouldin", "calinski_harabasz"])
@pytest.mark.parametrize("labels", [[0] * 7, list(range(7)), [-1] * 7])
def test_one_cluster_or_one_a_row_can_not_be_rated(name: str, labels: list[int]) -> None:
    assert score(name, None, pl.DataFrame({"prediction": labels}), BLOBS) is None


@pytest.mark.parametrize("name", ["adjusted_rand", "normalized_mutual_information"])
def test_clusters_are_compared_with_a_truth_where_there_is_one(name: str) -> None:
    assert score(name, pl.Series(list("aaabbbc")), CLUSTERS, BLOBS) == pytest.approx(1.0)
    assert score(name, None, CLUSTERS, BLOBS) is None


@pytest.mark.parametrize("name", names("metric"))
def test_a_metric_says_which_way_is_better(name: str) -> None:
    metric = build("metric", name)
    assert isinstance(metric, Metric)
    smaller = {
        "log_loss",
        "brier",
        "cost",
        "expected_calibration_error",
        "rmse",
        "mae",
        "mape",
        "median_absolute_error",
        "davies_bouldin",
    }
    assert metric.greater_is_better == (name not in smaller)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", names("metric"))
def test_no_metric_goes_beyond_what_it_says_that_it_can_be(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    metric = build("metric", name)
    assert isinstance(metric, Metric)
    truth, told, features = random.normal(size=30), random.normal(size=30), pl.DataFrame({"x": random.normal(size=30)})
    groups = random.integers(0, 3, size=30)
    if "classification" in metric.tasks:
        shares = random.random(30)
        rated = {"probability:no": 1 - shares, "probability:yes": shares}
        prediction = pl.DataFrame({"prediction": np.where(shares > 0.5, "yes", "no"), **rated})
        found = metric.score(pl.Series(np.where(truth > 0, "yes", "no")), prediction, features)
    elif "regression" in metric.tasks:
        found = metric.score(pl.Series(truth), pl.DataFrame({"prediction": told}), features)
    else:
        found = metric.score(pl.Series(groups.astype(str)), pl.DataFrame({"prediction": np.sort(groups)}), features)
    assert found is not None
    assert metric.bounds[0] <= found <= metric.bounds[1]


def test_rows_that_lack_a_class_which_the_model_scores_are_still_of_several_classes() -> None:
    """As in a slice of the rows: of three classes the mean is taken, though two are there."""
    truth, said = pl.Series(["a", "b", "b"]), ["a", "b", "a"]
    scored = pl.DataFrame({"prediction": said, "score:a": [1.0, 0.0, 1.0], "score:b": [0.0, 1.0, 0.0], "score:c": [0.0] * 3})
    assert score("recall", truth, scored) == pytest.approx(0.75)
    assert score("recall", truth, scored.drop("score:c")) == pytest.approx(0.5)
