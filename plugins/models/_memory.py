"""How much memory a fit may take here, and fits that would take more."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from engine.errors import DataError

SQUARES: Mapping[str, int] = MappingProxyType(
    {"AffinityPropagation": 6, "GaussianProcessClassifier": 2, "GaussianProcessRegressor": 2, "KernelRidge": 1}
)
"""How many square matrices over all rows, of 8-byte numbers, these estimators hold at once at least. The first is measured."""


def refuse_squares(name: str, rows: int, matrices: int, *, sample: bool = False) -> None:
    """Raise ``DataError`` when so many square matrices over the rows do not fit into memory.

    ``sample`` says that the model called ``name`` has a parameter of that name, which the hint then speaks of.
    """
    needed, free = 8 * matrices * rows**2, available()
    if needed <= free:
        return
    possible = min(5_000, max(2, math.isqrt(free // (16 * matrices))))  # at most half of what is free
    raise DataError(
        f"{name} of {rows:,} rows does not fit into memory",
        expected=f"at most {shown(free)}, what is free",
        found=f"{shown(needed)} ({needed:,} bytes): it grows with the square of the rows",
        hint=f"model.sample={possible} learns from so many rows, and the others join the nearest exemplar"
        if sample
        else f"use another model, or filter the view to some {possible:,} rows",
    )


def available() -> int:
    """Return the bytes that this process can still take: what the machine has free, or less if its container has less."""
    return min([_free(), *_left_in_container()])


def shown(size: float) -> str:
    """Return a number of bytes as people say it."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
    power = 0
    while size >= 1000 and power < len(units) - 1:
        size, power = size / 1000, power + 1
    return f"{size:,.1f} {units[power]}" if power else f"{size:,.0f} bytes"


def _free() -> int:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:  # not Linux: what the machine has
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _left_in_container() -> list[int]:
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return []
    return [max(0, int(limit) - int(used))] if limit.isdigit() else []
