"""How the values of each column are distributed, as plain data to draw: few bars, a name for each."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from engine.assess.profile import Profile

MOST = 400
"""Columns that are drawn."""

_BARS = 20
_VALUES = 12  # different numbers that have a bar each
_LEVELS = 8  # levels that have a bar each
_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def of(profile: Profile, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the distributions of columns, in the order of ``names``.

    Each has ``column``, ``type``, ``missing`` (a share) and ``bars``: counts with what they count. Of numbers and times they
    are even steps between ``low`` and ``high``, and what lies beyond the outer two in two hundred is counted in the last
    bars; of text they are the most frequent levels, ``others`` the rows of all the rest.
    """
    there = set(profile.columns)
    return [_column(profile, name) for name in names if name in there][:MOST]


def _column(profile: Profile, name: str) -> dict[str, Any]:
    types = profile.types(name)
    total = profile.count("column", name)
    found: dict[str, Any] = {
        "column": name,
        "type": " / ".join(one.partition("(")[0] for one in types),
        "missing": profile.count("null", name) / total if total else 0.0,
        "kind": "none",
        "bars": [],
    }
    numbers, levels = profile.numbers(name), profile.of("level", name)
    if numbers.height and len({_unit(one) for one in types}) == 1:
        return found | _steps(numbers, _unit(types[0]), whole=all("Int" in one for one in types))
    return found | _levels(levels) if levels.height else found


def _levels(levels: pl.DataFrame) -> dict[str, Any]:
    top = levels.sort(["count", "text"], descending=[True, False])
    bars = [
        [text if len(text) <= 40 else f"{text[:39]}…", count]
        for text, count in top.select("text", "count").head(_LEVELS).rows()
    ]
    return {"kind": "levels", "bars": bars, "others": int(top["count"][_LEVELS:].sum())}


def _steps(numbers: pl.DataFrame, unit: str, *, whole: bool) -> dict[str, Any]:
    least, most = float(numbers["number"][0]), float(numbers["number"][-1])
    middle = float(numbers.filter(pl.col("share") >= 0.5 - 1e-12)["number"][0])
    found = {"low": _said(least, unit), "middle": _said(middle, unit), "high": _said(most, unit)}
    if numbers.height <= _VALUES:
        bars = [[_said(number, unit), count] for number, count in numbers.select("number", "count").rows()]
        return {"kind": "values", "bars": bars, **found}
    low = float(numbers.filter(pl.col("share") >= 0.005)["number"][0])
    high = float(numbers.filter(pl.col("share") >= 0.995)["number"][0])
    if most - least <= 1.5 * (high - low):
        low, high = least, most
    if not 0 < high - low < math.inf:
        return {"kind": "none", **found}
    width = max(1, math.ceil((high - low + 1) / _BARS)) if whole and not unit else (high - low) / _BARS
    last = min(_BARS - 1, int((high - low) // width))
    place = ((pl.col("number") - low) / width).floor().clip(0, last).cast(pl.Int64).alias("place")
    counts = dict(numbers.group_by(place).agg(pl.col("count").sum()).iter_rows())
    ends = [_said(low + step * width, unit) for step in range(last + 2)]
    bars = [[f"{since} to {until}", counts.get(step, 0)] for step, (since, until) in enumerate(pairwise(ends))]
    return {"kind": "steps", "bars": bars, **found}


def _unit(dtype: str) -> str:
    """Return what a number of a type counts: days, or a unit of time; empty where it is a number and no time."""
    if dtype.startswith("Datetime"):
        found = re.search(r"time_unit='(\w+)'", dtype)
        return found.group(1) if found else "us"
    return {"Date": "day"}.get(dtype, "")


def _said(number: float, unit: str) -> str:
    if not unit:
        return f"{number:.5g}" if abs(number) < 100_000 or abs(number) >= 1e15 else f"{number:.0f}"
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number / _PER_DAY.get(unit, 1))
    except OverflowError:
        return f"{number:g}"
    return f"{moment:%Y-%m-%d}" if unit == "day" or (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%d %H:%M}"
