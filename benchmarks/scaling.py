"""What a step, a partition and a column more cost in preparing, beside the same in Polars by hand.

Steps are `derive` with a sum of two columns, each built on the one before; data are numbers in Parquet files. Timed is what
follows ingesting: from the text of the pipeline to the feature files, in a process that has its libraries loaded, the fewest
seconds of four. By hand it is one lazy frame a file, all steps in it, a file a core. The first lines are times: what is
constant is most of ours where there is little to do. Then follows what one more costs, of the core seconds, ours above what
it costs by hand: a step, with a thousand rows in one file, is reading its YAML, checking it and its part of the plan; with 200
files its part of the plan is made for each of them. Last, whether cost grows faster than what it is of: what one costs where
there are many, beside what it costs where there are fewer. At most 1 is no worse than linear.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.agreement import agree
from benchmarks.timing import PYTHON, Row, compare, in_turn, run

ROUNDS = 3
_MILLION = 1_000_000
STEPS = {steps: (steps, 12, 10, _MILLION) for steps in (1, 10, 50)}
PARTITIONS = {partitions: (10, partitions, 10, _MILLION) for partitions in (1, 12, 200)}
COLUMNS = {columns: (10, 12, columns, _MILLION // 10) for columns in (10, 100, 1_000)}
FEW_ROWS = {steps: (steps, 1, 10, 1_000) for steps in (1, 50)}
_AIM = 1.0  # millisecond a step


def measure() -> list[Row]:
    """Return the lines of the table."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="levada-scaling-") as folder:
        steps = _each("steps", STEPS, folder, rows)
        partitions = _each("partitions", PARTITIONS, folder, rows)
        columns = _each("columns", COLUMNS, folder, rows)
        few = _each("steps, 1,000 rows", FEW_ROWS, folder, rows)
    more = {
        "a step more": (_more(few, 1, 50), _AIM),
        "a step more, of each of 12 partitions": (tuple(one / 12 for one in _more(steps, 1, 50)), _AIM),
        "a partition more": (_more(partitions, 1, 200), None),
        "a column more": (_more(columns, 10, 1_000), None),
    }
    for name, ((ours, theirs), aim) in more.items():
        rows.append(Row(f"{name}: above by hand, in ms", f"{ours:.2f} ms", f"{theirs:.2f} ms", ours - theirs, aim))
    return [*rows, _growth("step", steps), _growth("partition", partitions), _growth("column", columns)]


_Costs = dict[int, tuple[float, float]]
"""Core seconds of ours and by hand, by how many there are."""


def _each(what: str, sizes: Mapping[int, tuple[int, ...]], folder: str, rows: list[Row]) -> _Costs:
    """Measure each size, add a line for each, and return the medians of the core seconds."""
    costs = {}
    for size, arguments in sizes.items():
        ours_by, by_hand = (partial(_told, who, folder, arguments) for who in ("levada", "polars"))
        told = in_turn(ours_by, by_hand, ROUNDS)
        agree(*(one["files"] for one in told[-1]))
        rows.append(compare(f"{size:,} {what}", [(one["seconds"], two["seconds"]) for one, two in told], "s", None))
        ours, theirs = zip(*((one["core_seconds"], two["core_seconds"]) for one, two in told), strict=True)
        costs[size] = statistics.median(ours), statistics.median(theirs)
    return costs


def _told(who: str, folder: str, arguments: tuple[int, ...]) -> dict[str, Any]:
    told: dict[str, Any] = run([PYTHON, "-m", "benchmarks.scripts.scaled", who, folder, *map(str, arguments)]).told()
    return told


def _more(costs: _Costs, few: int, many: int) -> tuple[float, ...]:
    """Return what one more costs, in milliseconds, ours and by hand."""
    return tuple((after - before) / (many - few) * 1_000 for before, after in zip(costs[few], costs[many], strict=True))


def _growth(what: str, costs: _Costs) -> Row:
    *_, few, many = sorted(costs)
    there, here = (costs[size][0] / size * 1_000 for size in (many, few))
    return Row(f"of {many:,} a {what}, beside of {few:,}", f"{there:.3g} ms", f"{here:.3g} ms", there / here, 1.0)
