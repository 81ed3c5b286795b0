"""The flights' features by hand, in Polars: raw Parquet, rules, preparation, joins, features.

    python -m benchmarks.scripts.flights_polars DATA FOLDER WAY

WAY is how the months are gone through: ``glob`` scans all files as one table, ``files`` goes file by file and leaves the
cores to Polars, ``threads`` works on one file a core. Prints, as JSON, the files of the features.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

_AFTER_THE_FACT = ["arr_delay", "arr_time", "air_time", "dep_time", "dep_delay"]


def main(data: str, folder: str, way: str) -> None:
    source, out = Path(data) / "nycflights13", Path(folder)
    (out / "raw").mkdir(parents=True)
    (out / "features").mkdir()
    weather = small(source / "weather.csv.gz").drop("year", "month", "day", "hour").lazy()
    planes = small(source / "planes.csv.gz").lazy()

    def work(flights: str, name: str) -> str:
        raw, features = out / "raw" / name, out / "features" / name
        pl.scan_csv(flights, null_values=["NA"], try_parse_dates=True).sink_parquet(raw)
        prepared(pl.scan_parquet(raw), weather, planes).sink_parquet(features)
        return str(features)

    pattern = str(source / "flights" / "*.csv*")
    if way == "glob":
        files = [work(pattern, "all.parquet")]
    else:
        months = sorted((source / "flights").glob("*.csv*"))
        with ThreadPoolExecutor(os.cpu_count() if way == "threads" else 1) as pool:
            files = list(pool.map(lambda file: work(str(file), f"{file.stem}.parquet"), months))
    print(json.dumps({"files": files}))


def small(file: Path) -> pl.DataFrame:
    """Return the weather or the planes."""
    return pl.read_csv(file, null_values=["NA"], try_parse_dates=True, infer_schema_length=None)


def prepared(flights: pl.LazyFrame, weather: pl.LazyFrame, planes: pl.LazyFrame) -> pl.LazyFrame:
    """Return the features of flights."""
    known = pl.all_horizontal(pl.col("origin", "dest", "arr_delay").is_not_null())
    time = pl.col("time_hour").dt
    return (
        flights.filter(known & pl.col("distance").is_between(1, 6000))
        .with_columns(late=pl.col("arr_delay") > 15)
        .drop(_AFTER_THE_FACT)
        .join(weather, on=["origin", "time_hour"], how="left", maintain_order="left")
        .join(planes, on="tailnum", how="left", suffix="_plane", maintain_order="left")
        .with_columns(
            time_hour_month=time.month(),
            time_hour_weekday=time.weekday(),
            time_hour_hour=time.hour(),
            plane_age=2013 - pl.col("year_plane"),
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
