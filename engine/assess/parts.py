"""What is doubtful about the parts of a split: whether what is measured on one holds for the others.

Reads the counts of the parts and, where there is one, the sketch of the rows (``engine.assess.sketch``). A difference is told
of where it is both more than chance would make of it and large enough to matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import numpy as np
import polars as pl

from engine.assess.sketch import COUNTS, HASH, KEPT, Kind, of_kind
from engine.plugin import Finding, Roles

_SMALL_PART = 30  # rows below which a metric says little
_SMALL_CLASS = 10  # rows of a class below which what is measured on it says little
_CHANCE = 0.001  # probability up to which a difference is taken for more than chance, all comparisons together
_SHARE_GAP = 0.05  # difference of a class's share that matters
_CRAMERS_V = 0.1  # a small effect (Cohen 1988)
_KS, _KS_LARGE = 0.1, 0.2  # differences of distribution functions that matter, and that matter much
_PSI, _PSI_LARGE = 0.1, 0.25  # the same of population stability indices, as is usual
_LEVELS = 20  # of a column that are compared each by itself; what is rarer is taken together
_EXPECTED = 5  # rows of a class that chi-square needs
_ON_BOTH = 0.01  # share of a part's rows, or keys, on the side of training that matters
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
        message = (
            f"{_rows(split.unlabelled)} {_have(split.unlabelled)} no {split.roles.target} and {_are(split.unlabelled)} left out"
        )
        yield Finding("no_target", message, "label or drop them", "info", {"rows": split.unlabelled})
    for entry in split.table:
        yield from _size(split, entry)
    for entry in split.judged:
        yield from _unknown_classes(split, entry)
        yield from _class_shares(split, entry)
        yield from _overlap(split, entry)


def of_rows(
    split: Split, sketch: pl.DataFrame, features: Sequence[str], rows: Sequence[str], watch: Sequence[str]
) -> Iterator[Finding]:
    """Return what the rows of the parts tell: ``features`` that differ, rows and keys that are on several sides.

    ``rows`` are the columns that make rows different, ``watch`` those of the key.
    """
    sample = of_kind(sketch, "sample")
    for entry in split.judged:
        yield from _differences(split, entry, sample, features)
        yield from _keys_on_both_sides(entry, of_kind(sketch, "key"), watch)
        yield from _rows_on_both_sides(
            split, entry, of_kind(sketch, "row"), sample.select(*COUNTS.values(), *_there(rows, sample))
        )


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings, the severest first."""
    return sorted(findings, key=lambda one: ("error", "warning", "info").index(one.severity))


def _size(split: Split, entry: Mapping[str, Any]) -> Iterator[Finding]:
    part, rows = entry["part"], entry["rows"]
    advice = "give it a larger share, or use more rows"
    if 0 < rows < _SMALL_PART:
        margin = 0.98 / sqrt(rows)
        message = f"{part} has only {_rows(rows)}"
        if part != "train":
            message += f": a share measured on them is known to within {margin:.0%}"
        yield Finding("small_part", message, advice, numbers={"part": part, "rows": rows, "margin": _round(margin)})
    elif rows and part != "train":
        known = split.train.get("classes", {})
        few = {name: count for name in known if (count := entry["classes"].get(name, 0)) < _SMALL_CLASS}
        if few:
            told = _listed([f"{name} ({count:,})" for name, count in sorted(few.items(), key=lambda one: (one[1], one[0]))])
            message = f"{part} has fewer than {_SMALL_CLASS} rows of {told}: {split.metric} there says little"
            yield Finding("small_part", message, advice, numbers={"part": part, "rows": rows, "classes": few})


