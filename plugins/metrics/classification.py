"""Metrics of classification. Where there are two classes, the last in sorted order is the positive one.

scikit-learn is imported where a metric is computed: a run that computes none needs not wait for it.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.plugin import Metric, TaskName
from plugins.metrics import _weighted
from plugins.metrics._classes import classes, one_class_against_rest, places, probabilities


class Accuracy(Metric):
    """The share of rows whose class is predicted right, 0 to 1.

    Easy to explain, and misleading where one class is rare: always saying the common class scores its share.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        if truth is None or truth.is_empty():
            return None
        return float((truth == prediction["prediction"]).to_numpy().mean())

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.mean((truth == prediction["prediction"]).to_numpy().astype(float), weights)


class BalancedAccuracy(Metric):
    """The share of rows predicted right within each class of the truth, averaged over the classes, 0 to 1.

    Accuracy for rare classes: guessing scores 1 divided by the number of classes, whatever their shares.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        if truth is None or truth.is_empty():
            return None
        right = (truth == prediction["prediction"]).alias("right").cast(pl.Float64)
        shares = pl.DataFrame([truth.alias("class"), right]).group_by("class", maintain_order=True).agg(pl.mean("right"))
        return float(shares.select(pl.mean("right")).item())

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.by_class(_weighted.recall, truth, prediction, weights, each=True)


class Precision(Metric):
    """Of the rows predicted positive, the share that is, 0 to 1; of several classes, the mean over them.

    For when a false alarm is dear. None where no row is predicted positive.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import precision_score

        return _of_positive_or_mean(precision_score, truth, prediction)

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.by_class(_weighted.precision, truth, prediction, weights, each=False)


class Recall(Metric):
    """Of the rows that are positive, the share predicted so, 0 to 1; of several classes, the mean over them.

    For when a miss is dear. None where no row is positive.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import recall_score

        return _of_positive_or_mean(recall_score, truth, prediction)

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.by_class(_weighted.recall, truth, prediction, weights, each=False)


class F1(Metric):
    """The harmonic mean of precision and recall, 0 to 1; of several classes, the mean over them.

    For a rare positive class when misses and false alarms count alike, at the model's own threshold. None where no
    row is positive or predicted so.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import f1_score

        return _of_positive_or_mean(f1_score, truth, prediction)

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.by_class(_weighted.f1, truth, prediction, weights, each=False)


class RocAuc(Metric):
    """How often a positive row has a higher probability than a negative one: 0.5 is guessing, 1 is always.

    It judges the order of rows, whatever the threshold, and does not change with the share of classes. Of several
    classes, each against the rest, the mean over those in the truth. None without probabilities or with one class.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import roc_auc_score

        return None if truth is None else one_class_against_rest(truth, prediction, roc_auc_score)

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.one_class_against_rest(truth, prediction, weights, _weighted.roc)


class AveragePrecision(Metric):
    """The precision averaged over all thresholds, weighted by the gain in recall, 0 to 1.

    Stricter than the ROC area where positives are rare: guessing scores their share. Of several classes, each against
    the rest, the mean over those in the truth. None without probabilities or with one class.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import average_precision_score

        return None if truth is None else one_class_against_rest(truth, prediction, average_precision_score)

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.one_class_against_rest(truth, prediction, weights, _weighted.average_precision)


class _MeanLoss(Metric):
    """The mean of a loss of each row."""

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    greater_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    @abstractmethod
    def losses(self, truth: pl.Series, prediction: pl.DataFrame) -> NDArray[np.float64] | None:
        """Return the loss of each row, None without probabilities."""

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        if truth is None or truth.is_empty():
            return None
        losses = self.losses(truth, prediction)
        return None if losses is None else float(losses.mean())

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        losses = self.losses(truth, prediction)
        return None if losses is None else _weighted.mean(losses, weights)


class LogLoss(_MeanLoss):
    """The mean of minus the logarithm of the true class's probability, in nats: 0 is certain and right, no upper end.

    Judges the probabilities themselves, and punishes being sure and wrong the hardest: a probability of 0 counts as
    2e-16. None without probabilities.
    """

    def losses(self, truth: pl.Series, prediction: pl.DataFrame) -> NDArray[np.float64] | None:
        return _log_losses(truth, prediction)


class Brier(_MeanLoss):
    """The mean squared difference between probability and truth: 0 is best, 1 is certain and wrong.

    Judges the probabilities like log loss, but gently. Of two classes that of the positive one; of several, half the
    sum over all classes, which is the same for two. None without probabilities.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def losses(self, truth: pl.Series, prediction: pl.DataFrame) -> NDArray[np.float64] | None:
        return _squares(truth, prediction)


def _log_losses(truth: pl.Series, prediction: pl.DataFrame) -> NDArray[np.float64] | None:
    """Return minus the logarithm of the true class's probability in each row; None without probabilities."""
    known = classes(truth, prediction)
    shares = probabilities(known, prediction)
    if shares is None:
        return None
    smallest = float(np.finfo(np.float64).eps)
    losses: NDArray[np.float64] = -np.log(np.clip(shares[_places(truth, known)], smallest, 1.0))
    return losses


def _squares(truth: pl.Series, prediction: pl.DataFrame) -> NDArray[np.float64] | None:
    """Return half the squared difference of probabilities and truth in each row; None without probabilities."""
    known = classes(truth, prediction)
    shares = probabilities(known, prediction)
    if shares is None:
        return None
    right = np.zeros_like(shares)
    right[_places(truth, known)] = 1.0
    squares: NDArray[np.float64] = ((shares - right) ** 2).sum(axis=1) / 2
    return squares


def _places(truth: pl.Series, known: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the true class of each row is in a matrix of rows and classes."""
    return np.arange(len(truth)), places(truth, known)


def _of_positive_or_mean(rate: Callable[..., Any], truth: pl.Series | None, prediction: pl.DataFrame) -> float | None:
    """Return a rating of the positive class, or the mean over several; None where it divides by nothing."""
    if truth is None or truth.is_empty() or len(known := classes(truth, prediction)) < 2:
        return None
    how = {"average": "binary", "pos_label": 1} if len(known) == 2 else {"average": "macro"}
    found = float(rate(places(truth, known), places(prediction["prediction"], known), zero_division=math.nan, **how))
    return None if math.isnan(found) else found
