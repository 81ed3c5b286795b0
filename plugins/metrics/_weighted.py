"""Metrics on many resamples at once, a number for each; ``weights`` say how often each row counts (resamples, rows).

What is undefined on a resample, such as the recall of a class that it lacks, is NaN.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugins.metrics._classes import classes, ratings

Floats = NDArray[np.float64]


def mean(values: Floats, weights: Floats) -> Floats:
    """Return the mean of a value of each row."""
    found: Floats = weights @ values / weights.sum(axis=1)
    return found


def median(values: Floats, weights: Floats) -> Floats:
    """Return the value that half of the weight does not exceed; between two values, their mean."""
    order = np.argsort(values)
    reached = np.cumsum(weights[:, order], axis=1)
    half = reached[:, -1:] / 2
    lower, upper = (reached >= half).argmax(axis=1), (reached > half).argmax(axis=1)
    found: Floats = (values[order][lower] + values[order][upper]) / 2
    return found


def by_class(
    rate: Callable[[Floats, Floats, Floats], Floats], truth: pl.Series, prediction: pl.DataFrame, weights: Floats, *, each: bool
) -> Floats:
    """Return a rating made of right, predicted and true rows of a class: of the positive one, or the mean over ``each``."""
    known = classes(truth, prediction)
    shown = known if each or len(known) != 2 else known[-1:]
    is_true = np.column_stack([(truth == name).to_numpy() for name in shown]).astype(float)
    is_told = np.column_stack([(prediction["prediction"] == name).to_numpy() for name in shown]).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        rated = rate(weights @ (is_true * is_told), weights @ is_told, weights @ is_true)
        defined = np.isfinite(rated)
        found: Floats = np.where(defined, rated, 0.0).sum(axis=1) / defined.sum(axis=1)
    return found


def precision(right: Floats, told: Floats, _true: Floats) -> Floats:
    """Return the share of what is predicted of a class that is of it."""
    return right / told


def recall(right: Floats, _told: Floats, true: Floats) -> Floats:
    """Return the share of a class that is predicted so."""
    return right / true


def f1(right: Floats, told: Floats, true: Floats) -> Floats:
    """Return the harmonic mean of both."""
    return 2 * right / (told + true)


def one_class_against_rest(
    truth: pl.Series, prediction: pl.DataFrame, weights: Floats, area: Callable[[Floats, Floats], Floats]
) -> Floats | None:
    """Return an area of the positive class, or of several classes the mean over those in the truth; None without ratings."""
    known = classes(truth, prediction)
    rated = ratings(known, prediction)
    if rated is None:
        return None
    shown = known[-1:] if len(known) == 2 else [name for name in known if (truth == name).any()]
    areas = [_area((truth == name).to_numpy(), rated[:, known.index(name)], weights, area) for name in shown]
    found: Floats = np.mean(areas, axis=0)
    return found


def _area(positive: NDArray[np.bool_], rating: Floats, weights: Floats, area: Callable[[Floats, Floats], Floats]) -> Floats:
    """Return what ``area`` makes of the weights of positive and other rows at each rating, from the surest down."""
    order = np.argsort(-rating, kind="stable")
    starts = np.flatnonzero(np.diff(rating[order], prepend=np.inf) != 0)
    sorted_weights, is_positive = weights[:, order], positive[order]
    at: list[Any] = [np.add.reduceat(sorted_weights * mask, starts, axis=1) for mask in (is_positive, ~is_positive)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return area(*at)


def roc(positive: Floats, other: Floats) -> Floats:
    """Return the area under the ROC curve: ties count half."""
    before = np.cumsum(positive, axis=1) - positive / 2
    found: Floats = (other * before).sum(axis=1) / (positive.sum(axis=1) * other.sum(axis=1))
    return found


def average_precision(positive: Floats, other: Floats) -> Floats:
    """Return the precision at each rating, weighted by the gain in recall."""
    found, told = np.cumsum(positive, axis=1), np.cumsum(positive + other, axis=1)
    right = np.divide(found, told, out=np.zeros_like(found), where=told > 0)
    result: Floats = (positive * right).sum(axis=1) / found[:, -1]
    return result
