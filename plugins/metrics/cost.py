"""What errors cost."""

from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.plugin import Costs, Metric, TaskName
from plugins.metrics import _weighted
from plugins.metrics._classes import classes


class Cost(Metric):
    """The mean of what predictions cost, in the unit of the costs: less is better.

    For errors that are not alike: a miss that costs fifty times a false alarm. `problem.costs` says it once for this metric and
    for whatever else goes by it, such as a threshold.
    """

    tasks: ClassVar[frozenset[TaskName]] = frozenset({"classification"})
    greater_is_better: ClassVar[bool] = False

    costs: Costs = Field(
        default_factory=dict,
        description="What it costs to predict a class where another is true, by the true and then the predicted class: "
        "`{true: {false: 50}}`. What is not named costs 1 where it is wrong, and 0 where it is right. A gain is negative. By "
        "default those of the problem.",
    )

    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        if truth is None or truth.is_empty():
            return None
        return float(self._of_rows(truth, prediction).mean())

    def resampled(
        self, truth: pl.Series, prediction: pl.DataFrame, features: pl.DataFrame, weights: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        return _weighted.mean(self._of_rows(truth, prediction), weights)

    def _of_rows(self, truth: pl.Series, prediction: pl.DataFrame) -> NDArray[np.float64]:
        known = classes(truth, prediction)
        table = 1 - np.eye(len(known))
        for true, line in self.costs.items():
            for told, cost in line.items():
                if {true, told} <= set(known):  # a small part need not have rows of every class
                    table[known.index(true), known.index(told)] = cost
        true_at, told_at = (
            column.replace_strict(known, range(len(known)), return_dtype=pl.Int64).to_numpy()
            for column in (truth, prediction["prediction"])
        )
        found: NDArray[np.float64] = table[true_at, told_at]
        return found
