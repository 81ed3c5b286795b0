"""Affinity propagation, with its exemplars as rows and with a bound on what it takes."""

from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.plugin import Finding, FitSummary, Model, TaskName
from plugins.models._matrix import matrix_of, refused
from plugins.models._memory import SQUARES, refuse_squares


class Exemplars:
    """What was learned: the encoded exemplars, their places among the training rows, and how the search ended."""

    def __init__(self, centres: NDArray[np.float64], places: NDArray[np.int64], iterations: int, limit: int) -> None:
        self.centres, self.places, self.iterations, self.limit = centres, places, iterations, limit


class AffinityPropagation(Model):
    """Find groups and a typical row of each, its exemplar, without being told how many groups there are.

    All pairs of rows exchange messages until they agree on which rows stand for others (Frey and Dueck, Clustering by
    Passing Messages Between Data Points, Science 315, 2007; the fit is scikit-learn's). Similarity is minus the squared
    Euclidean distance, so features should be standardised. Time and memory grow with the square of the rows: what does not
    fit is refused before memory is taken, and `sample` learns from fewer rows. A row belongs to the nearest exemplar, one
    that was not learned from too.
    """

    task: ClassVar[TaskName] = "clustering"

    damping: float = Field(
        default=0.7, ge=0.5, lt=1, description="How much of a message stays from round to round. Raise it when the fit swings."
    )
    preference: float | None = Field(
        default=None,
        description="How readily a row becomes an exemplar, in units of similarity; the median similarity if null. "
        "Lower gives fewer groups.",
    )
    max_iter: int = Field(default=500, ge=1, description="Rounds of messages at most.")
    convergence_iter: int = Field(default=15, ge=1, description="The fit ends when exemplars stay for that many rounds.")
    sample: int | None = Field(
        default=None,
        ge=2,
        description="Learn from that many rows at most, drawn by lot; the others join the nearest exemplar. All if null.",
    )
    random_state: int = Field(default=0, ge=0, description="The seed of the sample, and of the noise that breaks ties.")

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Exemplars:
        from sklearn.cluster import AffinityPropagation as Propagation

        chosen = self._sample(features.height)
        refuse_squares("affinity propagation", len(chosen), SQUARES["AffinityPropagation"], sample=True)
        matrix = self._matrix(features)[chosen]
        search = Propagation(
            damping=self.damping,
            preference=self.preference,
            max_iter=self.max_iter,
            convergence_iter=self.convergence_iter,
            random_state=self.random_state,
        )
        try:
            search.fit(matrix)
        except ValueError as error:
            raise refused("affinity_propagation can not be estimated from these rows", features, error) from error
        found = np.asarray(search.cluster_centers_indices_, dtype=np.int64)
        return Exemplars(matrix[found], chosen[found], int(search.n_iter_), self.max_iter)

    def predict(self, fitted: Exemplars, features: pl.DataFrame) -> pl.DataFrame:
        from sklearn.metrics import pairwise_distances_argmin

        matrix = self._matrix(features)
        if len(matrix) and len(fitted.centres):
            nearest = pairwise_distances_argmin(matrix, fitted.centres)
        else:
            nearest = np.full(len(matrix), -1)  # noise: no row became an exemplar
        return pl.DataFrame({"prediction": nearest}, schema={"prediction": pl.Int64})

    def summary(self, fitted: Exemplars) -> FitSummary:
        """Return the number of clusters, whether messages converged and after how many rounds, and the exemplars."""
        converged = fitted.iterations < fitted.limit
        facts = {"clusters": len(fitted.places), "converged": converged, "iterations": fitted.iterations}
        swings = Finding(
            "not_converged",
            f"affinity propagation had not converged after {fitted.iterations:,} rounds",
            "raise model.damping towards 1, or model.max_iter",
        )
        return FitSummary(facts, () if converged else (swings,), tuple(fitted.places.tolist()))

    def _matrix(self, features: pl.DataFrame) -> NDArray[np.float64]:
        return matrix_of("affinity_propagation", features, missing=False)

    def _sample(self, rows: int) -> NDArray[np.int64]:
        """Return the places of the rows to learn from, in order."""
        if self.sample is None or self.sample >= rows:
            return np.arange(rows)
        return np.sort(np.random.default_rng(self.random_state).permutation(rows)[: self.sample])
