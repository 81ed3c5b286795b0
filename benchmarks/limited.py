"""Data of four times the memory that a process may have: does it go through?

The limit is one of the address space (`ulimit -v`), 2,500 MB: libraries and the stacks of threads take a part of it before
there is any data. The data are the ten million flights eight times over, 96 files, which are more than 10 GB as rows in memory.
Run are ingest with two rules, preparation, joins and features, with raw rows kept, as in `flights_10m`. The alternative is its
script by hand, file by file, under the same limit. One run each: it is a question of yes or no. `MALLOC_ARENA_MAX=2` is set for
both, without which the C library reserves addresses for each thread.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.data import flights_10m
from benchmarks.timing import PYTHON, Measured, Row, compare, run

LIMIT = 2_500  # MB
TIMES = 8
COPIES = 30
_ROWS = 336_776
_BYTES = 134.5  # of a flight in memory, by Polars' estimated_size


def measure() -> list[Row]:
    """Return the lines of the table."""
    with tempfile.TemporaryDirectory(prefix="levada-limited-") as folder:
        data = _linked(Path(folder) / "data")
        theirs = _limited("flights_polars", str(data), f"{folder}/theirs", "files")
        shutil.rmtree(f"{folder}/theirs", ignore_errors=True)
        ours = _limited("levada_upto", str(data), f"{folder}/ours", "flights_10m", "view")
    size = _ROWS * COPIES * TIMES * _BYTES / 2**20
    name = f"{size / LIMIT:.1f} times the address space"
    if ours is None or theirs is None:
        told = ["goes through" if one else "does not go through" for one in (ours, theirs)]
        return [Row(name, told[0], told[1], None, None)]
    return [
        compare(name, [(ours.seconds, theirs.seconds)], "s", None),
        compare("the same, seconds of the cores", [(ours.core_seconds, theirs.core_seconds)], "s", None),
        compare("the same, peak memory", [(ours.megabytes, theirs.megabytes)], "MB", None),
    ]


def _limited(script: str, *arguments: str) -> Measured | None:
    """Run a script under the limit; None if it does not go through, and what it said is printed."""
    command = [PYTHON, "-m", f"benchmarks.scripts.{script}", *arguments]
    limited = [PYTHON, "-m", "benchmarks.scripts.with_limit", str(LIMIT), *command]
    try:
        return run(limited, environment={"MALLOC_ARENA_MAX": "2"})
    except RuntimeError as error:
        print(str(error)[-2000:], flush=True)
        return None


def _linked(folder: Path) -> Path:
    """Return a folder like ``data/`` with several links to each file of the flights."""
    source = flights_10m(COPIES) / "nycflights13"
    inner = folder / "nycflights13"
    (inner / "flights").mkdir(parents=True)
    for name in ("weather.csv.gz", "planes.csv.gz"):
        (inner / name).symlink_to(source / name)
    for file in sorted((source / "flights").iterdir()):
        for time in range(TIMES):
            (inner / "flights" / f"{file.stem}-{time}.csv").symlink_to(file)
    return folder
