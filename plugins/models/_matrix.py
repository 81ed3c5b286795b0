"""The features of rows as the matrix of numbers that libraries of models take, made once for all that look at the rows."""

import threading
import weakref
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.errors import DataError


def matrix_of(name: str, features: pl.DataFrame, *, missing: bool) -> NDArray[np.float64]:
    """Return the features, a row for each row, NaN for what is missing.

    The matrix lives as long as the frame does, is shared by all that ask for it, and can not be written to. ``missing`` says
    whether the model called ``name`` takes missing values. ``DataError`` names the columns that are no numbers, or that lack
    values.
    """
    words = [column for column, dtype in features.schema.items() if not _is_number(dtype)]
    if words:
        raise DataError(
            f"{name} needs numbers",
            expected="numeric or boolean features",
            found=", ".join(f"{column} ({features.schema[column]})" for column in words),
            hint="encode them: {use: one_hot, columns: text}",
        )
    matrix, holes = _made(features)
    if holes and not missing:
        raise DataError(
            f"{name} can not work with missing values",
            found="missing values in " + ", ".join(holes),
            hint="fill them: {use: impute, columns: numeric, with: median}",
        )
    return matrix


_Matrix: TypeAlias = tuple[NDArray[np.float64], list[str]]
"""The numbers of a frame, and the columns that lack some."""


@dataclass(slots=True)
class _Making:
    """A matrix that one thread makes while others wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    made: _Matrix | None = None


_MAKING: dict[int, _Making] = {}
"""By the identity of a frame, for as long as that lives."""

_LOCK = threading.Lock()


def _made(features: pl.DataFrame) -> _Matrix:
    with _LOCK:
        making = _MAKING.get(id(features))
        if making is None:
            making = _MAKING[id(features)] = _Making()
            weakref.finalize(features, _MAKING.pop, id(features), None).atexit = False
    with making.lock:
        if making.made is None:
            numbers = features.cast(pl.Float64).fill_nan(None)
            matrix = numbers.to_numpy(order="c")
            matrix.flags.writeable = False
            making.made = matrix, [column for column in numbers.columns if numbers[column].null_count()]
        return making.made


def refused(what: str, features: pl.DataFrame, error: Exception) -> DataError:
    """Return the error for rows that a library refuses; of values without bounds scikit-learn does not say where they are."""
    if "infinity" not in str(error):
        return DataError(what, found=str(error))
    most = float(np.finfo(np.float32).max)
    largest = features.select(pl.all().cast(pl.Float64).fill_nan(None).abs().max()).row(0, named=True)
    wild = [name for name, size in largest.items() if size is not None and size > most]
    return DataError(
        what,
        expected="numbers that are finite and not too large for it",
        found=f"infinite or very large values in {', '.join(wild)}" if wild else str(error),
        hint="draw them in with {use: winsorize}, or leave such rows out with filter" if wild else "",
    )


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)
