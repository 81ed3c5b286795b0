"""The twelfth month of twelve, when eleven are there, against all twelve from nothing.

Up to the features with the 10 million flights of `flights_10m` (74 MB of CSV a month): what is new is one file to
ingest, a look at the schema, one partition to prepare, join and compute features of. The aim is its share of the work
and a tenth of all of it, 1/12 + 0.1, for the tasks that run, for the seconds of their execution, and for the whole
process, which also imports the libraries and compiles, and takes as long for that whether there is much to do or little.
The full run, with the flights as they are, is shown as well: a chronological split, the encoding and the model look at
all rows, so a new month makes them anew, and nothing is promised for them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from benchmarks.data import FLIGHTS, flights_10m
from benchmarks.timing import LEVADA, PYTHON, Measured, Row, compare, count, in_turn, run

Work: TypeAlias = Callable[[Path, Path, str], Measured]

ROUNDS = 3
AIM = 1 / 12 + 0.1


def measure() -> list[Row]:
    """Return the lines of the table."""
    with tempfile.TemporaryDirectory(prefix="levada-batch-") as folder:
        features = in_turn(lambda: _added(folder, _features, big=True), lambda: _whole(folder, _features, big=True), ROUNDS)
        full = in_turn(lambda: _added(folder, _full, big=False), lambda: _whole(folder, _full, big=False), 2)
        ran, all_ran = (_ran_in_full(Path(folder) / name) for name in ("output-added", "output-whole"))
    told = [(one.told(), two.told()) for one, two in features]
    return [
        count("month 12 of 12, up to the features", told[0][0]["ran"], told[0][1]["ran"], "tasks", AIM),
        compare("the same, execution", [(one["seconds"], two["seconds"]) for one, two in told], "s", AIM),
        compare("the same, whole process", [(one.seconds, two.seconds) for one, two in features], "s", AIM),
        count("month 12 of 12, full run", ran, all_ran, "tasks", None),
        compare("the same", [(one.seconds, two.seconds) for one, two in full], "s", None),
        compare("the same, seconds of the cores", [(one.core_seconds, two.core_seconds) for one, two in full], "s", None),
    ]


def _added(folder: str, work: Work, *, big: bool) -> Measured:
    """Run with eleven months, not timed, then with twelve."""
    data, store = _data(folder, 11, big=big), _fresh(folder)
    work(data, store, "added")
    return work(_data(folder, 12, big=big), store, "added")


def _whole(folder: str, work: Work, *, big: bool) -> Measured:
    return work(_data(folder, 12, big=big), _fresh(folder), "whole")


def _features(data: Path, store: Path, _name: str) -> Measured:
    pipeline = "flights_10m" if next(data.glob("*/flights/*")).suffix == ".csv" else "flights"
    return run([PYTHON, "-m", "benchmarks.scripts.levada_upto", str(data), str(store), pipeline, "view"])


def _full(data: Path, store: Path, name: str) -> Measured:
    output = f"hydra.run.dir={store.parent}/output-{name}"
    return run([LEVADA, "pipeline=flights", f"data={data}", f"store.root={store}", output])


def _fresh(folder: str) -> Path:
    store = Path(folder) / "store"
    shutil.rmtree(store, ignore_errors=True)
    return store


def _data(folder: str, months: int, *, big: bool) -> Path:
    """Return a folder like ``data/`` with the first months, as links: adding one leaves the others as they are."""
    data = Path(folder) / ("big" if big else "data")
    shutil.rmtree(data, ignore_errors=True)
    source = flights_10m() / "nycflights13" if big else FLIGHTS
    (data / "nycflights13" / "flights").mkdir(parents=True)
    for name in ("weather.csv.gz", "planes.csv.gz"):
        (data / "nycflights13" / name).symlink_to(source / name)
    for file in sorted((source / "flights").iterdir())[:months]:
        (data / "nycflights13" / "flights" / file.name).symlink_to(file)
    return data


def _ran_in_full(output: Path) -> int:
    summary = json.loads((output / "summary.json").read_text("utf-8"))
    return sum(stage["ran"] for stage in summary["stages"])
