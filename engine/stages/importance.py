"""Measures what each feature is worth to a model: how much the metric falls when the feature's values are shuffled.

In: the fitted model, all encoded partitions. Out: a plain list of features with mean and standard deviation of the fall,
the most important first. Permutation importance after Breiman, Random Forests, Machine Learning 45 (2001).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.plugin import Metric, Model
from engine.stages import rows
from engine.stages.evaluate import score
from engine.stages.work import Work, split
from engine.stores import models
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Rate the features on at most ``sample`` rows of a part, ``repeats`` shuffles each."""
    model: Model = work.plugin("model", "model")
    metric: Metric = work.plugin("metric", "metric")
    (fitted,), encoded = split(work.inputs, 1)
    features, truth = rows.of_part(work, encoded, work.params["part"])
    chosen = np.sort(np.random.default_rng(0).permutation(features.height)[: work.params["sample"]])
    features, truth = features[chosen], None if truth is None else truth[chosen]
    estimator = models.load(work.store.path(fitted))
    base = score(metric, truth, model.predict(estimator, features), features)
    if base is None:
        return work.store.value([])
    sign = 1 if metric.greater_is_better else -1

    def fall(column: str, seed: int) -> float:
        shuffled = features.with_columns(features[column].shuffle(seed=seed))
        number = score(metric, truth, model.predict(estimator, shuffled), shuffled)
        return sign * (base - number) if number is not None else 0.0

    table = [_rating(column, [fall(column, seed) for seed in range(work.params["repeats"])]) for column in features.columns]
    return work.store.value(sorted(table, key=lambda entry: (-entry["mean"], entry["feature"])))


def _rating(column: str, falls: list[float]) -> dict[str, Any]:
    return {"feature": column, "mean": round(float(np.mean(falls)), 6), "std": round(float(np.std(falls)), 6)}
