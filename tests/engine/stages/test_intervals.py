"""Intervals of metrics: what all at once gives is what one by one gives, and they cover what they should."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from engine.plugin import Metric
from engine.registry import build, names
from engine.stages import intervals

NO_FEATURES = pl.DataFrame({"x": []})


def classes(rows, several, *, seed=0):
    """Return truth and prediction of a classifier that is right more often than not; ratings have ties."""
    random = np.random.default_rng(seed)
    known = ["a", "b", "c"] if several else ["no", "yes"]
    truth = random.choice(known, rows)
    shares = random.dirichlet(np.ones(len(known)), rows).round(1) + 0.3 * (truth[:, None] == np.array(known))
    shares /= shares.sum(axis=1, keepdims=True)
    told = np.array(known)[shares.argmax(axis=1)]
    rated = {f"probability:{name}": shares[:, place] for place, name in enumerate(known)}
    return pl.Series(truth), pl.DataFrame({"prediction": told, **rated})


def numbers(rows, *, seed=0):
    random = np.random.default_rng(seed)
    truth = random.normal(10, 2, rows)
    return pl.Series(truth), pl.DataFrame({"prediction": truth + random.normal(0, 1, rows)})


def metrics(task):
    found = (build("metric", {"use": name}, ("metrics", 0)) for name in names("metric"))
    return [metric for metric in found if task in metric.tasks]


CASES = [(metric, several) for metric in metrics("classification") for several in (False, True)]
CASES += [(metric, None) for metric in metrics("regression")]


@pytest.mark.parametrize(("metric", "several"), CASES, ids=lambda value: getattr(type(value), "__name__", str(value)))
def test_all_resamples_at_once_are_the_metric_on_each(metric, several):
    truth, prediction = numbers(60) if several is None else classes(60, several)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=5).astype(float)
    rows = [np.repeat(np.arange(60), line.astype(int)) for line in weights]
    alone = [metric.score(truth[drawn], prediction[drawn], NO_FEATURES) for drawn in rows]
    assert metric.resampled(truth, prediction, NO_FEATURES, weights) == pytest.approx(alone, abs=1e-9)


class Own(Metric):
    """A user's metric, which knows nothing of weights."""

    tasks = frozenset({"regression"})
    greater_is_better = False

    def score(self, truth, prediction, features):
        return float((truth - prediction["prediction"]).abs().mean())


def ends(metric, truth, prediction):
    score = metric.score(truth, prediction, NO_FEATURES)
    draws = intervals.draw(len(truth))
    return score, intervals.interval(intervals.resampled(metric, score, draws, truth, prediction, _features(truth)))


def _features(truth):
    return pl.DataFrame({"x": np.zeros(len(truth))})


def test_a_metric_of_the_users_own_has_the_interval_of_the_one_it_equals():
    mae = build("metric", {"use": "mae"}, ("metrics", 0))
    assert ends(Own(), *numbers(200))[1] == pytest.approx(ends(mae, *numbers(200))[1], abs=1e-9)


def test_an_interval_is_as_wide_as_theory_says_also_of_a_part_that_is_only_sampled():
    accuracy = build("metric", {"use": "accuracy"}, ("metrics", 0))
    for rows in (1_000, 40_000):
        score, (low, high) = ends(accuracy, *classes(rows, several=False))
        assert low < score < high
        assert high - low == pytest.approx(2 * 1.96 * (score * (1 - score) / rows) ** 0.5, rel=0.25)


def test_a_metric_that_is_undefined_on_most_resamples_has_no_interval():
    assert intervals.interval([0.5, None, None] * 70) is None
    assert intervals.interval([]) is None


def test_a_difference_on_the_same_rows_is_told_apart_where_the_intervals_overlap():
    mae = build("metric", {"use": "mae"}, ("metrics", 0))
    truth, prediction = numbers(300)
    worse = truth - (truth - prediction["prediction"]) * 1.05
    draws, found = intervals.draw(300), []
    for told in (prediction, pl.DataFrame({"prediction": worse})):
        score = mae.score(truth, told, NO_FEATURES)
        found.append(intervals.resampled(mae, score, draws, truth, told, _features(truth)))
    (low, high), (other_low, _) = (intervals.interval(values) for values in found)
    assert low < other_low < high
    assert intervals.difference(*found)[1] < 0
    assert intervals.difference(found[0], found[0]) == [0.0, 0.0]
