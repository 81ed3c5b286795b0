"""The features of rows as the matrix of numbers that libraries of models take."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.errors import DataError
from engine.plugin import numbers_of


def matrix_of(name: str, features: pl.DataFrame, *, missing: bool) -> NDArray[np.float64]:
    """Return the features, a row for each row, NaN for what is missing.

    It is shared with all that ask for it and can not be written to. ``missing`` says whether the model called ``name`` takes
    missing values. ``DataError`` names the columns that are no numbers, or that lack values.
    """
    words = [column for column, dtype in features.schema.items() if not _is_number(dtype)]
    if words:
        raise DataError(
            f"{name} needs numbers",
            expected="numeric or boolean features",
            found=", ".join(f"{column} ({features.schema[column]})" for column in words),
            hint="encode them: {use: one_hot, columns: text}",
        )
    matrix, holes = numbers_of(features)
    if holes and not missing:
        raise DataError(
            f"{name} can not work with missing values",
            found="missing values in " + ", ".join(holes),
            hint="fill them: {use: impute, columns: numeric, with: median}",
        )
    return matrix


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
