"""10 million flights from CSV to features, against the same in Polars by hand.

The year of flights 30 times over: ingest with two rules, preparation, joins with weather and planes, calendar features,
the raw rows kept as Parquet as well. The alternative is a script as someone writes it who knows Polars well: lazy,
streaming, typed once, joins that keep the order. It is tried in three ways (all files as one table, file by file, one
file a core) and the fastest is what we are compared with. Ours does more: quarantine with reasons, a schema agreed over
all files, digests of all that is written and read, durable files, a catalog. Both run in a fresh process and write anew;
memory is the peak of the process. That both have computed the same is checked column by column.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.agreement import agree
from benchmarks.data import flights_10m
from benchmarks.timing import PYTHON, Measured, Row, compare, in_turn, run

WAYS = ("glob", "files", "threads")
ROUNDS = 5


def measure() -> list[Row]:
    """Return the lines of the table."""
    data = str(flights_10m())
    with tempfile.TemporaryDirectory(prefix="levada-flights-") as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"

        def levada() -> Measured:
            return _fresh(ours, "levada_upto", data, str(ours), "flights_10m", "view")

        def by_hand(way: str) -> Measured:
            return _fresh(theirs, "flights_polars", data, str(theirs), way)

        tried = {way: statistics.median(by_hand(way).seconds for _ in range(2)) for way in WAYS}
        best = min(tried, key=lambda way: tried[way])
        print("by hand: " + ", ".join(f"{way} {seconds:.2f} s" for way, seconds in tried.items()))
        pairs = in_turn(levada, lambda: by_hand(best), ROUNDS)
        agree(*(measured.told()["files"] for measured in pairs[-1]))
    return [
        compare(f"10 M flights to features, by hand: {best}", [(one.seconds, two.seconds) for one, two in pairs], "s", 1.25),
        compare("the same, seconds of the cores", [(one.core_seconds, two.core_seconds) for one, two in pairs], "s", None),
        compare("the same, peak memory", [(one.megabytes, two.megabytes) for one, two in pairs], "MB", 1.25),
    ]


def _fresh(folder: Path, script: str, *arguments: str) -> Measured:
    shutil.rmtree(folder, ignore_errors=True)
    return run([PYTHON, "-m", f"benchmarks.scripts.{script}", *arguments])
