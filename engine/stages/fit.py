"""Says which rows do not fit the columns that a dataset has: for rows whose source has changed its schema."""

from __future__ import annotations

from typing import Any

import polars as pl

from engine.schemas import changes, columns_of, schema_of


def fit(schema: pl.Schema, wanted: list[Any]) -> tuple[pl.Expr, list[tuple[str, pl.Expr]]]:
    """Return why a row does not fit ``wanted``, in words and null if it does, and the casts that make the others fit.

    A new or missing column makes no row fit. Of a retyped one those rows fit whose value is the same in the other type.
    """
    held = schema_of(wanted)
    words: list[pl.Expr] = []
    casts: list[tuple[str, pl.Expr]] = []
    for change in changes(wanted, columns_of(schema)):
        if change.kind != "retyped":
            words.append(pl.lit(change.message))
            continue
        value, dtype = pl.col(change.column), held[change.column]
        other = value.cast(dtype, strict=False)
        # a text that can be read as the type says the same; a number must come back as it was
        same = other.is_not_null() if schema[change.column] == pl.String else other.cast(schema[change.column]) == value
        misfit = value.is_not_null() & same.fill_null(value=False).not_()
        words.append(pl.when(misfit).then(pl.lit(f"{change.column} is {dtype}")).otherwise(pl.lit(None, pl.String)))
        casts.append((change.column, other))
    return pl.coalesce([*words, pl.lit(None, pl.String)]), casts
