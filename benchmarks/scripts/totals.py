"""Adds up a table in Parquet files, so that two of them can be compared.

    python -m benchmarks.scripts.totals FILE ...

Prints, as JSON, the rows and, for each column, its sum (of text: its bytes) and its nulls.
"""

from __future__ import annotations

import json
import sys

import polars as pl
import polars.selectors as cs


def main(*files: str) -> None:
    labels = cs.by_name("__target__", "__part__", require_all=False)
    table = pl.scan_parquet(list(files)).with_columns(labels.cast(pl.String))  # whatever kind of labels a tool has
    numbers = table.select((cs.numeric() | cs.boolean()).cast(pl.Float64)).sum().collect(engine="streaming").row(0, named=True)
    times = table.select(cs.temporal().cast(pl.Int64).cast(pl.Float64)).sum().collect(engine="streaming").row(0, named=True)
    text = table.select(cs.string().str.len_bytes().cast(pl.Int64)).sum().collect(engine="streaming").row(0, named=True)
    nulls = table.null_count().collect(engine="streaming").row(0, named=True)
    rows = table.select(pl.len()).collect().item()
    sums = {name: float(f"{value:.9g}") for name, value in {**numbers, **times, **text}.items() if value is not None}
    print(json.dumps({"rows": rows, "sums": sums, "nulls": nulls}, sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
