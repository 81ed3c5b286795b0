"""The flights' training matrix as functions of Hamilton, with pandas: each function is a node, its parameters name others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from hamilton.htypes import Collect, Parallelizable

from benchmarks.scripts import flights_pandas as by_hand


def month_file(data: str) -> Parallelizable[Path]:
    """Each month's file."""
    yield from sorted((Path(data) / "nycflights13" / "flights").glob("*.csv"))


def month(month_file: Path) -> pd.DataFrame:
    """A month's flights."""
    return by_hand.read(month_file)


def months(month: Collect[pd.DataFrame]) -> list[pd.DataFrame]:
    """All months."""
    return list(month)


def weather(data: str) -> pd.DataFrame:
    """The weather at each hour."""
    return by_hand.small(Path(data) / "nycflights13" / "weather.csv.gz", by_hand.WEATHER)


def planes(data: str) -> pd.DataFrame:
    """The planes."""
    return by_hand.small(Path(data) / "nycflights13" / "planes.csv.gz")


def features(months: list[pd.DataFrame], weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Flights with weather, planes and the calendar."""
    return by_hand.joined(months, weather, planes)


def part(features: pd.DataFrame) -> Any:
    """The part of each row."""
    return by_hand.parts(features["time_hour"])


def scaled(features: pd.DataFrame, part: Any) -> pd.DataFrame:
    """The numbers, filled in and standardized."""
    return by_hand.scaled(features, part == "train")


def flags(features: pd.DataFrame, part: Any) -> pd.DataFrame:
    """The levels as columns."""
    return by_hand.flags(features, part == "train")


def matrix(scaled: pd.DataFrame, flags: pd.DataFrame, features: pd.DataFrame, part: Any) -> pd.DataFrame:
    """All together."""
    return by_hand.together(scaled, flags, features["late"], part)


def written(matrix: pd.DataFrame, folder: str) -> Mapping[str, Any]:
    """The files of the matrix."""
    return {"files": by_hand.written(matrix, Path(folder))}
