"""How numeric columns vary together, learned by merging.

One row a column: ``column``, ``n`` (rows in which no column is missing), ``mean``, ``comoments`` (list: the sum over
those rows of this column's difference from its mean times that of each column, in the order of the rows). Partitions
are merged by the formula of Chan, Golub and LeVeque (1983). ``merge`` is commutative and has its identity to the last
bit; associative up to rounding (about 1e-15 of the value), so merge in a fixed order where bytes must be equal.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugins.transformers._numbers import number, require_finite

SCHEMA = pl.Schema({"column": pl.String(), "n": pl.Int64(), "mean": pl.Float64(), "comoments": pl.List(pl.Float64())})

_Matrix = NDArray[np.float64]


def summarize(frame: pl.LazyFrame, columns: list[str]) -> pl.DataFrame:
    """Return the moments of the complete rows of a partition; ``DataError`` for a column that has none that are finite."""
    names, schema = sorted(columns), frame.collect_schema()
    if not names:
        return SCHEMA.to_frame()
    rows = frame.select(number(name, schema[name]) for name in names).drop_nulls().collect()
    # One array a column, each summed by one thread: a product of matrices may differ with the number of threads.
    values = [rows[name].rechunk().to_numpy() for name in names]
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.array([column.mean() if len(rows) else 0.0 for column in values])
        centred = np.array([column - mean for column, mean in zip(values, means, strict=True)])
        half = np.zeros((len(names), len(names)))
        for place, column in enumerate(centred):
            half[place, place:] = np.einsum("n,jn->j", column, centred[place:])
    return _frame(names, len(rows), means, half + np.triu(half, 1).T)


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the moments of the rows of both."""
    if not len(a) or not b["n"][0]:
        return a
    if not a["n"][0]:
        return b
    (n_a, mean_a, c_a), (n_b, mean_b, c_b) = moments(a), moments(b)
    n = n_a + n_b
    apart = mean_a - mean_b
    with np.errstate(over="ignore", invalid="ignore"):
        mean = (n_a * mean_a + n_b * mean_b) / n
        joint = c_a + c_b + np.outer(apart, apart) * (n_a * n_b / n)
    return _frame(a["column"].to_list(), n, mean, joint)


def moments(summary: pl.DataFrame) -> tuple[int, _Matrix, _Matrix]:
    """Return the number of rows, the means, and the matrix of comoments, in the order of the summary's columns."""
    n = summary["n"][0] if len(summary) else 0
    return n, summary["mean"].to_numpy(), np.array(summary["comoments"].to_list()).reshape(len(summary), len(summary))


def _frame(names: list[str], n: int, mean: _Matrix, comoments: _Matrix) -> pl.DataFrame:
    found = {"column": names, "n": [n] * len(names), "mean": mean, "comoments": comoments.tolist()}
    summary = pl.DataFrame(found, schema=SCHEMA)
    # A product is finite when the squares of both are: the diagonal tells which column it was.
    squares = summary.select("column", "mean", square=pl.Series(comoments.diagonal()))
    require_finite(squares, "mean", "square")
    return summary
