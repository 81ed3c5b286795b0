"""From the flights' CSV files to a training matrix, by Levada and by its peers.

The work of `flights_10m`, and an encoding fitted on the earliest 60 % of the rows: missing numbers filled in by the median,
missing text by a word, numbers standardized, the ten most frequent levels of each text as columns; 97 columns in all, written
as Parquet. Each peer does it as those who know it well would, on as many cores as there are: with pandas only needed columns
are read, by Arrow, and no row of Python is ever looped over. Where there are several ways, each is tried once and the fastest
counts. Ours does more: the raw rows and the features are kept as well, exact, verified and durable, with a catalog. The
others write the matrix and, where that is quicker or the tool's custom, the features. Once with two million rows and once
with ten million, for which those with pandas need some 15 GB of memory. That all have computed the same is checked column by
column.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.agreement import agree
from benchmarks.data import flights_10m
from benchmarks.timing import PYTHON, Measured, Row, compare, in_turn, run

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Peer:
    """A script that does the work, the ways in which it can, the library it needs, and what ours should be at most of it."""

    name: str
    script: str
    ways: tuple[str, ...] = ()
    library: str = "polars"
    aim: float = 1.0
    memory: float | None = None


PEERS = (
    Peer("Polars by hand", "matrix_polars", ("memory", "stored"), aim=1.1, memory=1.25),
    Peer("pandas by hand", "flights_pandas", library="pandas", aim=1 / 2),
    Peer("Kedro with pandas", "flights_kedro", ("memory", "stored"), library="kedro", aim=1 / 3),
    Peer("Hamilton with pandas", "flights_hamilton", ("pandas",), library="hamilton"),
    Peer("Hamilton with Polars", "flights_hamilton", ("memory", "stored"), library="hamilton"),
    Peer("scikit-learn's ColumnTransformer", "flights_sklearn", library="pandas"),
    Peer("Dask DataFrame", "flights_dask", library="pandas"),
)


def measure() -> list[Row]:
    """Return the lines of the table."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="levada-peers-") as folder:
        for copies, title in ((6, "2 M flights to a matrix"), (30, "10 M flights to a matrix")):
            for peer in PEERS:
                rows += _beside(peer, f"{title}, {peer.name}", str(flights_10m(copies)), Path(folder))
    return rows


def _beside(peer: Peer, title: str, data: str, folder: Path) -> list[Row]:
    if find_spec(peer.library) is None:
        return [Row(title, "", f"{peer.library} is not installed", None, peer.aim)]

    def levada() -> Measured:
        return _fresh(folder / "ours", "levada_upto", data, str(folder / "ours"), "flights_matrix", "encoded")

    def theirs(*way: str) -> Measured:
        return _fresh(folder / "theirs", peer.script, data, str(folder / "theirs"), *way)

    tried = {way: theirs(way).seconds for way in peer.ways} if len(peer.ways) > 1 else {}
    best = (min(tried, key=lambda way: tried[way]),) if tried else peer.ways
    if tried:
        print(f"{peer.name}: " + ", ".join(f"{way} {seconds:.2f} s" for way, seconds in tried.items()), flush=True)
    pairs = in_turn(levada, lambda: theirs(*best), ROUNDS)
    agree(*(measured.told()["files"] for measured in pairs[-1]))
    name = f"{title}: {best[0]}" if tried else title
    return [
        compare(name, [(one.seconds, two.seconds) for one, two in pairs], "s", peer.aim),
        compare("the same, seconds of the cores", [(one.core_seconds, two.core_seconds) for one, two in pairs], "s", None),
        compare("the same, peak memory", [(one.megabytes, two.megabytes) for one, two in pairs], "MB", peer.memory),
    ]


def _fresh(folder: Path, script: str, *arguments: str) -> Measured:
    shutil.rmtree(folder, ignore_errors=True)
    return run([PYTHON, "-m", f"benchmarks.scripts.{script}", *arguments])
