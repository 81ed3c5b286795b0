"""A pipeline with a step of every kind: two datasets joined, steps that look at earlier rows, an encoding that learns."""

# ruff: noqa: DTZ001  columns hold times without a zone

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from engine.config.spec import PipelineSpec
from engine.config.specify import specify

SIZE = 72
READINGS = pl.DataFrame(
    {
        "id": range(SIZE),
        "at": [datetime(2013, 3, 30) + timedelta(minutes=40 * (n * 31 % SIZE)) for n in range(SIZE)],
        "meter": [f"meter {n * 7 % 5}" for n in range(SIZE)],
        "site": [f"site {n * 11 % 4}" if n % 13 else None for n in range(SIZE)],
        "value": [None if n % 9 == 0 else n * 37 % 101 / 8 for n in range(SIZE)],
        "note": [("all well", "late", "", None)[n % 4] for n in range(SIZE)],
        "kind": ["a" if (n * 37 % 101 > 50) != (n % 11 == 0) else "b" for n in range(SIZE)],
    }
)
"""Each at a time of its own, not in the order of times."""

SITES = pl.DataFrame({"site": [f"site {n}" for n in range(3)], "height": [3, 400, 25], "ground": ["sand", "rock", "sand"]})
METERS = pl.DataFrame({"meter": [f"meter {n}" for n in range(5)], "maker": ["Neves", "Dias", "Neves", "Lobo", "Dias"]})

PREPARE = [
    {"use": "fill_forward", "on": "at", "columns": ["value"], "by": ["meter"], "within": "12h"},
    {"use": "rolling", "on": "at", "value": "value", "by": ["meter"], "within": "9h", "known_after": "1h"},
    {"use": "rolling", "on": "at", "value": "value", "by": ["site"], "within": "1d", "aggregate": "max", "into": "most"},
    {"use": "expanding", "on": "at", "value": "value", "by": ["meter"], "aggregate": "count"},
    {"use": "lag", "on": "at", "value": "note", "by": ["meter"], "into": "note before"},
]
FEATURES = [
    {"use": "calendar", "column": "at", "parts": ["hour", "weekday"]},
    {"use": "derive", "above": "value - value_mean_9h", "minute": "at_hour * 60", "steep": "height > 30"},
    {"use": "text_length", "columns": ["note"], "parts": ["words"]},
]
NUMBERS = ["value", "value_mean_9h", "most", "value_count_so_far", "above", "height", "at_hour", "minute", "note_words"]
ENCODE = [
    {"use": "impute", "columns": NUMBERS},
    {"use": "target_encode", "columns": ["meter", "site"], "fold_by": ["id"]},
    {"use": "one_hot", "columns": ["maker", "ground", "note before", "note"]},
    {"use": "standardize", "columns": [*NUMBERS, "meter", "site"]},
    {"use": "select", "by": "f_test", "keep": 9, "columns": [*NUMBERS, "meter", "site", "steep"]},
]


def write(folder: Path, readings: Sequence[pl.DataFrame]) -> None:
    """Write the datasets, the readings in these partitions."""
    datasets = {"readings": readings, "sites": [SITES[:2], SITES[2:]], "meters": [METERS]}
    for name, parts in datasets.items():
        (folder / name).mkdir(parents=True)
        for number, part in enumerate(parts):
            part.write_parquet(folder / name / f"{number:02}.parquet")


def spec(folder: Path, **more: Any) -> PipelineSpec:
    """Return the pipeline over the datasets of a folder."""
    keys: Mapping[str, Mapping[str, Any]] = {
        "readings": {"key": ["id"], "time": "at", "prepare": PREPARE},
        "sites": {"key": ["site"]},
        "meters": {"key": ["meter"]},
    }
    return specify(
        {
            "name": "whole",
            "problem": {"task": "classification", "target": "kind"},
            "datasets": {
                name: {"extract": {"use": "parquet", "path": str(folder / name / "*.parquet")}, **rest}
                for name, rest in keys.items()
            },
            "view": {
                "from": "readings",
                "join": [{"with": "sites", "on": ["site"]}, {"with": "meters", "on": ["meter"]}],
                "features": FEATURES,
            },
            "encode": ENCODE,
            "splitter": "chronological",
            "model": "sklearn.DecisionTreeClassifier",
            "metrics": ["accuracy"],
            **more,
        }
    )
