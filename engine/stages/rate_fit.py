"""Rates a model that was fitted on some of the training rows: on those, and on the rows of another part.

In: the fitted model, all encoded partitions. Out: a plain value: the number of training rows, the metric on them and on the
part, with its interval and the metric on each resample.
"""

from __future__ import annotations

from engine.plugin import Metric, Model
from engine.stages import intervals, rows
from engine.stages.evaluate import score
from engine.stages.work import Work, explained, split
from engine.stores import models
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Rate the model."""
    model: Model = work.plugin("model", "model")
    metric: Metric = work.plugin("metric", "metric")
    (stored,), encoded = split(work.inputs, 1)
    fitted = models.load(work.store.path(stored))
    learned, answers = rows.nested(*rows.of_part(work, encoded, "train"), work.params["size"])
    features, truth = rows.of_part(work, encoded, work.params["part"])
    with explained(f"the model {work.params['model']['use']} can not predict"):
        own, other = model.predict(fitted, learned), model.predict(fitted, features)
    value = score(metric, truth, other, features)
    resamples = intervals.resampled(metric, value, intervals.draw(features.height), truth, other, features)
    return work.store.value(
        {
            "rows": learned.height,
            "train": score(metric, answers, own, learned),
            "value": value,
            "interval": intervals.interval(resamples),
            "resamples": resamples,
        }
    )
