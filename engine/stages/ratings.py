"""What a report draws of how sure a model is: whether its probabilities can be believed, and what each threshold would do.

Plain data, as in ``curves``. Of two classes the last in sorted order is the positive one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.stages.curves import in_bins

_BINS = 10
_STEPS = 60  # thresholds evenly over the ratings, and as many again over the rows
_DIGITS = 6
_Z = NormalDist().inv_cdf(0.975)


def calibration(truth: pl.Series, prediction: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the reliability diagram of each class that has probabilities, of two classes that of the positive one.

    ``bins`` hold as many rows each as equal probabilities allow: the mean probability, the share that is of the class with
    its Wilson interval of 95 % (Wilson, Journal of the American Statistical Association 22, 1927), rows, and the ends.
    ``error`` is the expected calibration error, ``brier`` the mean squared difference of probability and truth.
    """
    rated = _rated(prediction, "probability")
    names = list(rated)[-1:] if len(rated) == 2 else list(rated)
    return [
        {"class": name, **_reliability((truth == name).to_numpy(), prediction[rated[name]].to_numpy())}
        for name in names
        if len(truth)
    ]


def _reliability(positive: NDArray[np.bool_], chance: NDArray[np.float64]) -> dict[str, Any]:
    table = pl.DataFrame({"chance": chance, "positive": positive})
    bins = table.group_by(in_bins("chance", _BINS).alias("bin")).agg(
        pl.mean("chance").alias("mean"),
        pl.mean("positive").alias("share"),
        pl.len().alias("rows"),
        pl.min("chance").alias("from"),
        pl.max("chance").alias("to"),
    )
    found = [{**row, **_wilson(row["share"], row["rows"])} for row in bins.sort("bin").drop("bin").iter_rows(named=True)]
    error = sum(one["rows"] * abs(one["mean"] - one["share"]) for one in found) / len(chance)
    brier = float(np.mean((chance - positive) ** 2))
    return {
        "error": round(error, _DIGITS),
        "brier": round(brier, _DIGITS),
        "bins": [{name: round(value, _DIGITS) for name, value in one.items()} for one in found],
    }


def _wilson(share: float, rows: int) -> dict[str, float]:
    scale = 1 / (1 + _Z**2 / rows)
    middle = scale * (share + _Z**2 / (2 * rows))
    half = scale * _Z * (share * (1 - share) / rows + _Z**2 / (4 * rows**2)) ** 0.5
    return {"low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def thresholds(
    truth: pl.Series, prediction: pl.DataFrame, said: Sequence[float], cost: Callable[[str, str], float | None] | None
) -> dict[str, Any] | None:
    """Return what each threshold would do, for two classes that are rated: rows from it on are said to be positive.

    ``at`` are the thresholds; ``precision`` (None where nothing is said positive), ``recall``, ``f1`` and ``positive``, the
    share that is said positive, are lists beside it, and so is ``cost``, the mean of a row, where a true and a predicted class
    have one. ``used`` is the threshold that the predictions were made with: the first of ``said`` and the middle that agrees
    with them, else the least rating of a positive; None where ratings and predictions are not a matter of a threshold.
    """
    kind = next((kind for kind in ("probability", "score") if len(_rated(prediction, kind)) == 2), None)
    if kind is None or truth.n_unique() < 2:
        return None
    negative, positive = sorted(_rated(prediction, kind))
    if not (truth == positive).any():
        return None
    rating = prediction[f"{kind}:{positive}"].to_numpy()
    even = np.linspace(rating.min(), rating.max(), _STEPS)
    at = np.unique(np.concatenate([even, np.quantile(rating, np.linspace(0, 1, _STEPS), method="nearest")]))
    above = {name: _from_on(rating[(truth == name).to_numpy()], at) for name in truth.unique(maintain_order=True)}
    right, told = above[positive], np.sum(list(above.values()), axis=0)
    count = int((truth == positive).sum())
    precision = np.divide(right, told, out=np.full(len(at), np.nan), where=told > 0)
    found = {
        "class": positive,
        "rating": kind,
        "used": _used(
            rating, (prediction["prediction"] == positive).to_numpy(), [*said, 0.5 if kind == "probability" else 0.0]
        ),
        "at": _plain(at),
        "precision": _plain(precision),
        "recall": _plain(right / count),
        "f1": _plain(2 * right / (told + count)),
        "positive": _plain(told / len(rating)),
    }
    if cost is not None:
        paid = np.zeros(len(at))
        for name, more in above.items():
            if_positive, if_negative = cost(name, positive) or 0.0, cost(name, negative) or 0.0
            paid += more * if_positive + ((truth == name).sum() - more) * if_negative
        found["cost"] = _plain(paid / len(truth))
    return found


def _from_on(rating: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many of some ratings each threshold says positive."""
    found: NDArray[np.int64] = len(rating) - np.searchsorted(np.sort(rating), at)
    return found


def _used(rating: NDArray[np.float64], positive: NDArray[np.bool_], said: Sequence[float]) -> float | None:
    """Return the threshold between the ratings of those said negative and those said positive."""
    above = float(rating[~positive].max(initial=-np.inf))
    least = float(rating[positive].min(initial=np.inf))
    if above > least:
        return None
    agrees = next((one for one in said if above <= one <= least), None)
    return agrees if agrees is not None else round(least, _DIGITS) if np.isfinite(least) else None


def _rated(prediction: pl.DataFrame, wanted: str) -> dict[str, str]:
    """Return the columns of probabilities or scores by their class."""
    parts = [(column.partition(":"), column) for column in prediction.columns]
    return {name: column for (kind, mark, name), column in parts if kind == wanted and mark}


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [round(float(value), _DIGITS) if np.isfinite(value) else None for value in values]
