"""How far a metric would move on other rows: the bootstrap of Efron, with its percentile intervals.

Rows are drawn with replacement as weights, a matrix of resamples and rows, once for all metrics of a part. The seed is
fixed and the weights depend on the number of rows alone, so two models that are measured on the same rows are measured on
the same resamples: their difference, resample by resample, is the paired bootstrap.

At most ``ROWS`` rows are resampled, whatever the size of the part. Of a larger part they are a sample, and the deviations
are scaled by the root of sample to part, the rate at which a mean settles (the m out of n bootstrap of Bickel, Götze and
van Zwet, Statistica Sinica 7, 1997).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.plugin import Metric

RESAMPLES = 200  # enough for the ends of an interval of 95 % to two digits
ROWS = 10_000
_ENDS = (2.5, 97.5)  # percent
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Draws:
    """The rows that are resampled, None for all, how often each counts (resamples, rows), and the scale of deviations."""

    chosen: NDArray[np.int64] | None
    weights: NDArray[np.float64]
    scale: float


def draw(rows: int, *, limit: int = ROWS, seed: int = 0) -> Draws:
    """Return the resamples of so many rows: always the same. The first of them is the rows as they are.

    At most ``limit`` rows are resampled. What is to vary independently of something else takes another ``seed``.
    """
    random = np.random.default_rng(seed)
    kept = min(rows, limit)
    chosen = np.sort(random.permutation(rows)[:kept]) if kept < rows else None
    picked = random.integers(kept, size=(RESAMPLES, kept)) + kept * np.arange(RESAMPLES)[:, None]
    weights = np.bincount(picked.ravel(), minlength=RESAMPLES * kept).reshape(RESAMPLES, kept)
    return Draws(chosen, np.vstack([np.ones(kept), weights]), (kept / rows) ** 0.5)


def resampled(
    metric: Metric, score: float | None, draws: Draws, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame
) -> list[float | None]:
    """Return the metric on each resample, None where it is not defined; nothing without a truth to compare with.

    ``score`` is the metric on all rows, around which resamples of a sample are placed.
    """
    if truth is None or score is None or "clustering" in metric.tasks:
        return []  # drawing a row twice makes clusters denser: distances have no bootstrap of this kind
    if draws.chosen is not None:
        truth, prediction, features = truth[draws.chosen], prediction[draws.chosen], features[draws.chosen]
    found = metric.resampled(truth, prediction, features, draws.weights)
    if found is None:
        found = np.array([_on(metric, weights, truth, prediction, features) for weights in draws.weights])
    around, values = found[0], found[1:]
    placed = score + (values - around) * draws.scale
    return [round(float(value), _DIGITS) if np.isfinite(value) else None for value in placed]


def _on(
    metric: Metric, weights: NDArray[np.float64], truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame
) -> float:
    """Return the metric on one resample, for metrics that know rows only and no weights."""
    rows = np.repeat(np.arange(len(weights)), weights.astype(int))
    score = metric.score(truth[rows], prediction[rows], features[rows])
    return np.nan if score is None else score


def interval(values: list[float | None]) -> list[float] | None:
    """Return the ends of the interval of 95 %; None where the metric is undefined on more than half of the resamples."""
    known = [value for value in values if value is not None]
    if len(known) * 2 <= RESAMPLES:
        return None
    low, high = np.percentile(known, _ENDS)
    return [round(float(low), _DIGITS), round(float(high), _DIGITS)]


def difference(a: list[float | None], b: list[float | None]) -> list[float] | None:
    """Return the interval of 95 % of ``a - b`` for two models on the same resamples; None where too few are known.

    One of them may be empty: a metric that is undefined on the rows has no resamples.
    """
    return interval([x - y if x is not None and y is not None else None for x, y in zip(a, b, strict=False)])
