"""The flights' training matrix as functions of Hamilton, with Polars: lazy frames from node to node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.scripts import flights_polars, matrix_polars


def weather(data: str) -> pl.LazyFrame:
    """The weather at each hour."""
    return flights_polars.small(Path(data) / "nycflights13" / "weather.csv.gz").drop("year", "month", "day", "hour").lazy()


def planes(data: str) -> pl.LazyFrame:
    """The planes."""
    return flights_polars.small(Path(data) / "nycflights13" / "planes.csv.gz").lazy()


def flights(data: str) -> pl.LazyFrame:
    """All flights."""
    return matrix_polars.scanned(data)


def features(flights: pl.LazyFrame, weather: pl.LazyFrame, planes: pl.LazyFrame, folder: str, way: str) -> pl.LazyFrame:
    """Flights with weather, planes and the calendar, computed once."""
    return matrix_polars.once(flights_polars.prepared(flights, weather, planes), Path(folder), way)


def matrix(features: pl.LazyFrame) -> pl.LazyFrame:
    """The numbers that a model takes."""
    return matrix_polars.matrix(features)


def written(matrix: pl.LazyFrame, folder: str) -> Mapping[str, Any]:
    """The file of the matrix."""
    return {"files": matrix_polars.written(matrix, Path(folder))}
