"""CSV files into the raw store, against Polars' own ``scan_csv().sink_parquet()`` of the same files.

Ours learns the types from all rows, sees that no value is changed and no row lost, makes the files durable, knows their
digests, and commits the batch. The rows are flights; each side is a process of its own that says what its work took,
imports not counted. Also: twelve files against one of the same size, ten datasets at once against each alone, and the
memory that a file of 2 GB takes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import CACHE, flights_10m
from benchmarks.timing import PYTHON, Row, compare, run

COPIES = 10
ROUNDS = 5
LARGE = 2_000_000_000  # bytes


def measure() -> list[Row]:
    """Return the lines of the table."""
    folder = flights_10m(COPIES) / "nycflights13" / "flights"
    parts, one = f"{folder}/*.csv", str(_one_file(folder))
    size = f"{Path(one).stat().st_size / 1e6:.0f} MB of CSV"
    pairs = [(_told("ours", one), _told("polars", one)) for _ in range(ROUNDS)]
    files = [(_told("ours", parts), _told("ours", one)) for _ in range(ROUNDS)]
    ten = [(_told("ours", *sorted(map(str, folder.glob("*.csv")))[:10]), _each(folder)) for _ in range(3)]
    large = [(_peak("ours"), _peak("polars")) for _ in range(1)]
    return [
        compare(f"{size} into the raw store", [(a["seconds"], b["seconds"]) for a, b in pairs], "s", 1.25),
        compare("the same, core seconds", [(a["cores"], b["cores"]) for a, b in pairs], "s", 1.25),
        compare("twelve files, against one", [(a["seconds"], b["seconds"]) for a, b in files], "s", 1.1),
        compare("ten datasets at once, against the sum of each / cores", [(a["seconds"], b) for a, b in ten], "s", 1.2),
        compare("peak memory of 2 GB of CSV", large, "MB", None),
    ]


def _told(side: str, *paths: str) -> Any:
    return run([PYTHON, "-m", "benchmarks.ingest", side, *paths]).told()


def _each(folder: Path) -> float:
    """Return the seconds that each of ten files takes by itself, in all, divided by the cores."""
    files = sorted(map(str, folder.glob("*.csv")))[:10]
    return float(sum(_told("ours", file)["seconds"] for file in files)) / (os.cpu_count() or 1)


def _peak(side: str) -> float:
    return run([PYTHON, "-m", "benchmarks.ingest", side, str(_large_file())]).megabytes


def _one_file(folder: Path) -> Path:
    """Return one file with the rows of all, made once."""
    one = CACHE / f"flights_x{COPIES}.csv"
    if not one.exists():
        _join(sorted(folder.glob("*.csv")), one)
    return one


def _large_file() -> Path:
    large = CACHE / "flights_2gb.csv"
    if not large.exists():
        months = sorted((flights_10m(30) / "nycflights13" / "flights").glob("*.csv"))
        _join([*months, *months, *months], large, LARGE)
    return large


def _join(files: Sequence[Path], into: Path, at_least: int | None = None) -> None:
    with into.with_suffix(".unfinished").open("wb") as output:
        for number, file in enumerate(files):
            with file.open("rb") as source:
                header = source.readline()
                if number == 0:
                    output.write(header)
                shutil.copyfileobj(source, output)
            if at_least is not None and output.tell() >= at_least:
                break
    into.with_suffix(".unfinished").rename(into)


def _polars(folder: Path, paths: Sequence[str]) -> None:
    import polars as pl

    for path in paths:
        frame = pl.scan_csv(path, null_values=["NA"], try_parse_dates=True, infer_schema_length=10_000)
        frame.sink_parquet(folder / "out.parquet", engine="streaming")


def _ours(folder: Path, paths: Sequence[str]) -> None:
    from engine.config.spec import specify
    from engine.runs import ingest_pipeline

    datasets = {f"flights{n}": {"extract": {"use": "csv", "path": path, "nulls": ["NA"]}} for n, path in enumerate(paths)}
    spec = specify(
        {
            "name": "flights",
            "problem": {"task": "regression", "target": "arr_delay"},
            "datasets": datasets,
            "view": {"from": "flights0"},
            "splitter": "random",
            "model": "sklearn.Ridge",
            "store": {"root": str(folder / "store")},
        }
    )
    ingest_pipeline(spec).raise_failure()


def main(side: str, paths: Sequence[str]) -> None:
    """Do the work of one side once, and print what it took."""
    import polars  # noqa: F401, ICN001  imports are not counted

    if side == "ours":
        import engine.runs  # noqa: F401
        import plugins.extractors.csv  # noqa: F401

    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        began, cores = time.perf_counter(), time.process_time()
        (_ours if side == "ours" else _polars)(Path(folder), paths)
        print(json.dumps({"seconds": time.perf_counter() - began, "cores": time.process_time() - cores}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
