"""Whether probabilities can be believed."""

from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.plugin import Metric, TaskName
from plugins.metrics._classes import classes, probabilities


class ExpectedCalibrationError(Metric):
    """How far probabilities are from the shares that come true, on average: 0 is best, 1 is always sure and wrong.

    Rows are put into bins of as many rows each by their probability; in each the mean probability is compared with the share
    of the class, and the bins are weighted by their rows (Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated
    Probabilities Using Bayesian Binning, AAAI 2015). Of two classes that of the positive one; of several, the mean over all.
    It says nothing of how well classes are told apart, so look at it beside brier; few rows overstate it, and a resample of
    them does so the more. None without probabilities.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    greater_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    bins: int = Field(
        default=10, ge=2, le=1_000, description="How many bins. More show finer deviations, and want some hundred rows each."
    )

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        if truth is None or truth.is_empty():
            return None
        found = self.resampled(truth, prediction, features, np.ones((1, len(truth))))
        return None if found is None else float(found[0])

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        known = classes(truth, prediction)
        shares = probabilities(known, prediction)
        if shares is None:
            return None
        shown = known[-1:] if len(known) == 2 else known
        errors = [self._error((truth == name).to_numpy(), shares[:, known.index(name)], weights) for name in shown]
        found: NDArray[np.float64] = np.mean(errors, axis=0)
        return found

    def _error(
        self, is_true: NDArray[np.bool_], chance: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the error of one class on each resample. Rows of equal probability stay in one bin."""
        order = np.argsort(chance, kind="stable")
        starts = np.flatnonzero(np.diff(chance[order], prepend=-np.inf) != 0)
        rows = np.add.reduceat(weights[:, order], starts, axis=1)
        true = np.add.reduceat(weights[:, order] * is_true[order], starts, axis=1)
        before = np.cumsum(rows, axis=1) - rows
        total = rows.sum(axis=1, keepdims=True)
        place = np.minimum(before * self.bins // total, self.bins - 1).astype(np.int64)
        place += self.bins * np.arange(len(weights))[:, None]
        surplus = np.bincount(place.ravel(), (rows * chance[order][starts] - true).ravel(), self.bins * len(weights))
        found: NDArray[np.float64] = np.abs(surplus.reshape(len(weights), self.bins)).sum(axis=1) / total[:, 0]
        return found
