"""Runs the benchmarks that are named, or all, and prints one table. ``python -m benchmarks [NAME ...]``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from benchmarks.timing import Row

NAMES = (
    "empty_tasks",
    "flights_10m",
    "peers",
    "scaling",
    "limited",
    "unchanged",
    "sweep",
    "sweep_peers",
    "one_new_batch",
    "ingest",
    "mongo",
)
_COLUMNS = ("what", "ours", "alternative", "ratio", "from", "to", "aim, at most")


def main(names: Sequence[str]) -> int:
    """Measure and print. Unknown names are said to be so, with those that there are."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
        return 2
    rows: list[Row] = []
    for name in names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n{name}: {(module.__doc__ or '').partition(chr(10))[0]}", flush=True)
        found = module.measure()
        _print(found)
        rows += found
    if len(names) != 1:
        print("\nall")
        _print(rows)
    return 0


def _print(rows: Sequence[Row]) -> None:
    table = [_COLUMNS, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(_COLUMNS))]
    for line in table:
        first, *others = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        print("  ".join(cells), flush=True)


def _line(row: Row) -> tuple[str, ...]:
    least, most = row.spread or (None, None)
    return row.name, row.ours, row.alternative, *(_number(value) for value in (row.ratio, least, most, row.aim))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
