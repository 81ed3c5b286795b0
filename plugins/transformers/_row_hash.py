"""One number for each row, from its values alone: the same for every process and every partition.

Polars' hash may change with Polars' version, which is part of the code digest: then everything is learned anew.
"""

from functools import reduce
from operator import xor

import polars as pl

from plugins.transformers import _numbers


def row_hash(schema: pl.Schema, columns: list[str], *, seed: int = 0) -> pl.Expr:
    """Return the hash of a row's values in ``columns``, in their order, UInt64.

    Values that are equal have equal hashes whatever the partition: zero has one sign, NaN is missing, and categories
    count as text.
    """
    # A hash a column, joined: several times as fast as the hash of a struct of them.
    hashes = [canonical(name, schema[name]).hash(place + 10_000 * seed) for place, name in enumerate(columns)]
    return reduce(xor, hashes) if hashes else pl.lit(0, pl.UInt64)


def canonical(name: str, source: pl.DataType) -> pl.Expr:
    """Return a column such that values that are equal have equal bytes."""
    column = pl.col(name)
    if source in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    if not source.is_float():
        return column
    column = _numbers.number(name, source)
    return pl.when(column == 0).then(pl.lit(0.0)).otherwise(column).alias(name)
