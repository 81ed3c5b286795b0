"""The flights' training matrix by Dask DataFrame: a partition a month, the small tables joined to each, threads.

    python -m benchmarks.scripts.flights_dask DATA FOLDER

The features are persisted, as they are gone through several times. Medians are taken of the counts of values, since Dask's
own are approximations. Prints, as JSON, the files of the matrix.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dask.config
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask.base import compute

from benchmarks.scripts.flights_pandas import MAX_LEVELS, TEXTS, WEATHER, Frame, read, small


def main(data: str, folder: str) -> None:
    dask.config.set(scheduler="threads")
    source = Path(data) / "nycflights13"
    flights = dd.from_map(read, sorted((source / "flights").glob("*.csv")))
    flights = flights.merge(small(source / "weather.csv.gz", WEATHER), on=["origin", "time_hour"], how="left")
    flights = flights.merge(small(source / "planes.csv.gz"), on="tailnum", how="left", suffixes=("", "_plane"))
    time = flights["time_hour"].dt
    flights = flights.assign(
        time_hour_month=time.month,
        time_hour_weekday=time.day_of_week + 1,
        time_hour_hour=time.hour,
        plane_age=2013 - flights["year_plane"],
    ).persist()
    fitted = fit(flights)
    matrix = flights.map_partitions(encoded, **fitted, meta=encoded(flights.head(2), **fitted).iloc[:0])
    matrix.to_parquet(folder, write_index=False)
    print(json.dumps({"files": [str(file) for file in sorted(Path(folder).glob("*.parquet"))]}))


def fit(flights: Any) -> dict[str, Any]:
    """Return what is learned from the training rows."""
    until = flights["time_hour"].value_counts().compute().sort_index().cumsum()
    bounds = [until.index[until >= int(until.iloc[-1] * share + 0.5)][0] for share in (0.6, 0.8)]
    train = flights[flights["time_hour"] <= bounds[0]]
    numbers = list(flights.select_dtypes("number").columns)
    counts = compute({name: train[name].value_counts() for name in [*numbers, *TEXTS]}, train[TEXTS].isna().sum())
    found, missing = counts
    fill = {name: _median(found[name]) for name in numbers}
    known = train[numbers].fillna(fill)
    mean, spread = compute(known.mean(), known.std(ddof=0))
    levels = {name: _levels(found[name], missing[name]) for name in TEXTS}
    return {"bounds": bounds, "fill": fill, "mean": mean, "spread": spread.where(spread > 0, 1.0), "levels": levels}


def _median(counts: Any) -> float:
    ordered = counts.sort_index()
    until, half = ordered.cumsum().to_numpy(), ordered.sum() / 2
    values = ordered.index.to_numpy()
    return float((values[np.searchsorted(until, half)] + values[np.searchsorted(until, half, side="right")]) / 2)


def _levels(counts: Any, missing: int) -> tuple[list[str], bool]:
    """Return the most frequent levels, and whether there are others."""
    found = {**counts.to_dict(), **({"missing": missing} if missing else {})}
    ranked = sorted(found, key=lambda level: (-found[level], level))
    return ranked[:MAX_LEVELS], len(ranked) > MAX_LEVELS


def encoded(flights: Frame, bounds: list[Any], fill: Any, mean: Any, spread: Any, levels: Any) -> Frame:
    """Return the numbers that a model takes, of one partition."""
    scaled = (flights[list(fill)].fillna(fill) - mean) / spread
    time = flights["time_hour"]
    codes = (time > bounds[0]).astype(np.int8) + (time > bounds[1]).astype(np.int8)
    flags: dict[str, Any] = {}
    for name, (own, rest) in levels.items():
        texts = pd.Categorical(flights[name].fillna("missing"), categories=own).codes
        flags |= {f"{name}={level}": (texts == code).astype(np.int8) for code, level in enumerate(own)}
        if rest:
            flags[f"{name}=other"] = (texts < 0).astype(np.int8)
    part = pd.Categorical.from_codes(codes, categories=["train", "validation", "test"])
    labels = {"__target__": flights["late"].to_numpy(), "__part__": part}
    return pd.concat([scaled, pd.DataFrame({**flags, **labels}, index=scaled.index)], axis=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
