"""The flights' training matrix by hand, in pandas: rules, preparation, joins, features, encoding.

    python -m benchmarks.scripts.flights_pandas DATA FOLDER

Its steps are those of the other scripts that use pandas. Only needed columns are read, by Arrow, one file a core; text is
a category from then on, and what is written is written a file a core. Prints, as JSON, the files of the matrix.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

Frame: TypeAlias = "pd.DataFrame"

CORES = os.cpu_count() or 1
MAX_LEVELS = 10
FLIGHTS = [
    *("year", "month", "day", "sched_dep_time", "sched_arr_time", "arr_delay", "carrier", "flight", "tailnum", "origin"),
    *("dest", "distance", "hour", "minute", "time_hour"),
]
WEATHER = ["origin", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib", "time_hour"]
TEXTS = ["carrier", "tailnum", "origin", "dest", "type", "manufacturer", "model", "engine"]


def main(data: str, folder: str) -> None:
    source = Path(data) / "nycflights13"
    with ThreadPoolExecutor(CORES) as pool:
        months = list(pool.map(read, sorted((source / "flights").glob("*.csv"))))
    flights = joined(months, small(source / "weather.csv.gz", WEATHER), small(source / "planes.csv.gz"))
    print(json.dumps({"files": written(matrix(flights), Path(folder))}))


def read(file: Path) -> Frame:
    """Return the flights of a file that keep the rules, with the target."""
    return prepared(pd.read_csv(file, engine="pyarrow", na_values=["NA"], usecols=FLIGHTS))


def small(file: Path, columns: Sequence[str] | None = None) -> Frame:
    """Return the weather or the planes."""
    return pd.read_csv(file, engine="pyarrow", na_values=["NA"], usecols=columns)


def prepared(flights: Frame) -> Frame:
    """Return the rows that keep the rules, with the target instead of what is known only after the fact."""
    known = flights[["origin", "dest", "arr_delay"]].notna().all(axis=1) & flights["distance"].between(1, 6000)
    flights = flights[known]
    return flights.assign(late=flights["arr_delay"] > 15).drop(columns="arr_delay")


def joined(months: Sequence[Frame], weather: Frame, planes: Frame) -> Frame:
    """Return all flights with weather, planes and the calendar."""
    flights = pd.concat(months, ignore_index=True)
    flights = flights.merge(weather, on=["origin", "time_hour"], how="left")
    flights = flights.merge(planes, on="tailnum", how="left", suffixes=("", "_plane"))
    time = flights["time_hour"].dt
    return flights.assign(
        time_hour_month=time.month,
        time_hour_weekday=time.day_of_week + 1,
        time_hour_hour=time.hour,
        plane_age=2013 - flights["year_plane"],
    )


def parts(time: Any) -> Any:
    """Return the part of each row: the earliest rows are train, the latest test; rows of equal time stay together."""
    until = time.value_counts().sort_index().cumsum()
    until_train, until_validation = (until.index[until >= int(len(time) * share + 0.5)][0] for share in (0.6, 0.8))
    codes = (time > until_train).astype(np.int8) + (time > until_validation).astype(np.int8)
    return pd.Categorical.from_codes(codes, categories=["train", "validation", "test"])


def matrix(flights: Frame) -> Frame:
    """Return the numbers that a model takes: what was missing filled in, standardized, levels as columns."""
    part = parts(flights["time_hour"])
    train = part == "train"
    return together(scaled(flights, train), flags(flights, train), flights["late"], part)


def scaled(flights: Frame, train: Any) -> Frame:
    """Return the numeric columns, missing values filled in by the median in training, standardized by training rows."""
    numbers = flights.select_dtypes("number")
    known = numbers[train]
    fill = known.median()
    known = known.fillna(fill)
    spread = known.std(ddof=0)
    return (numbers.fillna(fill) - known.mean()) / spread.where(spread > 0, 1.0)


def flags(flights: Frame, train: Any) -> Frame:
    """Return the levels of all columns of text as columns."""
    return pd.DataFrame({name: flag for column in TEXTS for name, flag in one_hot(flights[column], train).items()})


def together(scaled: Frame, flags: Frame, late: Any, part: Any) -> Frame:
    """Return features, target and part in one table."""
    return pd.concat([scaled, flags.assign(__target__=late, __part__=part)], axis=1)


def one_hot(texts: Any, train: Any) -> Mapping[str, Any]:
    """Return a column of zeros and ones for each of the most frequent levels in training, and one for the others."""
    texts = texts.fillna("missing").astype("category")
    counts = texts[train].value_counts()
    counts = counts[counts > 0]
    levels = sorted(counts.index, key=lambda level: (-counts[level], level))[:MAX_LEVELS]
    codes = texts.cat.codes.to_numpy()
    own = texts.cat.categories.get_indexer(levels)
    flags = {f"{texts.name}={level}": (codes == code).astype(np.int8) for level, code in zip(levels, own, strict=True)}
    if len(counts) > MAX_LEVELS:
        flags[f"{texts.name}=other"] = (~np.isin(codes, own)).astype(np.int8)
    return flags


def written(rows: Frame, folder: Path) -> list[str]:
    """Write rows as Parquet, a file a core, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    bounds = np.linspace(0, len(rows), CORES + 1).astype(int)
    files = [str(folder / f"part-{number}.parquet") for number in range(CORES)]

    def write(number: int) -> None:
        rows.iloc[bounds[number] : bounds[number + 1]].to_parquet(files[number], index=False)

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(write, range(CORES)))
    return files


if __name__ == "__main__":
    main(*sys.argv[1:])
