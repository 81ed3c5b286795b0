"""How often each level of a column occurs, learned by merging; exact.

A summary has a row a level: ``column``, ``level`` (text; null counts the missing, a row that every column has) and
``count``. ``merge`` is associative, commutative and has its identity to the last byte. Its size is that of the levels:
a column of names without repetition takes as much as the column.
"""

import polars as pl

_SCHEMA = pl.Schema({"column": pl.String(), "level": pl.String(), "count": pl.Int64()})


def summarize(frame: pl.LazyFrame, columns: list[str]) -> pl.DataFrame:
    """Return the levels of each column of a partition."""
    return _totals(pl.concat([_SCHEMA.to_frame(), *pl.collect_all([_counts(frame, name) for name in columns])]))


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the levels of the rows of both."""
    return _totals(pl.concat([a, b]))


def text(name: str, source: pl.DataType) -> pl.Expr:
    """Return a column as text; NaN is missing, and zero has one sign."""
    column = pl.col(name)
    if source.is_float():
        column = pl.when(column == 0).then(pl.lit(0.0)).otherwise(column.fill_nan(None))
    return column.cast(pl.String)


def _counts(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    present = pl.LazyFrame({"level": [None], "count": [0]}, schema={"level": pl.String, "count": pl.Int64})
    levels = frame.select(text(name, frame.collect_schema()[name]).alias("level"))
    counted = levels.group_by("level").agg(pl.len().cast(pl.Int64).alias("count"))
    return pl.concat([counted, present]).select(pl.lit(name).alias("column"), "level", "count")


def _totals(counts: pl.DataFrame) -> pl.DataFrame:
    return counts.group_by("column", "level").agg(pl.col("count").sum()).sort("column", "level")
