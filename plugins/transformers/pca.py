"""Many columns as a few that vary most."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, StrictInt, field_validator

from engine.errors import DataError
from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _covariances
from plugins.transformers._numbers import choose_numbers, number

_STATE = pl.Schema({"column": pl.String(), "mean": pl.Float64(), "weights": pl.List(pl.Float64())})


class Pca(FittedTransformer):
    """Replace columns by their principal components: weighted sums that do not correlate, the widest ones first.

    It suits many columns that say much the same. Columns in different units must be scaled before, with
    ``standardize``, or the largest unit rules. Components are ``pca0``, ``pca1`` and so on (Float64). Rows with a missing
    value are not learned from and have missing components: put ``impute`` before. An infinite value in training stops
    the run. It is scikit-learn's ``PCA``; the largest weight of each component is positive, as there. Components whose
    widths differ clearly are equal to its own within 1e-9 of the widest one; those of equal width are not told apart.
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to replace: a list of names, or numeric; all means the numeric ones too.",
    )
    n_components: StrictInt | float = Field(
        default=0.95,
        description="How many components come out: a number, at most that of the columns, or the share of the variance, "
        "above 0 and below 1, that they must explain together.",
    )
    prefix: str = Field(
        default="pca",
        min_length=1,
        description="What the names of components begin with. Give each its own when an encoding has two such steps.",
    )

    @field_validator("n_components")
    @classmethod
    def _is_a_number_or_a_share(cls, value: float) -> float:
        if (isinstance(value, int) and value >= 1) or (isinstance(value, float) and 0 < value < 1):
            return value
        raise ValueError(f"n_components must be 1, 2, 3 ..., or a share such as 0.95, but it is {value}")

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _covariances.summarize(frame, choose_numbers(self.columns, frame.collect_schema(), "pca"))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _covariances.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, its ``mean``, and its ``weights``, one a component."""
        if self.n_components > len(summary) > 0:
            raise DataError(
                f"pca can not make {self.n_components} components of {len(summary)} columns",
                hint="lower n_components, or give the share of the variance to explain, such as 0.95",
            )
        names, (_, mean, comoments) = summary["column"].to_list(), _covariances.moments(summary)
        weights = self._weights(comoments) if names else comoments
        return pl.DataFrame({"column": names, "mean": mean, "weights": weights.tolist()}, schema=_STATE)

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = state["column"].to_list()
        require(columns, schema.names())
        centred = [number(name, schema[name]) - mean for name, mean in zip(columns, state["mean"], strict=True)]
        rows = state["weights"].to_list()
        components = {f"{self.prefix}{place}": weights for place, weights in enumerate(zip(*rows, strict=True))}
        taken = sorted(components.keys() & (set(schema.names()) - set(columns)))
        if taken:
            raise DataError(f"there is a column '{taken[0]}' already", hint="give this step another prefix")
        sums = [
            pl.sum_horizontal((c * weight for c, weight in zip(centred, weights, strict=True)), ignore_nulls=False).alias(name)
            for name, weights in components.items()
        ]
        return frame.select(*(name for name in schema.names() if name not in columns), *sums)

    def _weights(self, comoments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of the components that stay: a row a column, a column a component."""
        from threadpoolctl import threadpool_limits

        # From some hundred columns on, the last digits depend on how many threads there are.
        with threadpool_limits(1, user_api="blas"):
            width, vectors = np.linalg.eigh(comoments)
        width, vectors = np.maximum(width[::-1], 0.0), vectors[:, ::-1]
        kept = int(self.n_components)
        if isinstance(self.n_components, float):
            total = width.sum()
            explained = np.cumsum(width) / total if total > 0 else np.ones(len(width))
            kept = min(int(np.searchsorted(explained, self.n_components, side="right")) + 1, len(width))
        largest = np.abs(vectors).argmax(axis=0)
        signs = np.where(vectors[largest, np.arange(len(width))] < 0, -1.0, 1.0)
        weights: NDArray[np.float64] = (vectors * signs)[:, :kept]
        return weights
