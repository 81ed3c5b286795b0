"""Predicts the rows of one part and measures how good the predictions are.

In: the fitted model, all encoded partitions. Out: a Parquet file of predictions, rows in order, with the truth; the
value has the metrics and what is needed to draw them.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from engine.plugin import TARGET, Metric, Model
from engine.registry import name_of
from engine.stages import curves, rows
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
    metrics = {name_of(type(metric)): score(metric, truth, prediction, features) for metric in _metrics(work)}
    table = prediction if truth is None else prediction.with_columns(truth.alias(TARGET))
    return work.keep(table, {"metrics": metrics, "rows": features.height, **_drawings(model, truth, prediction, features)})


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
