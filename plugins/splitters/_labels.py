"""Several labels a row, in the same mixture in every part."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugins.splitters._shares import shuffled


def labels_of(columns: pl.DataFrame) -> NDArray[np.bool_]:
    """Return for each row which labels it has: of booleans whether it is true, of other columns each value is a label."""
    found = [
        columns[name].fill_null(value=False).to_numpy()
        if columns[name].dtype == pl.Boolean
        else columns[name].eq_missing(value).to_numpy()
        for name in columns.columns
        for value in ([None] if columns[name].dtype == pl.Boolean else columns[name].unique().sort().to_list())
    ]
    return np.column_stack(found) if found else np.zeros((columns.height, 0), dtype=np.bool_)


def iterative(labels: NDArray[np.bool_], shares: Sequence[float], seed: int) -> list[int]:
    """Return for each row the number of its part: each label is spread over the parts by their shares, the rarest first.

    Source: Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data (2011), algorithm 1. A row goes to
    the part that lacks most rows of its rarest label, then most rows at all; the first such part, of rows in an order by lot.
    """
    rows, count = labels.shape
    lacking = np.array([share * rows for share in shares])
    wanted = np.outer(shares, labels.sum(axis=0))
    order = shuffled(rows, seed).to_numpy()
    labels = labels[order]
    left = np.ones(rows, dtype=np.bool_)
    chosen = np.zeros(rows, dtype=np.int64)
    remaining = labels.sum(axis=0)
    while remaining.any():
        label = int(np.where(remaining > 0, remaining, rows + 1).argmin())
        for row in np.flatnonzero(labels[:, label] & left).tolist():
            _place(row, int(np.lexsort((-lacking, -wanted[:, label]))[0]), chosen, left, lacking)
            wanted[chosen[row]] -= labels[row]
        remaining = labels[left].sum(axis=0) if count else remaining
    for row in np.flatnonzero(left).tolist():  # which have no label
        _place(row, int(lacking.argmax()), chosen, left, lacking)
    found = np.empty(rows, dtype=np.int64)
    found[order] = chosen
    return [int(part) for part in found]


def _place(row: int, part: int, chosen: NDArray[np.int64], left: NDArray[np.bool_], lacking: NDArray[np.float64]) -> None:
    chosen[row], left[row] = part, False
    lacking[part] -= 1
