"""How batches differ from those before them: columns, categories, levels and shares that are not as they were.

What a comparison saw is kept as plain data, a batch each, so that a new batch is compared and no other again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import polars as pl

from engine.assess.finding import Finding
from engine.assess.profile import Example, Profile, examples_of

_CATEGORIES = 100  # levels beyond which a text is no category
_BATCHES = 5  # from which on a direction is a trend
_SHOWN = 3  # batches whose new categories are listed
_WHY = "see what changed in the source"


def compare(earlier: Profile | None, now: Profile) -> dict[str, Any]:
    """Return, as plain data, what a batch has and how that differs from all that came before; None: nothing did."""
    before = earlier if earlier is not None and earlier.rows and now.rows else None
    old = set(before.columns) if before is not None else set(now.columns)
    both = sorted(old.intersection(now.columns))
    return {
        "rows": now.rows,
        "gone": sorted(old.difference(now.columns)),
        "new": sorted(set(now.columns) - old),
        "columns": {name: seen for name in both if (seen := _column(before, now, name))},
    }


def _column(before: Profile | None, now: Profile, name: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    if now.numeric(name) and now.of("number", name).height:
        seen["quartiles"] = [now.quantile(name, q) for q in (0.25, 0.5, 0.75)]
    if before is None:
        return seen
    if "quartiles" in seen and before.of("number", name).height:
        seen["before"] = [before.quantile(name, q) for q in (0.25, 0.5, 0.75)]
        seen["count"] = now.values(name)
        middle = now.of("number", name).filter(pl.col("number") == seen["quartiles"][1])
        seen["examples"] = [asdict(one) for one in examples_of(middle, "number", 1)]
    shares = [profile.count("null", name) / (profile.count("column", name) or 1) for profile in (now, before)]
    if abs(shares[0] - shares[1]) >= 0.2:
        shown = [asdict(one) for one in examples_of(now.of("null", name))]
        seen["missing"] = {"shares": shares, "count": now.count("null", name), "examples": shown}
    return {**seen, **_levels(before, now, name)}


def _levels(before: Profile, now: Profile, name: str) -> dict[str, Any]:
    known, levels = before.levels(name), now.levels(name)
    if known is None or levels is None or not 0 < known.height <= _CATEGORIES or not 0 < levels.height <= _CATEGORIES:
        return {}
    seen: dict[str, Any] = {}
    new = levels.filter(~pl.col("text").is_in(known["text"].implode()))
    if new.height:
        shown = [asdict(one) for one in examples_of(new)]
        seen["new"] = {"levels": sorted(new["text"])[:5], "count": int(new["count"].sum()), "examples": shown}
    common = known.filter(pl.col("count") / pl.col("count").sum() >= 0.05)
    gone = common.filter(~pl.col("text").is_in(levels["text"].implode()))
    if gone.height:
        seen["gone"] = sorted(gone["text"])[:5]
    return seen


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of one column in one batch: its number, whether it is the newest, its rows."""

    batch: int
    newest: bool
    rows: int
    of: Mapping[str, Any]


def judge(batches: Sequence[tuple[int, Mapping[str, Any]]], key: Sequence[str]) -> list[Finding]:
    """Return what comparisons of batches tell, each batch with its number, in the order of their numbers."""
    by: dict[str, list[_Seen]] = {}
    absent: dict[str, list[_Seen]] = {}
    found = []
    total = sum(seen["rows"] for _, seen in batches)
    for place, (number, seen) in enumerate(batches):
        newest = place == len(batches) - 1
        for name in seen["gone"]:
            absent.setdefault(name, []).append(_Seen(number, newest, seen["rows"], {}))
        for name in seen["new"]:
            message = f"is new in batch {number}"
            advice = "earlier rows have no value"
            found.append(Finding("note", "column_new", (name,), message, advice, seen["rows"], total))
        for name, of in seen["columns"].items():
            by.setdefault(name, []).append(_Seen(number, newest, seen["rows"], of))
    for name, gone in absent.items():
        lasts = gone[-1].newest
        message = f"{'is' if lasts else 'was'} not in {_named([one.batch for one in gone])}"
        count = sum(one.rows for one in gone)
        advice = "see whether it was renamed" if lasts else _WHY
        found.append(Finding("warning" if lasts else "note", "column_vanished", (name,), message, advice, count, total))
    for name, seen_of in by.items():
        found += [*_missing(name, seen_of), *_new_levels(name, seen_of, total), *_lost_levels(name, seen_of, total)]
        found += _levels_of_numbers(name, seen_of) if name not in key else []
    return found


