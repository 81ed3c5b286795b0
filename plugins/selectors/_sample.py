"""A bounded sample of rows, learned by merging: for selectors whose estimators can not be merged.

The sample is the different rows of the smallest hashes, each with how often it occurs. A row is in the sample of all
rows only if it is in that of its partition, so merging is exact: the sample of any partitioning is that of the whole,
to the last byte. Rows that are equal are counted, not drawn.
"""

import numpy as np
import polars as pl

from engine.errors import DataError
from engine.plugin import TARGET
from plugins.transformers._row_hash import canonical, row_hash

HASH, COUNT, _ROW = "__hash__", "__count__", "__row__"


def summarize(frame: pl.LazyFrame, sample: int, *, selector: str) -> pl.DataFrame:
    """Return the sample of a partition: features, ``TARGET``, ``HASH`` and ``COUNT``; ``DataError`` without a target."""
    schema = frame.collect_schema()
    if TARGET not in schema:
        raise DataError(f"{selector} needs a target", hint="select by variance, which needs none")
    columns = [*(name for name in schema.names() if name != TARGET), TARGET]
    values = [canonical(name, schema[name]) if name != TARGET else pl.col(name) for name in columns]
    rows = frame.select(*values, row_hash(schema, columns).alias(HASH), pl.lit(1, pl.Int64).alias(COUNT))
    return _smallest(rows.collect(), sample)


def merge(a: pl.DataFrame, b: pl.DataFrame, sample: int) -> pl.DataFrame:
    """Return the sample of the rows of both."""
    return _smallest(pl.concat([a, b]), sample)


def features(summary: pl.DataFrame) -> list[str]:
    """Return the names of the features that were sampled."""
    return [name for name in summary.columns if name not in (TARGET, HASH, COUNT)]


def rows(summary: pl.DataFrame, sample: int) -> pl.DataFrame:
    """Return at most ``sample`` rows with a target, each as often as its count says, all counts scaled if they are more."""
    known = summary.drop_nulls(TARGET)
    if known.is_empty():
        return known.drop(HASH, COUNT)
    reached = known[COUNT].cum_sum().to_numpy()
    total = int(reached[-1])
    repeats = np.diff(reached * min(total, sample) // total, prepend=0)
    return known[np.repeat(np.arange(known.height), repeats)].drop(HASH, COUNT)


def _smallest(rows: pl.DataFrame, sample: int) -> pl.DataFrame:
    """Return the different rows of the smallest hashes, each once with its count, by hash.

    The hashes are looked at by themselves: most rows are not in the sample, and are never moved.
    """
    seen = rows.select(HASH, COUNT).with_row_index(_ROW)
    kept = seen.group_by(HASH).agg(pl.col(_ROW).first(), pl.col(COUNT).sum()).sort(HASH).head(sample)
    return rows[kept[_ROW]].with_columns(kept[COUNT])
