"""CSV files into the raw store, against Polars' own ``scan_csv().sink_parquet()`` of the same files.

Ours learns the types, sees that no value is changed and no row lost, makes the files durable, knows their digests, and
commits the batch. The rows are flights, with their times, which the alternative parses as well or leaves as text, and
without, where there are whole numbers and words alone; and decimal numbers of up to 17 digits, which cost us most. Each side
is a process of its own that says what its work took: it has done the same with a few rows before, so that imports and first
calls are not counted. Also: twelve files against one of the same size, ten datasets at once against each alone, and the
memory that a file of 2 GB takes.
"""

from __future__ import annotations

import glob
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
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
    timeless, decimal = str(_without_times(Path(one))), str(_decimal())
    compared = [
        line
        for what, path in ((f"{size} into the raw store", one), ("without times", timeless), ("decimal numbers", decimal))
        for line in _compared(what, path)
    ]
    untyped = [(_told("ours", one), _told("untyped", one)) for _ in range(ROUNDS)]
    files = [(_told("ours", parts), _told("ours", one)) for _ in range(ROUNDS)]
    ten = [(_told("ours", *sorted(map(str, folder.glob("*.csv")))[:10]), _each(folder)) for _ in range(3)]
    large = [(_peak("ours"), _peak("polars")) for _ in range(3)]
    return [
        *compared,
        compare("against times left as text", [(a["seconds"], b["seconds"]) for a, b in untyped], "s", None),
        compare("twelve files, against one", [(a["seconds"], b["seconds"]) for a, b in files], "s", 1.1),
        compare("the same, core seconds", [(a["cores"], b["cores"]) for a, b in files], "s", 1.1),
        compare(
            "ten datasets at once, against the sum of each / cores", [(a["seconds"], b["seconds"]) for a, b in ten], "s", 1.2
        ),
        compare("the same, against their core seconds / cores", [(a["seconds"], b["cores"]) for a, b in ten], "s", 1.2),
        compare("peak memory of 2 GB of CSV", large, "MB", None),
    ]


def _compared(what: str, path: str) -> list[Row]:
    pairs = [(_told("ours", path), _told("polars", path)) for _ in range(ROUNDS)]
    return [
        compare(what, [(a["seconds"], b["seconds"]) for a, b in pairs], "s", 1.25),
        compare("the same, core seconds", [(a["cores"], b["cores"]) for a, b in pairs], "s", 1.25),
    ]


def _told(side: str, *paths: str) -> Any:
    return run([PYTHON, "-m", "benchmarks.ingest", side, *paths]).told()


def _each(folder: Path) -> dict[str, float]:
    """Return the seconds that each of ten files takes by itself, in all, divided by the cores: by the clock, of the cores."""
    alone = [_told("ours", file) for file in sorted(map(str, folder.glob("*.csv")))[:10]]
    return {what: sum(one[what] for one in alone) / (os.cpu_count() or 1) for what in ("seconds", "cores")}


def _peak(side: str) -> float:
    return run([PYTHON, "-m", "benchmarks.ingest", side, str(_large_file())]).megabytes


def _one_file(folder: Path) -> Path:
    """Return one file with the rows of all, made once."""
    one = CACHE / f"flights_x{COPIES}.csv"
    if not one.exists():
        _join(sorted(folder.glob("*.csv")), one)
    return one


def _without_times(file: Path) -> Path:
    """Return the file without its last column, made once."""
    timeless = file.with_stem(f"{file.stem}_timeless")
    if not timeless.exists():
        with file.open("rb") as source, timeless.with_suffix(".unfinished").open("wb") as output:
            output.writelines(line.rpartition(b",")[0] + b"\n" for line in source)
        timeless.with_suffix(".unfinished").rename(timeless)
    return timeless


def _decimal(rows: int = 3_000_000) -> Path:
    """Return a file of decimal numbers, made once: two columns have 2 digits after the point, two as many as there are."""
    decimal = CACHE / f"decimal_{rows}.csv"
    if not decimal.exists():
        numbers = random.Random(0)
        with decimal.with_suffix(".unfinished").open("w") as output:
            output.write("id,a,b,c,d\n")
            for row in range(rows):
                short, long = (numbers.uniform(-100, 100), numbers.uniform(0, 10)), (numbers.random(), numbers.gauss(0, 1))
                output.write(f"{row},{short[0]:.2f},{short[1]:.2f},{long[0]!r},{long[1]!r}\n")
        decimal.with_suffix(".unfinished").rename(decimal)
    return decimal


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


def _polars(folder: Path, paths: Sequence[str], *, dates: bool = True) -> None:
    import polars as pl

    for path in paths:
        frame = pl.scan_csv(path, null_values=["NA"], try_parse_dates=dates, infer_schema_length=10_000)
        frame.sink_parquet(folder / "out.parquet", engine="streaming")


def _ours(folder: Path, paths: Sequence[str]) -> None:
    from engine.config.specify import specify
    from engine.intake import ingest_pipeline

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
    works: dict[str, Callable[[Path, Sequence[str]], None]] = {
        "ours": _ours,
        "polars": _polars,
        "untyped": partial(_polars, dates=False),
    }
    work = works[side]
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        few = Path(folder) / "few.csv"
        with Path(glob.glob(paths[0])[0]).open("rb") as file:  # noqa: PTH207  Path.glob takes no absolute pattern
            few.write_bytes(b"".join(file.readline() for _ in range(2000)))
        (Path(folder) / "first").mkdir()
        work(Path(folder) / "first", [str(few)])
        began, cores = time.perf_counter(), time.process_time()
        work(Path(folder), paths)
        print(json.dumps({"seconds": time.perf_counter() - began, "cores": time.process_time() - cores}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