def _missing(name: str, seen: Sequence[_Seen]) -> list[Finding]:
    moved = [one for one in seen if "missing" in one.of]
    if not moved:
        return []
    first = moved[0].of["missing"]
    now, before = first["shares"]
    message = f"missing in {now:.0%} of batch {moved[0].batch}, {before:.0%} before{_likewise(moved)}"
    count, rows = sum(one.of["missing"]["count"] for one in moved), sum(one.rows for one in moved)
    return [Finding("warning", "missing_shift", (name,), message, _WHY, count, rows, _examples(first))]


def _new_levels(name: str, seen: Sequence[_Seen], total: int) -> list[Finding]:
    new = [one for one in seen if "new" in one.of]
    if not new:
        return []
    listed = [f"batch {one.batch}: {', '.join(one.of['new']['levels'])}" for one in new[-_SHOWN:]]
    message = f"new in {'; '.join(listed)}" + ("; and before" if len(new) > _SHOWN else "")
    count = sum(one.of["new"]["count"] for one in new)
    advice = "a model fitted before has not seen it"
    return [Finding("note", "category_new", (name,), message, advice, count, total, _examples(new[-1].of["new"]))]


def _lost_levels(name: str, seen: Sequence[_Seen], total: int) -> list[Finding]:
    found = []
    batches: dict[str, list[_Seen]] = {}
    for one in seen:
        for level in one.of.get("gone", ()):
            batches.setdefault(level, []).append(one)
    lasting = {level: gone for level, gone in batches.items() if gone[-1].newest}
    for severity, chosen, verb in (
        ("warning", lasting, "not"),
        ("note", {level: gone for level, gone in batches.items() if level not in lasting}, "for a time not"),
    ):
        if chosen:
            listed = [f"{level} ({_named([one.batch for one in gone])})" for level, gone in sorted(chosen.items())[:_SHOWN]]
            message = f"{verb} there: {'; '.join(listed)}" + ("; and others" if len(chosen) > _SHOWN else "")
            found.append(
                Finding("warning" if severity == "warning" else "note", "category_vanished", (name,), message, _WHY, 0, total)
            )
    return found


def _levels_of_numbers(name: str, seen: Sequence[_Seen]) -> list[Finding]:
    """Tell of a trend, or else of single batches whose median lies elsewhere.

    A column that is constant in every batch, such as the month, says which batch it is, and no more.
    """
    measured = [one for one in seen if "quartiles" in one.of]
    trend = _trend(name, measured)
    if trend:
        return trend
    moved, scattered = [], False
    for one in measured:
        low, middle, high = one.of["quartiles"]
        if "before" in one.of and scattered:
            lower, usual, upper = one.of["before"]
            if abs(middle - usual) > 1.5 * (upper - lower) > 0:
                moved.append(one)
        scattered = scattered or high > low
    if not moved:
        return []
    first = moved[0].of
    message = f"the median of batch {moved[0].batch} is {first['quartiles'][1]:g}, before {first['before'][1]:g}"
    advice = "another unit, another meaning, or another world: find out which"
    count, rows = sum(one.of["count"] for one in moved), sum(one.rows for one in moved)
    shown = _examples(first)
    return [Finding("warning", "level_shift", (name,), message + _likewise(moved), advice, count, rows, shown)]


def _trend(name: str, measured: Sequence[_Seen]) -> list[Finding]:
    """Tell of medians that go one way, batch after batch, by more than the rows of a batch scatter."""
    if len(measured) < _BATCHES:
        return []
    medians = [one.of["quartiles"][1] for one in measured]
    spread = max(one.of["quartiles"][2] - one.of["quartiles"][0] for one in measured)
    steps = [b - a for a, b in pairwise(medians)]
    if not (all(step > 0 for step in steps) or all(step < 0 for step in steps)) or not 0 < spread < abs(sum(steps)):
        return []
    message = f"the median goes from {medians[0]:g} to {medians[-1]:g} over {len(medians)} batches, always one way"
    return [Finding("note", "trend", (name,), message, "split chronologically, or a model is judged on what it can not know")]


def _likewise(moved: Sequence[_Seen]) -> str:
    return f"; likewise {_named([one.batch for one in moved[1:]])}" if len(moved) > 1 else ""


def _named(numbers: Sequence[int]) -> str:
    """Return numbers of batches in words, as spans: batches 2, 5 to 7 and 9."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    words = [" to ".join(map(str, span)) for span in spans]
    listed = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return f"batch{'es' if len(numbers) > 1 else ''} {listed}"


def _examples(node: Mapping[str, Any]) -> tuple[Example, ...]:
    return tuple(Example(**one) for one in node["examples"])
