"""What is doubtful about the parts of a split, by their counts alone: their sizes, classes and spans of time.

A difference is told of where it is both more than chance would make of it and large enough to matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from engine.plugin import Finding, Roles

CHANCE = 0.001
"""The probability up to which a difference is taken for more than chance, all comparisons together."""

_SMALL_PART = 30  # rows below which a metric says little
_SMALL_CLASS = 10  # rows of a class below which what is measured on it says little
_SHARE_GAP = 0.05  # difference of a class's share that matters
_CRAMERS_V = 0.1  # a small effect (Cohen 1988)
_EXPECTED = 5  # rows of a class that chi-square needs
_SHOWN = 5  # names that a message lists


@dataclass(frozen=True, slots=True)
class Split:
    """What is known of the parts by counting alone: ``table`` has an entry a part, as the segregation made it."""

    table: Sequence[Mapping[str, Any]]
    unlabelled: int
    roles: Roles
    metric: str

    @property
    def train(self) -> Mapping[str, Any]:
        """The entry of the training rows."""
        return self.table[0]

    @property
    def judged(self) -> list[Mapping[str, Any]]:
        """The entries of the parts besides training that have rows."""
        return [entry for entry in self.table[1:] if entry["rows"]]


def of_counts(split: Split) -> Iterator[Finding]:
    """Return what the counts of the parts tell: their sizes, their classes, their spans of time."""
    if split.unlabelled:
        count = split.unlabelled
        message = f"{rows_said(count)} {'has' if count == 1 else 'have'} no {split.roles.target} and {are(count)} left out"
        yield Finding("no_target", message, "label or drop them", "info", {"rows": count})
    for entry in split.table:
        yield from _size(split, entry)
    for entry in split.judged:
        yield from _unknown_classes(split, entry)
        yield from _class_shares(split, entry)
        yield from _overlap(split, entry)


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings, the severest first."""
    return sorted(findings, key=lambda one: ("error", "warning", "info").index(one.severity))


def _size(split: Split, entry: Mapping[str, Any]) -> Iterator[Finding]:
    part, rows = entry["part"], entry["rows"]
    advice = "give it a larger share, or use more rows"
    if 0 < rows < _SMALL_PART:
        margin = 0.98 / sqrt(rows)
        message = f"{part} has only {rows_said(rows)}"
        if part != "train":
            message += f": a share measured on them is known to within {margin:.0%}"
        yield Finding("small_part", message, advice, numbers={"part": part, "rows": rows, "margin": rounded(margin)})
    elif rows and part != "train":
        known = split.train.get("classes", {})
        few = {name: count for name in known if (count := entry["classes"].get(name, 0)) < _SMALL_CLASS}
        if few:
            told = listed([f"{name} ({count:,})" for name, count in sorted(few.items(), key=lambda one: (one[1], one[0]))])
            message = f"{part} has fewer than {_SMALL_CLASS} rows of {told}: {split.metric} there says little"
            yield Finding("small_part", message, advice, numbers={"part": part, "rows": rows, "classes": few})


def _unknown_classes(split: Split, entry: Mapping[str, Any]) -> Iterator[Finding]:
    known = split.train.get("classes", {})
    new = {name: count for name, count in entry.get("classes", {}).items() if name not in known}
    if new:
        message = (
            f"{listed(sorted(new))} {are(len(new))} in {entry['part']} and not in train, where no model can have learned of it"
        )
        advice = "use splitter: stratified, or more rows"
        yield Finding("class_not_in_train", message, advice, "error", {"part": entry["part"], "classes": new})


def _class_shares(split: Split, entry: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare the classes of a part with those of training: chi-square of independence, Cramer's V as its effect size."""
    here, there = entry.get("classes", {}), split.train.get("classes", {})
    names = sorted({*here, *there})
    if len(names) < 2 or not sum(there.values()):
        return
    counts = np.array([[side.get(name, 0) for name in names] for side in (there, here)], dtype=np.float64)
    shares = counts / counts.sum(axis=1, keepdims=True)
    statistic, degrees = _chi_square(counts)
    if not degrees:
        return
    chance = _chi_square_tail(degrees, statistic)
    effect = sqrt(statistic / counts.sum())
    gaps = shares[1] - shares[0]
    most = len(names) - 1 if len(names) == 2 else int(np.abs(gaps).argmax())  # of two classes, one says it all
    if chance > CHANCE / len(split.judged) or (effect < _CRAMERS_V and abs(gaps[most]) < _SHARE_GAP):
        return
    message = f"{names[most]} is {shares[1][most]:.1%} of {entry['part']} and {shares[0][most]:.1%} of train"
    advice = "metrics of the two will differ; where time does not matter, use splitter: stratified"
    numbers = {
        "part": entry["part"],
        "class": names[most],
        "share": rounded(shares[1][most]),
        "train": rounded(shares[0][most]),
        "chi_square": rounded(statistic),
        "degrees": degrees,
        "p": rounded(chance),
        "cramers_v": rounded(effect),
    }
    yield Finding("class_shares_differ", message, advice, numbers=numbers)


def _chi_square(counts: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, int]:
    """Return the statistic and its degrees of freedom; classes of too few rows are taken together."""
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    rare = expected.min(axis=0) < _EXPECTED
    pooled = [np.column_stack([one[:, ~rare], one[:, rare].sum(axis=1)]) for one in (counts, expected)]
    found, wanted = (one[:, pooled[1].min(axis=0) > 0] for one in pooled)
    return float(((found - wanted) ** 2 / wanted).sum()), max(found.shape[1] - 1, 0)


def _overlap(split: Split, entry: Mapping[str, Any]) -> Iterator[Finding]:
    early = entry.get("not_later", 0)
    if not early:
        return
    share = early / entry["rows"]
    message = (
        f"{rows_said(early)} of {entry['part']} ({share:.0%}) {are(early)} no later than the last of train, {split.train['to']}"
    )
    advice = "where predictions are about the future, use splitter: chronological"
    numbers = {
        "part": entry["part"],
        "rows": early,
        "share": rounded(share),
        "from": entry["from"],
        "train_to": split.train["to"],
    }
    yield Finding("time_overlaps", message, advice, numbers=numbers)


def _chi_square_tail(degrees: int, statistic: float) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(degrees, statistic))


def listed(names: Sequence[str]) -> str:
    """Return names in a row, the first of them where they are many."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def rows_said(count: int) -> str:
    """Return a number of rows in words."""
    return "1 row" if count == 1 else f"{count:,} rows"


def are(count: int) -> str:
    """Return the verb for so many."""
    return "is" if count == 1 else "are"


def rounded(number: float) -> float:
    """Return a number in six digits: what was measured is no more exact than that."""
    return float(f"{number:.6g}")