def _unknown_classes(split: Split, entry: Mapping[str, Any]) -> Iterator[Finding]:
    known = split.train.get("classes", {})
    new = {name: count for name, count in entry.get("classes", {}).items() if name not in known}
    if new:
        message = f"{_listed(sorted(new))} {_are(len(new))} in {entry['part']} and not in train: no model can know"
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
    if chance > _CHANCE / len(split.judged) or (effect < _CRAMERS_V and abs(gaps[most]) < _SHARE_GAP):
        return
    message = f"{names[most]} is {shares[1][most]:.1%} of {entry['part']} and {shares[0][most]:.1%} of train"
    advice = "metrics of the two will differ; where time does not matter, use splitter: stratified"
    numbers = {
        "part": entry["part"],
        "class": names[most],
        "share": _round(shares[1][most]),
        "train": _round(shares[0][most]),
        "chi_square": _round(statistic),
        "degrees": degrees,
        "p": _round(chance),
        "cramers_v": _round(effect),
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
        f"{_rows(early)} of {entry['part']} ({share:.0%}) {_are(early)} no later than the last of train, {split.train['to']}"
    )
    advice = "where predictions are about the future, use splitter: chronological"
    numbers = {
        "part": entry["part"],
        "rows": early,
        "share": _round(share),
        "from": entry["from"],
        "train_to": split.train["to"],
    }
    yield Finding("time_overlaps", message, advice, numbers=numbers)


def _differences(split: Split, entry: Mapping[str, Any], sample: pl.DataFrame, features: Sequence[str]) -> Iterator[Finding]:
    """Compare each column: numbers by Kolmogorov and Smirnov's statistic, levels by the population stability index."""
    here, there = COUNTS[entry["part"]], COUNTS["train"]
    sizes = [int((sample[name] > 0).sum()) for name in (there, here)]
    target = split.roles.target if split.roles.task == "regression" else None
    names = _there([*features, *filter(None, [target])], sample)
    if not all(sizes) or not names:
        return
    chance = _CHANCE / (len(names) * len(split.judged))
    seen = [
        (_ks if sample.schema[name].is_float() else _psi)(sample, name, there, here, sizes, chance)  # text has levels
        for name in names
    ]
    found = sorted((one for one in seen if one is not None), key=lambda one: (-one["value"] / one["limit"], one["column"]))
    for code, of in (
        ("target_differs", [one for one in found if one["column"] == target]),
        ("features_differ", [one for one in found if one["column"] != target]),
    ):
        if of:
            yield _difference(code, entry["part"], of, len(features))


def _difference(code: str, part: str, found: Sequence[Mapping[str, Any]], compared: int) -> Finding:
    told = _listed([f"{one['column']} ({one['measure'].upper()} {one['value']:.2f})" for one in found])
    large = {"ks": _KS_LARGE, "psi": _PSI_LARGE}
    severe = any(one["value"] >= large[one["measure"]] for one in found)
    columns = [{name: value for name, value in one.items() if name != "limit"} for one in found]
    if code == "target_differs":
        message, advice = f"the target differs between {part} and train: {told}", "metrics of the two will differ"
    else:
        message = f"{len(found)} of {compared} features differ between {part} and train: {told}"
        advice = "a model is judged on other rows than it learned from; where that is not meant, split by lot"
    return Finding(code, message, advice, "warning" if severe else "info", {"part": part, "columns": columns})


def _ks(sample: pl.DataFrame, name: str, there: str, here: str, sizes: Sequence[int], chance: float) -> dict[str, Any] | None:
    """Return how far apart the distribution functions of a column are, None if not far; missing values come first."""
    counted = sample.group_by(name).agg(pl.col(there).sum(), pl.col(here).sum()).sort(name, nulls_last=False)
    apart = counted.select(
        (pl.col(there).cum_sum() / pl.col(there).sum() - pl.col(here).cum_sum() / pl.col(here).sum()).abs().max()
    )
    value = float(apart.item())
    limit = max(_KS, sqrt(-log(chance / 2) / 2 * (1 / sizes[0] + 1 / sizes[1])))
    return _measured(name, "ks", value, limit)


def _psi(sample: pl.DataFrame, name: str, there: str, here: str, sizes: Sequence[int], chance: float) -> dict[str, Any] | None:
    """Return the population stability index of a column's levels, None if they are alike.

    Of levels of the same shares it is distributed as chi-square by (1/n + 1/m) (Yurdakul 2018). Half a row is added to each
    level, so that one that a part lacks is not infinitely far.
    """
    counted = sample.group_by(name).agg(pl.col(there).sum(), pl.col(here).sum())
    counted = counted.sort(pl.col(there) + pl.col(here), pl.col(name), descending=[True, False])
    counts = counted.select(there, here).to_numpy().astype(np.float64)
    if len(counts) > _LEVELS + 1:
        counts = np.vstack([counts[:_LEVELS], counts[_LEVELS:].sum(axis=0)])
    if len(counts) < 2:
        return None
    shares = (counts + 0.5) / (counts.sum(axis=0) + 0.5 * len(counts))
    value = float(((shares[:, 1] - shares[:, 0]) * np.log(shares[:, 1] / shares[:, 0])).sum())
    from scipy.special import chdtri

    limit = max(_PSI, float(chdtri(len(counts) - 1, chance)) * (1 / sizes[0] + 1 / sizes[1]))
    return _measured(name, "psi", value, limit)


