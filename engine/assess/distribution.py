"""How the values of each column are distributed, as plain data to draw: few bars, a name for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl

from engine.assess.profile import Profile, said

MOST = 400
"""Columns that are drawn."""

_BARS = 20
_VALUES = 12  # different numbers that have a bar each
_WHOLE = 32  # span of whole numbers that have a bar each
_LEVELS = 8  # levels that have a bar each


def of(profile: Profile, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the distributions of columns, in the order of ``names``.

    Each has ``column``, ``type``, ``missing`` (a share) and ``bars``: counts with what they count. Of numbers and times they
    are even steps between ``low`` and ``high``; where a long tail would leave them no room, the outer one in two hundred
    rows of that end are in the last bar, and the end is marked by three dots. Of text they are the most frequent levels,
    ``others`` the rows of all the rest.
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
    numbers, times, levels = profile.numbers(name), profile.times(name), profile.of("level", name)
    if numbers.height and profile.numeric(name):
        return found | _steps(numbers, types[0], whole=all("Int" in one for one in types))
    if times.height and len(types) == 1:
        return found | _steps(times, types[0], whole=types[0] == "Date")
    return found | _levels(levels) if levels.height else found


def _levels(levels: pl.DataFrame) -> dict[str, Any]:
    top = levels.sort(["count", "text"], descending=[True, False])
    bars = [
        [text if len(text) <= 40 else f"{text[:39]}…", count]
        for text, count in top.select("text", "count").head(_LEVELS).rows()
    ]
    return {"kind": "levels", "bars": bars, "others": int(top["count"][_LEVELS:].sum())}


def _steps(numbers: pl.DataFrame, dtype: str, *, whole: bool) -> dict[str, Any]:
    least, most = float(numbers["number"][0]), float(numbers["number"][-1])
    middle = float(numbers.filter(pl.col("share") >= 0.5 - 1e-12)["number"][0])
    found = {"low": said(least, dtype), "middle": said(middle, dtype), "high": said(most, dtype)}
    if numbers.height <= _VALUES:
        bars = [[said(number, dtype), count] for number, count in numbers.select("number", "count").rows()]
        return {"kind": "values", "bars": bars, **found}
    few = whole and most - least < _WHOLE
    low, high = (float(numbers.filter(pl.col("share") >= share)["number"][0]) for share in (0.005, 0.995))
    tail = 0.25 * (high - low)
    low, high = low if low - least > tail and not few else least, high if most - high > tail and not few else most
    if not 0 < high - low < math.inf:
        return {"kind": "none", **found}
    width = 1 if few else math.ceil((high - low + 1) / _BARS) if whole else (high - low) / _BARS
    last = min((_WHOLE if few else _BARS) - 1, int((high - low) // width))
    place = ((pl.col("number") - low) / width).floor().clip(0, last).cast(pl.Int64).alias("place")
    counts = dict(numbers.group_by(place).agg(pl.col("count").sum()).iter_rows())
    ends = [said(low + step * width, dtype) for step in range(last + 2)]
    if least < low:
        ends[0], found["low"] = found["low"], f"{found['low']} …"
    if low + (last + 1) * width < most:
        ends[-1], found["high"] = found["high"], f"… {found['high']}"
    names = ends[:-1] if few else [f"{since} to {until}" for since, until in pairwise(ends)]
    return {"kind": "steps", "bars": [[name, counts.get(step, 0)] for step, name in enumerate(names)], **found}
