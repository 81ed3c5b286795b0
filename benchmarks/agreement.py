"""Makes sure that two sides of a benchmark have computed the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.timing import PYTHON, run

_SAME = 1e-9  # of the larger sum, or of the number of rows: sums of rounded numbers differ by less


def agree(ours: Sequence[str], theirs: Sequence[str]) -> None:
    """Raise ``RuntimeError`` unless both tables have as many rows and, column by column, the same sums and nulls."""
    one, two = (run([PYTHON, "-m", "benchmarks.scripts.totals", *files]).told() for files in (ours, theirs))
    different = {key: (one[key], two[key]) for key in ("rows", "nulls") if one[key] != two[key]}
    different |= {
        name: (one["sums"].get(name), two["sums"].get(name))
        for name in sorted({*one["sums"], *two["sums"]})
        if not _is_same(one["sums"].get(name), two["sums"].get(name), one["rows"])
    }
    if different:
        raise RuntimeError(f"ours and the alternative differ: {different}")
    print(f"both have {one['rows']:,} rows, and equal sums and nulls in {len(one['nulls'])} columns", flush=True)


def _is_same(one: Any, two: Any, rows: int) -> bool:
    if one is None or two is None:
        return False
    return bool(abs(one - two) <= _SAME * max(abs(one), abs(two), rows))