def _measured(name: str, measure: str, value: float, limit: float) -> dict[str, Any] | None:
    return {"column": name, "measure": measure, "value": _round(value), "limit": limit} if value >= limit else None


def _there(names: Sequence[str], sample: pl.DataFrame) -> list[str]:
    """Return the columns whose values are in a sample: those that are numbers, times or levels."""
    return [name for name in names if name in sample.columns]


def _keys_on_both_sides(entry: Mapping[str, Any], keys: pl.DataFrame, watch: Sequence[str]) -> Iterator[Finding]:
    part = entry["part"]
    there, here = pl.col(COUNTS["train"]) > 0, pl.col(COUNTS[part]) > 0
    own, both = keys.filter(here).height, keys.filter(here & there).height
    if not both:
        return
    count, share, about = round(both * _scale(keys, "key")), both / own, _about(keys, "key")
    message = f"{about}{count:,} of the keys of {part} ({', '.join(watch)}; {share:.1%}) {_are(count)} in train, too"
    advice = f"a model knows them already: use splitter: hash or group with columns: [{', '.join(watch)}]"
    numbers = {"part": part, "columns": list(watch), "keys": count, "share": _round(share), "estimated": bool(about)}
    yield Finding("keys_on_both_sides", message, advice, "warning" if share >= _ON_BOTH else "info", numbers)


def _rows_on_both_sides(split: Split, entry: Mapping[str, Any], rows: pl.DataFrame, sample: pl.DataFrame) -> Iterator[Finding]:
    """Tell of rows that are in training, too, where that is far more often than by chance."""
    part, there, here = entry["part"], pl.col(COUNTS["train"]), pl.col(COUNTS[entry["part"]])
    own, both = int(rows[COUNTS[part]].sum()), int(rows.filter(there > 0).select(here.sum()).item())
    if not both:
        return
    expected = 1 - exp(-split.train["rows"] * _coincidence(sample))
    count, share, about = round(both * _scale(rows, "row")), both / own, _about(rows, "row")
    if share < 10 * expected:
        return
    message = f"{about}{_rows(count)} of {part} ({share:.1%}) {_are(count)} in train, too, the same but for the key"
    advice = "a model is tested on what it has learned: use deduplicate, or splitter: group"
    numbers = {"part": part, "rows": count, "share": _round(share), "by_chance": _round(expected), "estimated": bool(about)}
    yield Finding("rows_on_both_sides", message, advice, "warning" if share >= _ON_BOTH else "info", numbers)


def _coincidence(sample: pl.DataFrame) -> float:
    """Return how probable it is that two rows are the same, were their columns independent of each other."""
    weight = sum((pl.col(name) for name in COUNTS.values()), start=pl.lit(0))
    weighed = sample.with_columns(weight.alias(HASH))
    total = int(weighed[HASH].sum())
    if total < 2:
        return 1.0
    found = 1.0
    for name in sample.columns:
        if name not in COUNTS.values():
            counts = weighed.group_by(name).agg(pl.col(HASH).sum())[HASH]
            found *= int((counts * (counts - 1)).sum()) / (total * (total - 1))
    return found


def _scale(entries: pl.DataFrame, kind: Kind) -> float:
    """Return by how much counts of what was kept are multiplied: the kept hashes are those up to the largest of them."""
    return 2**64 / (int(entries[HASH].max()) + 1) if entries.height >= KEPT[kind] else 1.0  # type: ignore[arg-type]  # a number


def _about(entries: pl.DataFrame, kind: Kind) -> str:
    return "about " if entries.height >= KEPT[kind] else ""


def _chi_square_tail(degrees: int, statistic: float) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(degrees, statistic))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _round(number: float) -> float:
    return float(f"{number:.6g}")
