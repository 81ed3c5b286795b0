"""The flights' training matrix by hand, in Polars: rules, preparation, joins, features, encoding.

    python -m benchmarks.scripts.matrix_polars DATA FOLDER WAY

WAY is where the features are between fitting and encoding: in ``memory``, or ``stored`` as Parquet and streamed from
there. Prints, as JSON, the files of the matrix.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import polars.selectors as cs

from benchmarks.scripts.flights_polars import prepared, small

MAX_LEVELS = 10
_TEXT = cs.string()
_NUMBER = cs.numeric()


def main(data: str, folder: str, way: str) -> None:
    source, out = Path(data) / "nycflights13", Path(folder)
    weather = small(source / "weather.csv.gz").drop("year", "month", "day", "hour").lazy()
    planes = small(source / "planes.csv.gz").lazy()
    features = once(prepared(scanned(data), weather, planes), out, way)
    print(json.dumps({"files": written(matrix(features), out)}))


def scanned(data: str) -> pl.LazyFrame:
    """Return all flights."""
    return pl.scan_csv(Path(data) / "nycflights13" / "flights" / "*.csv", null_values=["NA"], try_parse_dates=True)


def once(features: pl.LazyFrame, folder: Path, way: str) -> pl.LazyFrame:
    """Return the features, computed, in memory or stored."""
    if way == "memory":
        return features.collect(engine="streaming").lazy()
    folder.mkdir(parents=True, exist_ok=True)
    features.sink_parquet(folder / "features.parquet")
    return pl.scan_parquet(folder / "features.parquet")


def written(rows: pl.LazyFrame, folder: Path) -> list[str]:
    """Write the matrix and return its files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows.sink_parquet(folder / "matrix.parquet")
    return [str(folder / "matrix.parquet")]


def matrix(features: pl.LazyFrame) -> pl.LazyFrame:
    """Return the numbers that a model takes: what was missing filled in, standardized, levels as columns."""
    until_train, until_validation = bounds(features)
    time = pl.col("time_hour")
    part = pl.when(time <= until_train).then(pl.lit("train")).when(time <= until_validation).then(pl.lit("validation"))
    label = part.otherwise(pl.lit("test")).cast(pl.Enum(["train", "validation", "test"]))
    train = features.filter(time <= until_train)
    texts = features.select(_TEXT).collect_schema().names()
    counts = [train.group_by(pl.col(name).fill_null("missing")).len() for name in texts]
    number = _NUMBER.cast(pl.Float64)
    filled = number.fill_null(number.median())
    moments = [filled.mean().name.suffix(":mean"), filled.std(ddof=0).name.suffix(":std"), number.median().name.suffix(":fill")]
    found = pl.collect_all([train.select(moments), *counts], engine="streaming")
    fitted = found[0].row(0, named=True)
    numbers = features.select(_NUMBER).collect_schema().names()
    scaled = [
        (pl.col(name).cast(pl.Float64).fill_null(fitted[f"{name}:fill"]) - fitted[f"{name}:mean"])
        / (fitted[f"{name}:std"] or 1.0)
        for name in numbers
    ]
    flags = [flag for name, levels in zip(texts, found[1:], strict=True) for flag in one_hot(name, levels)]
    return features.select(*scaled, *flags, __target__="late", __part__=label)


def bounds(features: pl.LazyFrame) -> tuple[datetime, datetime]:
    """Return the last time of the training and of the validation part: equal times stay together."""
    counts = features.group_by("time_hour").len().sort("time_hour").with_columns(until=pl.col("len").cum_sum())
    times = counts.collect(engine="streaming")
    rows = times["until"][-1]
    first, second = (times.filter(pl.col("until") >= int(rows * share + 0.5))["time_hour"][0] for share in (0.6, 0.8))
    return first, second


def one_hot(name: str, counts: pl.DataFrame) -> list[pl.Expr]:
    """Return a column of zeros and ones for each of the most frequent levels, and one for the others."""
    text = pl.col(name).fill_null("missing")
    levels = counts.sort("len", name, descending=[True, False])[name].head(MAX_LEVELS).to_list()
    flags = [(text == level).cast(pl.Int8).alias(f"{name}={level}") for level in levels]
    other = (~text.is_in(levels)).cast(pl.Int8).alias(f"{name}=other")
    return [*flags, other] if counts.height > MAX_LEVELS else flags


if __name__ == "__main__":
    main(*sys.argv[1:])
