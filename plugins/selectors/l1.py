"""Features that a penalised linear model needs."""

from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.plugin import TARGET, Selector
from plugins.selectors import _sample

_ZERO = 1e-5  # below this a coefficient is 0: the bound of scikit-learn's SelectFromModel for such models


class L1(Selector):
    """Keep the features whose coefficient is not 0 in a linear model with an L1 penalty: Lasso, or logistic regression.

    The penalty makes coefficients of weak features exactly 0, and of features that say the same mostly all but one.
    Features, and a target that is a number, are standardised before, so coefficients compare; the score is their size,
    for several classes the largest of one model a class against the rest. Missing and infinite values count as the
    mean. It is estimated from a bounded sample, the different rows of the smallest hashes: the same ones each time.
    Where nothing can be learned, from no rows or one class, all features stay.
    """

    measure: ClassVar[str] = "coefficient"
    decides: ClassVar[bool] = True

    alpha: float = Field(
        default=0.01,
        gt=0,
        description="The weight of the penalty beside the mean loss of a row: scikit-learn's alpha of Lasso, and "
        "1 / (C x rows) of logistic regression. Larger leaves fewer features.",
    )
    sample: int = Field(
        default=20_000,
        ge=100,
        description="How many different rows the model is estimated from at most. More give steadier choices and take longer.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _sample.summarize(frame, self.sample, selector="l1")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _sample.merge(a, b, self.sample)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        names = _sample.features(summary)
        rows = _sample.rows(summary, self.sample)
        learned = bool(names) and rows[TARGET].n_unique() > 1
        scores = self._coefficients(rows, names) if learned else [0.0] * len(names)
        kept = [score > _ZERO or not learned for score in scores]
        words = [f"coefficient {score:.4g}" if score > _ZERO else "the penalty makes its coefficient 0" for score in scores]
        return pl.DataFrame(
            {
                "column": names,
                "score": scores,
                "kept": kept,
                "reason": words if learned else ["nothing to learn from"] * len(names),
            },
            schema={"column": pl.String, "score": pl.Float64, "kept": pl.Boolean, "reason": pl.String},
        )

    def _coefficients(self, rows: pl.DataFrame, names: list[str]) -> list[float]:
        from sklearn.linear_model import Lasso, LogisticRegression

        matrix = np.column_stack([_standardised(rows[name]) for name in names])
        if rows.schema[TARGET].is_numeric():
            model = Lasso(alpha=self.alpha, max_iter=10_000).fit(matrix, _standardised(rows[TARGET]))
            return [float(size) for size in np.abs(model.coef_)]
        classes = rows[TARGET].unique().sort().to_list()
        sizes = np.zeros(len(names))
        for label in classes[1:] if len(classes) == 2 else classes:
            model = LogisticRegression(
                C=1 / (self.alpha * len(matrix)), l1_ratio=1, solver="liblinear", max_iter=10_000, random_state=0
            )
            model.fit(matrix, (rows[TARGET] == label).to_numpy())
            sizes = np.maximum(sizes, np.abs(model.coef_[0]))
        return [float(size) for size in sizes]


def _standardised(column: pl.Series) -> NDArray[np.float64]:
    """Return numbers with mean 0 and standard deviation 1, all 0 where they are constant, 0 where one is missing."""
    values = column.cast(pl.Float64).to_numpy().astype(np.float64)
    known = np.isfinite(values)
    if not known.any():
        return np.zeros_like(values)
    largest = max(1.0, np.abs(values[known]).max())  # squares of the largest numbers are none
    values = np.where(known, values / largest - (values[known] / largest).mean(), 0.0)
    spread = values[known].std()
    return values / spread if spread > 1e-12 * (1 / largest + np.abs(values).max()) else np.zeros_like(values)
