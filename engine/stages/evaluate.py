"""Predicts the rows of one part and measures how good the predictions are.

In: the fitted model, all encoded partitions. Out: a Parquet file of predictions, rows in order, with the truth; the
value has the metrics with their intervals, the first of them on each resample, and what is needed to draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from engine.plugin import TARGET, Metric, Model
from engine.registry import name_of
from engine.stages import curves, intervals, ratings, rows
from engine.stages.work import Work, explained, split
from engine.stores import models
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Evaluate one part."""
    model: Model = work.plugin("model", "model")
    (fitted,), encoded = split(work.inputs, 1)
    features, truth = rows.of_part(work, encoded, work.params["part"])
    with explained(f"the model {work.params['model']['use']} can not predict"):
        prediction = model.predict(models.load(work.store.path(fitted)), features)
    metrics = _metrics(work)
    measured = measure(metrics, truth, prediction, features)
    table = prediction if truth is None else prediction.with_columns(truth.alias(TARGET))
    drawn = _drawings(model, truth, prediction, features)
    if truth is not None and model.task == "classification":
        drawn |= _ratings(fitted, truth, prediction, features, metrics)
    return work.keep(table, {**measured, "rows": features.height, **drawn})


def measure(
    metrics: Sequence[Metric], truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame
) -> dict[str, Any]:
    """Return the metrics, the interval of each that has one, and the first metric on each resample."""
    draws = intervals.draw(features.height)
    found: dict[str, Any] = {"metrics": {}, "intervals": {}, "resamples": []}
    for number, metric in enumerate(metrics):
        name = name_of(type(metric))
        value = found["metrics"][name] = score(metric, truth, prediction, features)
        with explained(f"the interval of the metric {name} can not be computed"):
            values = intervals.resampled(metric, value, draws, truth, prediction, features)
        if (ends := intervals.interval(values)) is not None:
            found["intervals"][name] = ends
        if number == 0:
            found["resamples"] = values
    return found


def _metrics(work: Work) -> list[Metric]:
    return [metric for metric in work.plugins("metric", "metrics") if isinstance(metric, Metric)]


def score(metric: Metric, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
    """Return a metric's number, None where it is not defined or not finite."""
    with explained(f"the metric {name_of(type(metric))} can not be computed"):
        number = metric.score(truth, prediction, features)
    return float(number) if number is not None and abs(number) < float("inf") else None


def _drawings(model: Model, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> dict[str, Any]:
    if model.task == "clustering":
        return curves.clusters(prediction["prediction"], truth, features)
    if truth is None:
        return {}
    return curves.regression(truth, prediction) if model.task == "regression" else curves.classification(truth, prediction)


def _ratings(
    fitted: Artifact, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, metrics: Sequence[Metric]
) -> dict[str, Any]:
    """Return what is drawn of probabilities and scores; a model that chose its threshold says so among its facts."""
    threshold = fitted.data()["fit"]["facts"].get("threshold")
    costs = next((metric for metric in metrics if name_of(type(metric)) == "cost"), None)

    def cost(true: str, told: str) -> float | None:
        """Return what one row costs: a mean over rows is made of those."""
        assert costs is not None
        return score(costs, pl.Series([true]), pl.DataFrame({"prediction": [told]}), features.head(1))

    with explained("the curves of probabilities can not be computed"):
        return {
            "calibration": ratings.calibration(truth, prediction),
            "thresholds": ratings.thresholds(
                truth, prediction, [] if threshold is None else [threshold], cost if costs else None
            ),
        }
