"""What columns of text tell: formats that disagree, spellings, levels and forms that only few rows have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

import polars as pl

from engine.assess.counting import CODE
from engine.assess.finding import Finding, Severity
from engine.assess.profile import Example, Profile, examples_of
from engine.assess.summary import KEPT

_COMMON, _RARE = (0.01, 10), (0.001, 1)  # shares and numbers of rows; of a closed set, no level lies between
_LEVELS = 20  # levels that are a closed set
_ROWS = 200  # below which rare says nothing
_FORMS = 3  # forms that are how a column is written


def examine(profile: Profile, name: str) -> Iterator[Finding]:
    """Return what a column of text tells."""
    formats = list(_formats(profile, name))
    yield from formats
    yield from _variants(profile, name)
    if not profile.of("format", name).height or any(one.kind != "blank" for one in formats):
        return
    rare = list(_rare(profile, name))
    yield from rare or _forms(profile, name)


def _formats(profile: Profile, name: str) -> Iterator[Finding]:
    entries, total = profile.of("format", name), profile.values(name)
    counts = dict(zip(entries["text"], entries["count"], strict=True))
    blank = counts.pop("blank", 0)
    if blank:
        advice = "name it among the nulls where the column is extracted"
        shown = _places(entries.filter(pl.col("text") == "blank"))
        yield Finding("warning", "blank", (name,), "blank text that is not missing", advice, blank, total, shown)
    rest = sum(counts.values())
    if not rest or CODE in counts:
        return
    times = {text: count for text, count in counts.items() if text.startswith(("date", "time"))}
    numbers = {text: count for text, count in counts.items() if text.startswith("number")}
    for kind, found in (("dates", times), ("numbers", numbers)):
        share = sum(found.values()) / rest
        if share < 0.5:
            continue
        other = sum(counts.values()) - max(found.values())
        shown = _places(entries.filter(pl.col("text") != "blank"))
        detail = {"formats": found, "pure": share == 1}
        if len(counts) > 1:
            parts = ", ".join(f"{count:,} {text}" for text, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))
            severity: Severity = "error" if len(found) > 1 else "warning"
            advice = "write them in one way in the source, or set aside what differs"
            yield Finding(
                severity, f"{kind}_mixed", (name,), f"{kind} of several formats: {parts}", advice, other, rest, shown, detail
            )
        else:
            advice = "parse_time makes them times" if times else "cast makes them numbers, unless they are codes"
            yield Finding("note", f"{kind}_as_text", (name,), f"{kind} as text", advice, rest, rest, shown[:1], detail)
        return


def _variants(profile: Profile, name: str) -> Iterator[Finding]:
    levels = profile.levels(name)
    if levels is None or not levels.height:
        return
    plain = pl.col("text").str.strip_chars().str.replace_all(r"\s+", " ").str.to_lowercase()
    groups = levels.with_columns(plain.alias("plain")).filter(pl.len().over("plain") > 1, pl.col("plain") != "")
    if groups.height:
        main = pl.col("count") == pl.col("count").max().over("plain")
        same = groups.sort("plain", "text").group_by("plain", maintain_order=True).agg(pl.col("text"))["text"]
        spelled = "; ".join(" / ".join(f"'{text}'" for text in texts) for texts in same)
        other = groups.filter(~main)
        count = int(other["count"].sum()) or int(groups["count"].min())  # type: ignore[arg-type]  # a number
        message = f"the same but for case and blanks: {spelled[:200]}"
        advice = "spell each level in one way"
        tidied = pl.col("text").str.strip_chars().str.replace_all(r"\s+", " ")
        chosen = groups.sort(["count", "text"], descending=[True, False]).unique("plain", keep="first", maintain_order=True)
        detail = {"spelling": dict(chosen.sort("plain").select("plain", tidied).iter_rows())}
        yield Finding("warning", "variants", (name,), message, advice, count, profile.values(name), _few(groups), detail)


def _rare(profile: Profile, name: str) -> Iterator[Finding]:
    """Tell of levels that few rows have beside a closed set that all others have: misspelt, or what does not belong."""
    levels = profile.levels(name)
    if levels is None or not levels.height or profile.values(name) < _ROWS:
        return
    many, few = (max(share * profile.values(name), least) for share, least in (_COMMON, _RARE))
    common, rare = levels.filter(pl.col("count") >= many)["text"].sort().to_list(), levels.filter(pl.col("count") <= few)
    if not 2 <= len(common) <= _LEVELS or not rare.height or len(common) + rare.height < levels.height:
        return
    folded = {text.strip().lower(): text for text in common}
    meant = {
        text: found[0]
        for text in rare["text"]
        if (found := get_close_matches(text, common, n=1, cutoff=0.8)) and len(text) >= 4
    }
    meant = {text: right for text, right in meant.items() if text.strip().lower() not in folded}
    wrong = rare.filter(pl.col("text").is_in([*meant]))
    if meant:
        said = ", ".join(f"'{text}' for '{right}'" for text, right in sorted(meant.items())[:5])
        advice = "see whether it is meant, and replace it"
        yield Finding(
            "warning",
            "misspelt",
            (name,),
            f"perhaps misspelt: {said}",
            advice,
            *_counts(wrong, profile, name),
            {"values": meant},
        )
    odd = rare.filter(~pl.col("text").is_in([*meant]) & ~pl.col("text").str.strip_chars().str.to_lowercase().is_in([*folded]))
    odd = odd.filter(pl.col("text").str.strip_chars() != "")
    if odd.height:
        said = ", ".join(f"'{text}'" for text in odd["text"][:5])
        message = f"{said} in few rows, beside {len(common)} levels that all others have"
        allowed = levels.filter(~pl.col("text").is_in(odd["text"].implode()))["text"].sort().to_list()
        yield Finding(
            "note",
            "rare_level",
            (name,),
            message,
            "see whether it belongs there",
            *_counts(odd, profile, name),
            {"values": allowed},
        )


def _forms(profile: Profile, name: str) -> Iterator[Finding]:
    """Tell of codes, such as N723MQ, that few rows write otherwise."""
    forms, total = profile.of("shape", name), profile.values(name)
    if forms.height >= KEPT["shape"] or profile.of("level", name).height <= _LEVELS or total < _ROWS:
        return
    usual, odd = (
        forms.filter(pl.col("count") >= 0.05 * total)["text"].sort().to_list(),
        forms.filter(pl.col("count") < 0.05 * total),
    )
    codes = all("9" in form or form == "A" for form in usual)
    if not 1 <= len(usual) <= _FORMS or not codes or not 0 < int(odd["count"].sum()) <= 0.005 * total:
        return
    pattern = "|".join(map(_pattern, usual))
    message, advice = f"is written otherwise than {pattern}", "see whether it is a mistake"
    count, detail = int(odd["count"].sum()), {"pattern": pattern}
    yield Finding("note", "odd_form", (name,), message, advice, count, total, _places(odd), detail)


_RUNS = {"9": "[0-9]+", "A": "[A-Z]+", "a": "[a-z]+"}


def _pattern(form: str) -> str:
    return "".join(_RUNS.get(letter) or re.escape(letter) for letter in form)


def _counts(entries: pl.DataFrame, profile: Profile, name: str) -> tuple[int, int, tuple[Example, ...]]:
    return int(entries["count"].sum()), profile.values(name), _few(entries)


def _few(entries: pl.DataFrame) -> tuple[Example, ...]:
    return tuple(examples_of(entries))


def _places(entries: pl.DataFrame) -> tuple[Example, ...]:
    """Return the first rows of entries whose texts are no values."""
    return tuple(replace(one, value="") for one in examples_of(entries))
