"""What a summary of rows tells by itself: about keys, missing values, types, constants, outliers and shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from engine.assess import texts
from engine.assess.finding import Finding, Severity, ordered
from engine.assess.profile import Example, Profile, examples_of, said
from engine.assess.summary import BUCKET


def examine(profile: Profile, key: Sequence[str]) -> list[Finding]:
    """Return what the rows of a summary tell by themselves."""
    found = [*_keys(profile, key), *_missing(profile)]
    for name in profile.columns:
        if profile.values(name):
            found += [*_types(profile, name), *texts.examine(profile, name), *_constant(profile, name)]
            found += _numbers(profile, name, key)
    return ordered(found)


def _keys(profile: Profile, key: Sequence[str]) -> Iterator[Finding]:
    rows, names = profile.rows, ", ".join(key)
    lacking = profile.of("key_null")
    if lacking.height:
        count = int(lacking["count"].sum())
        advice = "such a row can not be named or joined: let not_null set it aside, or choose another key"
        yield Finding(
            "error", "key_missing", tuple(key), f"a part of the key {names} is missing", advice, count, rows, _few(lacking)
        )
    count, estimated, examples = profile.repeated("key")
    if count:
        about = "about " if estimated else ""
        advice = "add the column that tells such rows apart to the key, or keep one of each"
        message = f"{about}{count:,} rows have a key ({names}) that another row has"
        yield Finding("error", "key_repeated", tuple(key), message, advice, count, rows, tuple(examples))
    again, roughly, examples = profile.repeated("row")
    if again:
        message = f"{'about ' if roughly else ''}{again:,} rows are equal to another in every column"
        twice = profile.of("row").filter(pl.col("count") > 1)
        # then no two rows of a key differ, and all copies of a row are in its own file: a check of partitions sees them
        copies = again == count and not (roughly or estimated) and bool((twice["file"] == twice["last_file"]).all())
        detail = {"key": list(key) if copies else []}
        yield Finding("warning", "rows_repeated", (), message, "keep one of each", again, rows, tuple(examples), detail)


def _missing(profile: Profile) -> Iterator[Finding]:
    for name in profile.columns:
        entries, total = profile.of("null", name), profile.count("column", name)
        count = int(entries["count"].sum())
        if not count:
            continue
        share = count / total
        if share == 1:
            yield Finding("warning", "empty", (name,), "has no value at all", "drop it", count, total)
            continue
        severity: Severity = "warning" if share >= 0.2 else "note"
        advice = "impute would invent most of it: drop it, or find out why" if share >= 0.5 else "impute it under encode"
        message = f"missing in {_percent(share)} of rows"
        yield Finding(severity, "missing", (name,), message, advice, count, total, _few(entries))
    for names, count, example in profile.patterns():
        if 2 <= len(names) < len(profile.columns) and count >= 2:
            advice = "these rows were probably not measured: look at them before filling them in"
            yield Finding(
                "note", "missing_together", names, "missing in the same rows", advice, count, profile.rows, (example,)
            )
            return


def _types(profile: Profile, name: str) -> Iterator[Finding]:
    types = profile.types(name)
    if len(types) > 1:
        entries = profile.of("column", name).filter(pl.col("text") != "Null", pl.col("count") > 0)
        both_numbers = all(one.startswith(("Int", "UInt", "Float")) for one in types)
        advice = "declare its type where it is extracted (dtypes)"
        yield Finding(
            "note" if both_numbers else "error",
            "types",
            (name,),
            f"is {' in some files, '.join(types)} in others",
            advice,
            int(entries["count"].min()),  # type: ignore[arg-type]  # a number
            int(entries["count"].sum()),
            _few(entries),
        )
    entries = profile.of("not_finite", name)
    if entries.height:
        count = int(entries["count"].sum())
        advice = "make it missing where it is extracted (nulls)"
        yield Finding("warning", "not_finite", (name,), "NaN or infinite", advice, count, profile.values(name), _few(entries))


def _constant(profile: Profile, name: str) -> Iterator[Finding]:
    entries = pl.concat([profile.of(what, name) for what in ("number", "time", "level")])
    total = profile.values(name)
    if not entries.height or total < 2:
        return
    top, count = entries.sort("count", descending=True).row(0, named=True), int(entries["count"].max())  # type: ignore[arg-type]  # a number
    dtype = profile.types(name)[0]

    def shown(text: str, number: float | None) -> str:
        return text if number is None else said(number, dtype)

    value = shown(top["text"], top["number"])
    if count == total:
        missing = profile.count("null", name)
        message = f"is always '{value}'" + (" or missing" if missing else "")
        severity: Severity = "warning" if not missing else "note"
        other = _OTHERWISE.get(dtype.partition("(")[0]) if missing else None
        detail = {"otherwise": other} if other is not None and top["number"] != 0 and value not in ("false", "none") else {}
        advice = "it tells by being there or not: fill says so" if detail else "it tells nothing: drop it"
        yield Finding(severity, "constant", (name,), message, advice, count, total, (), detail)
    elif count / total >= 0.995 and total >= 200:
        others = entries.filter(pl.col("count") < count).sort("count", "file", "row", descending=[True, False, False]).head(3)
        places = others.select("file", "row", "text", "number").rows()
        rare = [Example(file, row, shown(text, number)) for file, row, text, number in places]
        message = f"is '{value}' in {_percent(count / total)} of rows"
        advice = "it tells little: see whether the others are mistakes"
        yield Finding("note", "near_constant", (name,), message, advice, total - count, total, tuple(rare))


_OTHERWISE = {"String": "none", "Boolean": False, "Int64": 0, "Float64": 0}
"""What is filled in where a column has one value or none, so that the two can be told apart; no time is such a value."""


def _numbers(profile: Profile, name: str, key: Sequence[str]) -> Iterator[Finding]:
    """Tell of outliers, or where those are many, of the shape that makes them no outliers."""
    if name in key or not profile.numeric(name):
        return
    numbers = profile.numbers(name)
    total = int(numbers["count"].sum())
    if numbers.height < 10 or total < 30:
        return
    low, middle, high = (profile.quantile(name, q) or 0.0 for q in (0.25, 0.5, 0.75))
    distance = numbers.select((pl.col("number") - middle).abs().alias("distance"), "count").sort("distance")
    mad = distance.filter(pl.col("count").cum_sum() >= total / 2)["distance"][0]
    spread = high - low
    value, weight = pl.col("number"), pl.col("count") / total
    mean = numbers.select((value * weight).sum()).item()
    moments = [numbers.select(((value - mean) ** power * weight).sum()).item() for power in (2, 3, 4)]
    skew, tail = (moments[1] / moments[0] ** 1.5, moments[2] / moments[0] ** 2 - 3) if moments[0] > 0 else (0.0, 0.0)
    if spread > 0 and mad > 0:
        yield from _outliers(numbers, name, middle, mad, (low, high))
    if abs(skew) > 2 or tail > 10:
        message = f"leans to one side (skewness {skew:.1f}), with heavy tails (excess kurtosis {tail:.1f})"
        advice = "linear models like its logarithm or ranks better; trees do not mind"
        yield Finding("note", "skew", (name,), message, advice, 0, total)


def _outliers(numbers: pl.DataFrame, name: str, middle: float, mad: float, box: tuple[float, float]) -> Iterator[Finding]:
    """Tell of few values that both the quartiles and the MAD call far.

    Likely mistakes are those beyond 10 quartile distances that lie alone: twice as far out as any that are not.
    """
    value, total, spread = pl.col("number"), int(numbers["count"].sum()), box[1] - box[0]
    for severity, times in (("warning", 10), ("note", 3)):
        far = (value < box[0] - times * spread) | (value > box[1] + times * spread)
        outside = numbers.filter(far & ((value - middle).abs() > 5 * 1.4826 * mad))
        count = int(outside["count"].sum())
        if not 0 < count <= 0.005 * total:
            continue
        inside = numbers.filter(~far)
        gap = (outside["number"] - middle).abs().min(), (inside["number"] - middle).abs().max()
        if severity == "warning" and float(gap[0]) < 2 * float(gap[1]):  # type: ignore[arg-type]  # a number
            continue  # a tail that thins out is no mistake
        blur = 0.006 if (inside["text"] == BUCKET).any() else 0.0
        bounds = {"min": inside["number"][0], "max": inside["number"][-1]}
        limits = {"min": bounds["min"] - blur * abs(bounds["min"]), "max": bounds["max"] + blur * abs(bounds["max"])}
        shown = sorted(outside.select("file", "row", "number").iter_rows(), key=lambda one: -abs(one[2] - middle))[:3]
        message = f"far from the rest, which is {bounds['min']:g} to {bounds['max']:g}"
        surely = severity == "warning"
        advice = "probably mistakes: let between set them aside" if surely else "see whether they are mistakes"
        examples = tuple(Example(file, row, f"{number:g}") for file, row, number in shown)
        detail = {end: int(limit) if float(limit).is_integer() else limit for end, limit in limits.items()}
        yield Finding("warning" if surely else "note", "outliers", (name,), message, advice, count, total, examples, detail)
        return


def _few(entries: pl.DataFrame) -> tuple[Example, ...]:
    return tuple(examples_of(entries))


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0.001 <= share <= 0.999 else f"{share:.3%}"
