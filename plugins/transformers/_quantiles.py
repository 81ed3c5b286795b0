"""The distribution of numeric columns, learned by merging: exact while small, within 0.1 % beyond.

A summary has a row a value: ``column``, ``value``, ``bucket``, ``count``. Up to ``LIMIT`` different values a column
are counted exactly, and quantiles are those of NumPy. Beyond, the values of that column collapse into logarithmic
buckets, so that each value is known within 0.1 % of itself and a column needs some thousand rows whatever its length
(DDSketch: Masson, Rim, Lee 2019, doi 10.14778/3352063.3352135). A column is collapsed if and only if all its rows
together have more than ``LIMIT`` different values: the summary is a function of the multiset of rows alone, so
``merge`` is associative, commutative and has its identity to the last byte.

Why not KLL, which is smaller for the same error of rank? Its compaction tosses coins: equal rows would not give equal
bytes, and then no task downstream could be reused.

Values that are missing, NaN or infinite are counted in the row without value and bucket, which every column has.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

LIMIT = 65_536
"""How many different values of a column are counted exactly."""

_ERROR = 0.001
_GAMMA = (1 + _ERROR) / (1 - _ERROR)
_OFFSET = 1_000_000
"""Larger than any logarithm of a float to the base ``_GAMMA``, so that a bucket's sign is its values' sign."""

_SCHEMA = pl.Schema({"column": pl.String(), "value": pl.Float64(), "bucket": pl.Int32(), "count": pl.Int64()})


def summarize(frame: pl.LazyFrame, columns: list[str], *, limit: int = LIMIT) -> pl.DataFrame:
    """Return the distribution of each column of a partition."""
    return _tidy(pl.concat([_SCHEMA.to_frame(), *pl.collect_all([_counts(frame, name) for name in columns])]), limit)


def merge(a: pl.DataFrame, b: pl.DataFrame, *, limit: int = LIMIT) -> pl.DataFrame:
    """Return the distribution of the rows of both; ``limit`` must be that of ``summarize``."""
    return _tidy(pl.concat([a, b]), limit)


def quantile(summary: pl.DataFrame, q: float) -> pl.DataFrame:
    """Return ``column`` and ``quantile`` (0 <= q <= 1), interpolated linearly; null where a column has no values."""
    return quantiles(summary, [q]).select("column", pl.col("quantiles").list.first().alias("quantile"))


def quantiles(summary: pl.DataFrame, qs: Sequence[float] | NDArray[np.float64]) -> pl.DataFrame:
    """Return ``column`` and ``quantiles``, a list of one value a ``q``; an empty list where a column has no values."""
    found = {name: _at(values, counts, np.asarray(qs)) for name, values, counts in points(summary)}
    return pl.DataFrame(
        {"column": list(found), "quantiles": list(found.values())},
        schema={"column": pl.String, "quantiles": pl.List(pl.Float64)},
    )


def points(summary: pl.DataFrame) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.int64]]]:
    """Yield each column, by name, with its different values in order, and how often each is there.

    Beyond the limit a value is the middle of its bucket. The arrays are empty where a column has no values.
    """
    bucket = pl.col("bucket")
    middle = bucket.sign() * ((bucket.abs() - _OFFSET) * math.log(_GAMMA)).exp() * (2 / (_GAMMA + 1))
    at = pl.coalesce(pl.col("value"), pl.when(bucket == 0).then(0.0).otherwise(middle))
    known = summary.with_columns(at.alias("at")).sort("column", "at").partition_by("column", maintain_order=True)
    for part in known:
        present = part.drop_nulls("at")
        yield part["column"][0], present["at"].to_numpy(), present["count"].to_numpy()


def _at(values: NDArray[np.float64], counts: NDArray[np.int64], qs: NDArray[np.float64]) -> list[float]:
    if not len(values):
        return []
    reached = counts.cumsum()
    rank = qs * (reached[-1] - 1)
    low, high = (values[np.searchsorted(reached, bound, side="right")] for bound in (np.floor(rank), np.ceil(rank)))
    part = rank - np.floor(rank)
    # From the nearer end, as NumPy does: it loses fewer digits, and arrives at the end itself.
    with np.errstate(over="ignore", invalid="ignore"):
        between = np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part))
        found: list[float] = np.where(np.isfinite(high - low), between, low * (1 - part) + high * part).tolist()
    return found


def _counts(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Count a column's values; zero has one sign, and the row without value is there even for no rows."""
    value = pl.col(name).cast(pl.Float64)
    finite = frame.select(pl.when(value.is_finite()).then(value).alias("value"))
    present = pl.LazyFrame({"value": [None], "count": [0]}, schema={"value": pl.Float64, "count": pl.Int64})
    counted = finite.group_by("value").agg(pl.len().cast(pl.Int64).alias("count"))
    zero = pl.when(pl.col("value") == 0).then(pl.lit(0.0)).otherwise(pl.col("value"))
    return pl.concat([counted, present]).select(
        pl.lit(name).alias("column"), zero.alias("value"), pl.lit(None, pl.Int32).alias("bucket"), "count"
    )


def _tidy(counts: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Add up equal rows, and collapse the columns that have to be."""
    value, bucket = pl.col("value"), pl.col("bucket")
    totals = _totals(counts)
    keys = ("column", "value", "bucket")
    collapsed = (bucket.is_not_null().any() | (value.count() > limit)).over("column")
    if not totals.select(collapsed.any()).item():
        return totals.sort(keys)
    logarithmic = totals.with_columns(
        pl.when(~collapsed).then(value).alias("value"),
        pl.when(collapsed & value.is_not_null()).then(_bucket(value)).otherwise(bucket).alias("bucket"),
    )
    return _totals(logarithmic).sort(keys)


def _totals(counts: pl.DataFrame) -> pl.DataFrame:
    return counts.group_by("column", "value", "bucket").agg(pl.col("count").sum())


def _bucket(value: pl.Expr) -> pl.Expr:
    step = value.abs().log(_GAMMA).ceil() + _OFFSET
    return pl.when(value == 0).then(0.0).otherwise(step * value.sign()).cast(pl.Int32)
