"""The data that benchmarks read, made once below the system's temporary folder and used again."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path

from benchmarks.timing import ROOT

FLIGHTS = ROOT / "data" / "nycflights13"
CACHE = Path(tempfile.gettempdir()) / "levada-benchmarks"


def flights_10m(copies: int = 30) -> Path:
    """Return a folder like ``data/`` whose flights are ``copies`` times as many, 12 plain CSV files of 890 MB in all."""
    folder = CACHE / f"flights_x{copies}"
    if not folder.is_dir():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        inner = unfinished / "nycflights13"
        (inner / "flights").mkdir(parents=True)
        for file in sorted((FLIGHTS / "flights").glob("*.csv.gz")):
            header, rows = gzip.decompress(file.read_bytes()).split(b"\n", 1)
            whole = rows if rows.endswith(b"\n") else rows + b"\n"
            with (inner / "flights" / file.stem).open("wb") as big:
                big.write(header + b"\n")
                for _ in range(copies):
                    big.write(whole)
        for name in ("weather.csv.gz", "planes.csv.gz"):
            shutil.copy(FLIGHTS / name, inner)
        unfinished.rename(folder)
    return folder
