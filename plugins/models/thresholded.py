"""A model of two classes whose threshold is chosen by a metric."""

from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import FitSummary, Metric
from plugins.models._held_out import Wrapped

_CUTS = 200  # thresholds that are tried at most; they are quantiles of the held out rows' ratings


class Cut:
    """A fitted model, the rating from which on a row is of the second class, and both classes in sorted order."""

    def __init__(self, fitted: Any, threshold: float, classes: list[str]) -> None:
        self.fitted, self.threshold, self.classes = fitted, threshold, classes


class Thresholded(Wrapped):
    """Say the positive class from the threshold on that makes a metric best, and not from 0.5 on.

    The model is estimated from a part of the training rows; the threshold is chosen on the rows held out, which the model has
    not seen. Of two classes the last in sorted order is the positive one. Probabilities stay as they are. For classes of
    different shares, and for metrics that depend on the threshold, such as f1, precision and recall.
    """

    metric: Metric = Field(description="The metric that the threshold makes best, by its name: f1, balanced_accuracy, cost.")

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Cut:
        learned, (rows, truth) = self._held_out(features, target)
        fitted = self.model.estimate(*learned)
        prediction = self.model.predict(fitted, rows)
        classes, ratings = self._rated(prediction)
        if len(classes) != 2:
            raise DataError("thresholded needs two classes", found=f"{len(classes)}: {', '.join(classes)[:200]}")
        cuts = np.unique(np.quantile(ratings[:, 1], np.linspace(0, 1, _CUTS), method="nearest"))
        sign = 1 if self.metric.greater_is_better else -1

        def worth(threshold: float) -> float:
            score = self.metric.score(truth, _cut(prediction, ratings[:, 1], threshold, classes), rows)
            return -np.inf if score is None else sign * score

        return Cut(fitted, float(max(cuts, key=worth)), classes)

    def predict(self, fitted: Cut, features: pl.DataFrame) -> pl.DataFrame:
        prediction = self.model.predict(fitted.fitted, features)
        return _cut(prediction, self._rated(prediction)[1][:, 1], fitted.threshold, fitted.classes)

    def summary(self, fitted: Cut) -> FitSummary:
        """Return the threshold, beside what the model itself has to say."""
        inner = super().summary(fitted)
        return FitSummary({**inner.facts, "threshold": round(fitted.threshold, 6)}, inner.findings)


def _cut(prediction: pl.DataFrame, ratings: Any, threshold: float, classes: list[str]) -> pl.DataFrame:
    said = pl.Series("prediction", np.where(ratings >= threshold, classes[1], classes[0]), dtype=pl.String)
    return prediction.with_columns(said)
