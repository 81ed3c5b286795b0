"""The smallest and the largest value of numeric columns, learned by merging; exact.

One row a column: ``column``, ``min`` and ``max`` (Float64; null where there is no value). ``merge`` is associative,
commutative and has its identity to the last bit.
"""

import polars as pl

from plugins.transformers._numbers import number, require_finite

SCHEMA = pl.Schema({"column": pl.String(), "min": pl.Float64(), "max": pl.Float64()})


def summarize(frame: pl.LazyFrame, columns: list[str]) -> pl.DataFrame:
    """Return the extremes of each column of a partition; ``DataError`` for a column with infinite values."""
    if not columns:
        return SCHEMA.to_frame()
    schema = frame.collect_schema()
    values = [number(name, schema[name]) for name in columns]
    wide = frame.select(
        moment.alias(f"{position}:{kind}")
        for position, value in enumerate(values)
        for kind, moment in (("min", value.min()), ("max", value.max()))
    ).collect()
    row = wide.row(0, named=True)
    found = {kind: [row[f"{i}:{kind}"] for i in range(len(columns))] for kind in ("min", "max")}
    extremes = pl.DataFrame({"column": columns, **found}, schema=SCHEMA).sort("column")
    # Zero has one sign: else the order of rows would decide which of the two is the smallest.
    one_zero = pl.when(pl.col("min", "max") == 0).then(pl.lit(0.0)).otherwise(pl.col("min", "max")).name.keep()
    return require_finite(extremes.with_columns(one_zero), "min", "max")


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the extremes of the rows of both."""
    return pl.concat([a, b]).group_by("column").agg(pl.col("min").min(), pl.col("max").max()).sort("column")


def ranges(summary: pl.DataFrame) -> pl.DataFrame:
    """Return the summary with ``range``, the largest less the smallest; ``DataError`` where no Float64 holds it."""
    return require_finite(summary.with_columns(range=pl.col("max") - pl.col("min")), "range")
