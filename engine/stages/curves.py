"""Small plain data from which a report draws: confusion, ROC and precision-recall curves, residuals, clusters."""

from __future__ import annotations

from operator import itemgetter
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

_POINTS = 200  # points of a curve; more can not be seen
_DOTS = 1_000  # rows of a scatter plot
_BINS = 40
_ALONG, _FEWEST = 20, 20  # bins along the prediction at most, and rows of each at least
_OFF_BY = (0.5, 0.8, 0.9, 0.95, 0.99)  # shares of the rows
_Z = NormalDist().inv_cdf(0.975)
_DIGITS = 6
_RATINGS = ("probability", "score")  # what a model's columns about a class may be


def classification(truth: pl.Series, prediction: pl.DataFrame) -> dict[str, Any]:
    """Return the confusion matrix (rows: truth, columns: prediction) and, where there are probabilities, the curves.

    Two classes have one curve each, of the class that sorts last; more have one for each class against the rest.
    """
    classes = sorted(set(truth.unique()) | set(prediction["prediction"].unique()))
    pairs = pl.DataFrame({"true": truth, "told": prediction["prediction"]}).group_by("true", "told").len()
    counts = {(true, told): count for true, told, count in pairs.iter_rows()}
    matrix = [[counts.get((true, told), 0) for told in classes] for true in classes]
    rated = {name: column for column in prediction.columns for kind, _, name in [column.partition(":")] if kind in _RATINGS}
    drawn = [name for name in classes if name in rated]
    drawn = drawn[-1:] if len(classes) == 2 else drawn
    roc, pr = [], []
    for name in drawn:
        positive = (truth == name).to_numpy()
        if 0 < positive.sum() < len(positive):
            chance = prediction[rated[name]].to_numpy()
            roc.append({"class": name, **_roc(positive, chance)})
            pr.append({"class": name, **_precision_recall(positive, chance)})
    return {"classes": classes, "confusion": matrix, "roc": roc, "pr": pr}


def _roc(positive: np.ndarray, chance: np.ndarray) -> dict[str, list[float]]:
    from sklearn.metrics import roc_curve

    fpr, tpr, _ = roc_curve(positive, chance)
    return {"fpr": _thin(fpr), "tpr": _thin(tpr)}


def _precision_recall(positive: np.ndarray, chance: np.ndarray) -> dict[str, list[float]]:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(positive, chance)
    return {"recall": _thin(recall), "precision": _thin(precision)}


def regression(truth: pl.Series, prediction: pl.DataFrame) -> dict[str, Any]:
    """Return a histogram of residuals (truth - prediction), their mean along the prediction, and a sample of both.

    ``off_by`` are absolute errors that shares of the rows do not exceed: pairs of share and error.
    """
    guess = prediction["prediction"].to_numpy()
    residuals = truth.to_numpy() - guess
    counts, edges = np.histogram(residuals, bins=_BINS)
    errors = np.quantile(np.abs(residuals), _OFF_BY, method="higher")
    return {
        "residuals": {"edges": _plain(edges), "counts": counts.tolist()},
        "along": _along(guess, residuals),
        "off_by": [list(pair) for pair in zip(_OFF_BY, _plain(errors), strict=True)],
        "scatter": {"truth": _plain(_sample(truth.to_numpy())), "prediction": _plain(_sample(guess))},
    }


def _along(guess: np.ndarray, residuals: np.ndarray) -> list[dict[str, float]]:
    """Return the mean residual, with its interval of 95 %, of rows of about equal prediction, as many rows each."""
    table = pl.DataFrame({"prediction": guess, "residual": residuals})
    half = _Z * pl.std("residual").fill_null(0.0) / pl.len().sqrt()
    count = min(_ALONG, max(1, len(guess) // _FEWEST))
    bins = table.group_by(in_bins("prediction", count).alias("bin")).agg(
        pl.mean("prediction"),
        pl.mean("residual").alias("mean"),
        (pl.mean("residual") - half).alias("low"),
        (pl.mean("residual") + half).alias("high"),
        pl.len().alias("rows"),
    )
    return [{name: round(value, _DIGITS) for name, value in row.items()} for row in bins.sort("bin").drop("bin").to_dicts()]


def in_bins(column: str, bins: int) -> pl.Expr:
    """Return the bin of each row, from 0, of about as many rows each in the order of a column; equal values stay together."""
    return (pl.col(column).rank("min").cast(pl.Int64) - 1) * bins // pl.count(column)


def clusters(cluster: pl.Series, labels: pl.Series | None, features: pl.DataFrame) -> dict[str, Any]:
    """Return each cluster's rows and labels, and a sample of the rows on their first two principal components."""
    from sklearn.decomposition import PCA

    known = labels if labels is not None else pl.Series([None] * len(cluster), dtype=pl.String)
    table = pl.DataFrame({"cluster": cluster, "label": known.cast(pl.String)})
    found = []
    for (number,), own in sorted(table.group_by("cluster"), key=itemgetter(0)):
        counts = own.drop_nulls("label").group_by("label").len().sort("len", "label", descending=[True, False])
        found.append({"cluster": number, "rows": own.height, "labels": dict(counts.iter_rows())})
    matrix = features.to_numpy().astype(float)
    flat = PCA(min(2, matrix.shape[1]), random_state=0).fit_transform(matrix) if len(matrix) > 2 else matrix[:, :2]
    projection = {
        "x": _plain(_sample(flat[:, 0])),
        "y": _plain(_sample(flat[:, -1])),
        "cluster": _sample(cluster.to_numpy()).tolist(),
        "label": _sample(np.array(table["label"].to_list(), dtype=object)).tolist() if labels is not None else None,
    }
    return {"clusters": found, "projection": projection}


def _thin(values: np.ndarray) -> list[float]:
    kept = np.linspace(0, len(values) - 1, min(len(values), _POINTS)).astype(int)
    return _plain(values[kept])


def _sample(values: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = values[np.linspace(0, len(values) - 1, min(len(values), _DOTS)).astype(int)]
    return chosen


def _plain(values: np.ndarray) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]
