"""Keys of rows: the values of some columns together."""

from collections.abc import Sequence

import polars as pl


def complete(frame: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Return the columns of the rows that have a value in each of them."""
    return frame.select(columns).drop_nulls()


def listed(columns: Sequence[str]) -> str:
    """Return names as people list them."""
    *others, last = columns
    return f"{', '.join(others)} and {last}" if others else last


def counted(count: int) -> str:
    """Return a number of rows in words."""
    return "1 row" if count == 1 else f"{count:,} rows"
