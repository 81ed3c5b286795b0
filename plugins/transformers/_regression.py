"""Each numeric column from the others, by ridge regression learned by merging.

The slopes are those of ``StandardScaler`` followed by ``Ridge(alpha=1)`` on the rows in which no column is missing
(Hoerl and Kennard 1970, doi 10.1080/00401706.1970.10488634), computed from merged comoments. A summary is that of
``_covariances`` with the mean of all values of each column beside it.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugins.transformers import _covariances, _moments

_OWN = {"n": pl.col("own_n"), "mean": pl.col("own_mean"), "m2": pl.col("own_m2")}
_STATE = pl.Schema({"column": pl.String(), "fill": pl.Float64(), "intercept": pl.Float64(), "slopes": pl.List(pl.Float64())})


def summarize(frame: pl.LazyFrame, columns: list[str]) -> pl.DataFrame:
    """Return what a partition tells; ``DataError`` for a column with infinite values."""
    return _beside(_covariances.summarize(frame, columns), _moments.summarize(frame, columns))


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return what the rows of both tell."""
    joint = _covariances.merge(*(part.select(_covariances.SCHEMA.names()) for part in (a, b)))
    return _beside(joint, _moments.merge(*(part.select("column", **_OWN) for part in (a, b))))


def finish(summary: pl.DataFrame) -> pl.DataFrame:
    """Return ``column``, ``fill`` (the mean of its values), ``intercept``, and ``slopes``, one a column, 0 for itself."""
    n, mean, comoments = _covariances.moments(summary)
    fill = summary["own_mean"].to_numpy()
    slopes = _slopes(n, comoments)
    intercept = (mean if n else fill) - slopes @ mean
    found = {"column": summary["column"], "fill": fill, "intercept": intercept, "slopes": slopes.tolist()}
    return pl.DataFrame(found, schema=_STATE)


def predicted(state: pl.DataFrame, present: list[pl.Expr]) -> list[pl.Expr]:
    """Return what the others say of each column; ``present`` are the columns of the state, missing values as null."""
    known = [column.fill_null(fill) for column, fill in zip(present, state["fill"], strict=True)]
    return [
        pl.sum_horizontal(pl.lit(intercept), *(k * slope for k, slope in zip(known, slopes, strict=True) if slope != 0))
        for intercept, slopes in state.select("intercept", "slopes").iter_rows()
    ]


def _slopes(n: int, comoments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slopes of each column on the others, a row a column.

    One inverse has them all: of the matrix that the regression of one column would solve without that column, row i over
    its diagonal is the slopes of column i, with the other sign (the partial regression of a precision matrix).
    """
    width = np.sqrt(comoments.diagonal())
    scale = np.where(width > 0, width, 1.0)
    correlation = comoments / np.outer(scale, scale)
    precision = _inverse(n * correlation + np.eye(len(width)))
    standard = -precision / precision.diagonal()[:, None]
    np.fill_diagonal(standard, 0.0)
    slopes: NDArray[np.float64] = standard * np.outer(width, 1 / scale)
    return slopes


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    from threadpoolctl import threadpool_limits

    # From some hundred columns on, the last digits depend on how many threads there are.
    with threadpool_limits(1, user_api="blas"):
        return np.linalg.inv(matrix).astype(np.float64)


def _beside(joint: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([joint, own.select(own_n="n", own_mean="mean", own_m2="m2")], how="horizontal")
