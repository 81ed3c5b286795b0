"""Metrics of regression: the target's unit is that of the column that is predicted.

scikit-learn is imported where a metric is computed: a run that computes none needs not wait for it.
"""

import math
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.plugin import Metric, TaskName
from plugins.metrics import _weighted


class Rmse(Metric):
    """The root of the mean squared error, in the target's unit: 0 is best, no upper end.

    Large errors count most; the measure that squared-error models are fitted by.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"regression"})
    greater_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import root_mean_squared_error

        if truth is None or truth.is_empty():
            return None
        return float(root_mean_squared_error(truth.to_numpy(), prediction["prediction"].to_numpy()))

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return np.sqrt(_weighted.mean(_errors(truth, prediction) ** 2, weights))


class Mae(Metric):
    """The mean absolute error, in the target's unit: 0 is best, no upper end.

    Every unit of error counts alike; the easiest to explain.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"regression"})
    greater_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import mean_absolute_error

        if truth is None or truth.is_empty():
            return None
        return float(mean_absolute_error(truth.to_numpy(), prediction["prediction"].to_numpy()))

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.mean(np.abs(_errors(truth, prediction)), weights)


class MedianAbsoluteError(Metric):
    """The absolute error that half of the rows stay below, in the target's unit: 0 is best, no upper end.

    For data with wild rows, which do not move it.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"regression"})
    greater_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import median_absolute_error

        if truth is None or truth.is_empty():
            return None
        return float(median_absolute_error(truth.to_numpy(), prediction["prediction"].to_numpy()))

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.median(np.abs(_errors(truth, prediction)), weights)


class Mape(Metric):
    """The mean of the error as a share of the true value: 0 is best, 0.1 is ten per cent off, no upper end.

    For positive targets of very different size. None where a true value is 0.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"regression"})
    greater_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import mean_absolute_percentage_error

        if truth is None or truth.is_empty() or (truth == 0).any():
            return None
        return float(mean_absolute_percentage_error(truth.to_numpy(), prediction["prediction"].to_numpy()))

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.mean(np.abs(_errors(truth, prediction) / truth.to_numpy()), weights)


class R2(Metric):
    """The share of the target's variance that is explained: 1 is all, 0 is what the mean achieves, below is worse.

    It has no unit, so it compares across targets. None where the truth does not vary.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"regression"})
    bounds: ClassVar[tuple[float, float]] = (-math.inf, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import r2_score

        if truth is None or truth.n_unique() < 2:
            return None
        return float(r2_score(truth.to_numpy(), prediction["prediction"].to_numpy()))

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        known = truth.to_numpy() - truth.to_numpy().mean()
        spread = _weighted.mean(known**2, weights) - _weighted.mean(known, weights) ** 2
        left = _weighted.mean(_errors(truth, prediction) ** 2, weights)
        return 1 - np.divide(left, spread, out=np.full_like(left, np.nan), where=spread > 0)


def _errors(truth: pl.Series, prediction: pl.DataFrame) -> NDArray[np.float64]:
    errors: NDArray[np.float64] = truth.to_numpy() - prediction["prediction"].to_numpy()
    return errors
