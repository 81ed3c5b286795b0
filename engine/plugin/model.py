"""Plugins that learn to answer, and that say how good answers are."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BeforeValidator

from engine.plugin.base import Finding, Plugin
from engine.plugin.columns import TaskName


def _by_class(node: object) -> object:
    """Return a mapping whose keys are classes as they are in a target: text, also where YAML reads true or 1."""
    if not isinstance(node, dict):
        return node
    return {str(key).lower() if isinstance(key, bool) else str(key): _by_class(value) for key, value in node.items()}


Costs: TypeAlias = Annotated[dict[str, dict[str, float]], BeforeValidator(_by_class)]
"""What predictions cost, by the true and then the predicted class."""


@dataclass(frozen=True, slots=True)
class FitSummary:
    """What a model has to say of its fit; the report shows it.

    ``facts`` are plain words and numbers by name. ``exemplars`` has the place of a typical row for each cluster, from 0,
    among the rows that the model was estimated from: the first is of the cluster 0.
    """

    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    exemplars: tuple[int, ...] = ()


class Model(Plugin):
    """An algorithm that is estimated from rows and then predicts."""

    kind: ClassVar[str] = "model"
    task: ClassVar[TaskName]

    @abstractmethod
    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Any:
        """Return the fitted model: the same input and parameters give the same one.

        Features are numeric; the target is text for classes, Float64 for regression, None for clustering.
        """

    @abstractmethod
    def predict(self, fitted: Any, features: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each row: ``prediction``, and probabilities where the model can say them.

        Predictions are text for classes, Float64 for regression, Int64 for clusters; probabilities are columns
        ``probability:<class>`` (Float64, 0 to 1), one for each class in sorted order. A classifier that only ranks gives
        ``score:<class>`` instead (Float64, larger is surer).
        """

    def importance(self, fitted: Any) -> pl.Series | None:
        """Return the model's own rating of its features in their order, or None. Permutation works for all."""
        return None

    def update(self, fitted: Any, features: pl.DataFrame, target: pl.Series | None) -> Any:
        """Return a new fitted model that has learned from more rows too, or None if the model can only begin anew.

        ``fitted`` stays as it was; the columns are those that it was estimated from. Raises ``DataError`` for rows that it
        can not take in, such as those of a class that it has never seen.
        """
        return None

    def summary(self, fitted: Any) -> FitSummary:
        """Return what there is to say of the fit: whether it converged, how many clusters it found."""
        return FitSummary()


class Metric(Plugin):
    """A number that says how good predictions are."""

    kind: ClassVar[str] = "metric"
    tasks: ClassVar[frozenset[TaskName]]
    greater_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)  # the least and the greatest that it can be

    @abstractmethod
    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        """Return the number, or None where it is not defined (one class only, no probabilities, one cluster).

        ``truth`` and ``prediction`` are as in ``Model``; ``features`` are the encoded features of the same rows, for
        metrics that look at distances.
        """

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return the number on many resamples at once, NaN where it is not defined; the default, None, has ``score`` called.

        ``weights`` has a line a resample and a column a row: how often the row was drawn. Intervals are made of it. A metric
        goes without where two hundred calls of ``score`` on 10,000 rows are quick enough.
        """
        return None
