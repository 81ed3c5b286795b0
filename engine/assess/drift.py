"""What the newest batch tells beside the ones before: columns, categories, levels and shares that are not as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import polars as pl

from engine.assess.findings import Finding
from engine.assess.profile import Example, Profile, examples_of

_CATEGORIES = 100  # levels beyond which a text is no category
_BATCHES = 5  # from which on a direction is a trend


def compare(earlier: pl.DataFrame, newest: pl.DataFrame) -> list[Finding]:
    """Return how the newest batch differs from all that came before it."""
    before, now = Profile(earlier), Profile(newest)
    if not before.rows or not now.rows:
        return []
    there = set(before.columns), set(now.columns)
    found = [
        Finding(
            "warning",
            "column_vanished",
            (name,),
            "is not in the newest batch",
            "see whether it was renamed",
            now.rows,
            now.rows,
        )
        for name in sorted(there[0] - there[1])
    ]
    found += [
        Finding("note", "column_new", (name,), "is new in the newest batch", "earlier rows have no value", now.rows, now.rows)
        for name in sorted(there[1] - there[0])
    ]
    for name in sorted(there[0] & there[1]):
        found += [*_missing(before, now, name), *_categories(before, now, name), *_shift(before, now, name)]
    return found


def trends(batches: Sequence[pl.DataFrame], key: Sequence[str]) -> list[Finding]:
    """Return the numeric columns whose medians go one way, batch after batch, by more than the rest of rows scatter."""
    if len(batches) < _BATCHES:
        return []
    profiles = [Profile(one) for one in batches]
    found = []
    for name in profiles[-1].columns:
        medians = [profile.quantile(name, 0.5) for profile in profiles if profile.of("number", name).height]
        spreads = [_spread(profile, name) for profile in profiles if profile.of("number", name).height]
        if name in key or len(medians) < _BATCHES or not _numeric(profiles[-1], name):
            continue
        steps = [b - a for a, b in pairwise(medians) if a is not None and b is not None]
        way = all(step > 0 for step in steps) or all(step < 0 for step in steps)
        if way and 0 < max(spreads) < abs(sum(steps)):
            message = f"the median goes from {medians[0]:g} to {medians[-1]:g} over {len(medians)} batches, always one way"
            advice = "split chronologically, or a model is judged on what it can not know"
            found.append(Finding("note", "trend", (name,), message, advice))
    return found


def _missing(before: Profile, now: Profile, name: str) -> Iterator[Finding]:
    shares = [profile.count("null", name) / (profile.count("column", name) or 1) for profile in (before, now)]
    if abs(shares[1] - shares[0]) >= 0.2:
        message = f"missing in {shares[1]:.0%} of the newest batch, {shares[0]:.0%} before"
        shown = tuple(examples_of(now.of("null", name)))
        count = now.count("null", name)
        yield Finding("warning", "missing_shift", (name,), message, "see what changed in the source", count, now.rows, shown)


def _categories(before: Profile, now: Profile, name: str) -> Iterator[Finding]:
    known, levels = before.levels(name), now.levels(name)
    if known is None or levels is None or not 0 < known.height <= _CATEGORIES or levels.height > _CATEGORIES:
        return
    new = levels.filter(~pl.col("text").is_in(known["text"].implode()))
    if new.height:
        count = int(new["count"].sum())
        message = f"new in the newest batch: {', '.join(sorted(new['text'])[:5])}"
        shown = tuple(examples_of(new))
        yield Finding("note", "category_new", (name,), message, "a model has not seen it", count, now.rows, shown)
    share = pl.col("count") / pl.col("count").sum()
    gone = known.filter(share >= 0.05).filter(~pl.col("text").is_in(levels["text"].implode()))
    if gone.height:
        message = f"not in the newest batch: {', '.join(sorted(gone['text'])[:5])}"
        yield Finding("warning", "category_vanished", (name,), message, "see what changed in the source", 0, now.rows)


def _shift(before: Profile, now: Profile, name: str) -> Iterator[Finding]:
    spread = _spread(before, name)
    medians = before.quantile(name, 0.5), now.quantile(name, 0.5)
    if not _numeric(now, name) or spread <= 0 or medians[0] is None or medians[1] is None:
        return
    if abs(medians[1] - medians[0]) > 1.5 * spread:
        message = f"the median of the newest batch is {medians[1]:g}, before {medians[0]:g}"
        few = now.of("number", name).filter(pl.col("number") == medians[1])
        shown = tuple(Example(file, row, f"{medians[1]:g}") for file, row in few.select("file", "row").head(1).iter_rows())
        advice = "another unit, another meaning, or another world: find out which"
        yield Finding("warning", "level_shift", (name,), message, advice, now.values(name), now.rows, shown)


def _spread(profile: Profile, name: str) -> float:
    low, high = profile.quantile(name, 0.25), profile.quantile(name, 0.75)
    return 0.0 if low is None or high is None else high - low


def _numeric(profile: Profile, name: str) -> bool:
    return all(one.startswith(("Int", "UInt", "Float")) for one in profile.types(name))
