"""Cuts the rows of a part into slices by the values of a column.

A text, a boolean or a number of few values has a slice for each of its values; what is beyond the most frequent is one slice,
the others. A number or a time of many values is cut into ranges of about as many rows each. Missing values are a slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.errors import DataError
from engine.stages.curves import in_bins

LEVELS = 20  # values of a column that are told apart
RANGES = 4


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows of a part: the column, the value or the range in words, what it is, and the places of its rows."""

    column: str
    name: str
    kind: Literal["value", "range", "others", "missing"]
    places: NDArray[np.int64]


def slices_of(column: pl.Series) -> list[Slice]:
    """Return the slices of a column, each row in one: values from the most frequent on, ranges and few numbers in order.

    Raises ``DataError`` for a type that has no values in this sense, such as lists.
    """
    ordered = column.dtype.is_numeric() or column.dtype.is_temporal()
    if not ordered and column.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Boolean):
        raise DataError(
            f"rows can not be sliced by the column '{column.name}'",
            where="slices",
            expected="text, booleans, numbers or times",
            found=str(column.dtype),
            hint="derive a column of those from it under view.features",
        )
    if column.dtype.is_float():
        column = column.fill_nan(None)
    found = _ranges(column) if ordered and column.drop_nulls().n_unique() > LEVELS else _levels(column, in_order=ordered)
    missing = np.flatnonzero(column.is_null().to_numpy())
    return [*found, Slice(column.name, "missing", "missing", missing)] if len(missing) else found


def _levels(column: pl.Series, *, in_order: bool) -> list[Slice]:
    table = pl.DataFrame({"value": column, "place": np.arange(len(column), dtype=np.int64)}).drop_nulls("value")
    groups = table.group_by("value").agg("place", pl.len().alias("rows"))
    by = pl.col("value") if column.dtype not in (pl.Categorical, pl.Enum) else pl.col("value").cast(pl.String)
    groups = groups.sort(by if in_order else -pl.col("rows").cast(pl.Int64), by)
    rest = groups[LEVELS:] if groups.height > LEVELS + 1 else groups.clear()
    told = groups[: groups.height - rest.height]
    found = [
        Slice(column.name, name, "value", places.to_numpy())
        for name, places in zip(told["value"].cast(pl.String), told["place"], strict=True)
    ]
    if rest.is_empty():
        return found
    return [*found, Slice(column.name, f"{rest.height:,} others", "others", rest["place"].explode().sort().to_numpy())]


def _ranges(column: pl.Series) -> list[Slice]:
    places = np.flatnonzero(column.is_not_null().to_numpy())
    known = column.drop_nulls()
    number = known.to_frame("value").select(in_bins("value", RANGES)).to_series().to_numpy()
    found = []
    for at in np.unique(number):
        own = known.filter(number == at)
        name = f"{_text(own.min())} to {_text(own.max())}"
        found.append(Slice(column.name, name, "range", places[number == at]))
    return found


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
