"""The count, mean and spread of numeric columns, learned by merging.

One row a column: ``column``, ``n`` (values that are not missing), ``mean``, ``m2`` (sum of squared differences from
the mean). Partitions are merged by the formula of Chan, Golub and LeVeque (1983), which does not lose digits when the
mean is large beside the spread. ``merge`` is commutative and has its identity to the last bit; associative up to
rounding (about 1e-15 of the value), so merge in a fixed order where bytes must be equal.
"""

import polars as pl

from plugins.transformers._numbers import number, require_finite

SCHEMA = pl.Schema({"column": pl.String(), "n": pl.Int64(), "mean": pl.Float64(), "m2": pl.Float64()})


def summarize(frame: pl.LazyFrame, columns: list[str]) -> pl.DataFrame:
    """Return the moments of each column of a partition; ``DataError`` for a column that has none that are finite."""
    if not columns:
        return SCHEMA.to_frame()
    schema = frame.collect_schema()
    values = [number(name, schema[name]) for name in columns]
    # One chunk, summed by one thread: else the last digits of a sum depend on how many threads there are.
    whole = frame.select(columns).collect().rechunk().lazy()
    wide = whole.select(
        moment.alias(f"{position}:{kind}")
        for position, value in enumerate(values)
        for kind, moment in (
            ("n", value.count()),
            ("mean", value.mean()),
            ("m2", (value - value.mean()).pow(2).sum()),
        )
    ).collect(engine="in-memory")
    row = wide.row(0, named=True)
    found = {kind: [row[f"{i}:{kind}"] for i in range(len(columns))] for kind in ("n", "mean", "m2")}
    moments = pl.DataFrame({"column": columns, **found}, schema=SCHEMA).with_columns(pl.col("mean").fill_null(0.0))
    return require_finite(moments.sort("column"), "mean", "m2")


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the moments of the rows of both."""
    n, mean, m2 = pl.col("n"), pl.col("mean"), pl.col("m2")
    joint = (n * mean).sum() / n.sum()
    counted = pl.concat([a, b]).filter(n > 0)
    merged = counted.group_by("column").agg(
        n.sum(),
        pl.when(pl.len() == 1).then(mean.first()).otherwise(joint),
        pl.when(pl.len() == 1).then(m2.first()).otherwise(m2.sum() + (n * (mean - joint).pow(2)).sum()).alias("m2"),
    )
    empty = pl.concat([a, b]).filter(n == 0).unique("column").join(merged, on="column", how="anti")
    return require_finite(pl.concat([merged, empty]).sort("column"), "mean", "m2")
