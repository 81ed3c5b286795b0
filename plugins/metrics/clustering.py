"""Metrics of clustering. Rows that a model calls noise (cluster -1) are in no cluster, and are not measured.

scikit-learn is imported where a metric is computed: a run that computes none needs not wait for it.
"""

import math
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.plugin import Metric, TaskName


class Silhouette(Metric):
    """How much nearer rows are to their own cluster than to the next, -1 to 1; 0 is clusters that overlap.

    The usual choice without a truth; it likes round clusters. None unless there are 2 clusters at least, and fewer
    clusters than rows. On many rows a sample is measured, always the same.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"clustering"})
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    sample: int = Field(
        default=10_000,
        ge=100,
        description="How many rows are measured at most. The time grows with the square: 10,000 take some seconds.",
    )

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import silhouette_score

        matrix, labels = _clustered(prediction, features)
        if len(labels) > self.sample:
            drawn = np.sort(np.random.RandomState(0).permutation(len(labels))[: self.sample])
            matrix, labels = matrix[drawn], labels[drawn]
        return float(silhouette_score(matrix, labels)) if _measurable(matrix, labels) else None


class DaviesBouldin(Metric):
    """The width of clusters beside their distance, each with the one most like it: 0 is best, no upper end.

    Quick on many rows. None unless there are 2 clusters at least, and fewer clusters than rows.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"clustering"})
    greater_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import davies_bouldin_score

        matrix, labels = _clustered(prediction, features)
        return float(davies_bouldin_score(matrix, labels)) if _measurable(matrix, labels) else None


class CalinskiHarabasz(Metric):
    """The spread between clusters beside the spread within them: larger is better, 0 and up, no upper end.

    Quick on many rows; compares clusterings of the same rows only. None unless there are 2 clusters at least, and
    fewer clusters than rows.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"clustering"})
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import calinski_harabasz_score

        matrix, labels = _clustered(prediction, features)
        return float(calinski_harabasz_score(matrix, labels)) if _measurable(matrix, labels) else None


class AdjustedRand(Metric):
    """The share of pairs of rows that clusters and truth agree on, beyond chance: 1 is all, 0 is chance, -0.5 is least.

    For rows whose groups are known. Rows called noise count as one cluster. None without a truth.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"clustering"})
    bounds: ClassVar[tuple[float, float]] = (-0.5, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import adjusted_rand_score

        if truth is None or truth.is_empty():
            return None
        return float(adjusted_rand_score(truth.to_list(), prediction["prediction"].to_list()))


class NormalizedMutualInformation(Metric):
    """How much clusters tell of the truth and it of them, 0 to 1; many small clusters score somewhat too high.

    For rows whose groups are known, of very different size. Rows called noise count as one cluster. None without a
    truth.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"clustering"})
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        from sklearn.metrics import normalized_mutual_info_score

        if truth is None or truth.is_empty():
            return None
        return float(normalized_mutual_info_score(truth.to_list(), prediction["prediction"].to_list()))


class Clusters(Metric):
    """How many clusters there are, noise left out.

    It tells what a model did, not how well: more is not better. Look at it beside the others.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"clustering"})
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        found = prediction["prediction"].drop_nulls()
        return float(found.filter(found >= 0).n_unique())


def _clustered(prediction: pl.DataFrame, features: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the features and the clusters of the rows that are in one."""
    inside = prediction["prediction"].fill_null(-1) >= 0
    numbers = features.filter(inside).cast(pl.Float64).to_numpy()
    return numbers, prediction["prediction"].filter(inside).to_numpy()


def _measurable(matrix: NDArray[np.float64], labels: NDArray[np.int64]) -> bool:
    clusters = len(np.unique(labels))
    return 2 <= clusters < len(labels) and bool(np.isfinite(matrix).all())
