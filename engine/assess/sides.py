"""What is doubtful about the parts of a split, by their rows: columns that differ, keys and rows that are on both sides.

Reads the sketch of the rows (``engine.assess.sketch``). As with counts, a difference is told of where it is both more than
chance would make of it and large enough to matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import exp, log, sqrt
from typing import Any

import numpy as np
import polars as pl

from engine.assess.parts import CHANCE, Split, are, listed, rounded, rows_said
from engine.assess.sketch import COUNTS, HASH, KEPT, Kind, of_kind
from engine.plugin import Finding

_KS, _KS_LARGE = 0.1, 0.2  # differences of distribution functions that matter, and that matter much
_PSI, _PSI_LARGE = 0.1, 0.25  # the same of population stability indices, as is usual
_LEVELS = 20  # of a column that are compared each by itself; what is rarer is taken together
_ON_BOTH = 0.01  # share of a part's rows, or keys, on the side of training that matters


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


def _differences(split: Split, entry: Mapping[str, Any], sample: pl.DataFrame, features: Sequence[str]) -> Iterator[Finding]:
    """Compare each column: numbers by Kolmogorov and Smirnov's statistic, levels by the population stability index."""
    here, there = COUNTS[entry["part"]], COUNTS["train"]
    sizes = [int((sample[name] > 0).sum()) for name in (there, here)]
    target = split.roles.target if split.roles.task == "regression" else None
    names = _there([*features, *filter(None, [target])], sample)
    if not all(sizes) or not names:
        return
    chance = CHANCE / (len(names) * len(split.judged))
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
    told = listed([f"{one['column']} ({one['measure'].upper()} {one['value']:.2f})" for one in found])
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
    return {"column": name, "measure": measure, "value": rounded(value), "limit": limit} if value >= limit else None


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
    message = f"{about}{count:,} of the keys of {part} ({', '.join(watch)}; {share:.1%}) {are(count)} in train, too"
    advice = f"a model knows them already: use splitter: hash or group with columns: [{', '.join(watch)}]"
    numbers = {"part": part, "columns": list(watch), "keys": count, "share": rounded(share), "estimated": bool(about)}
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
    message = f"{about}{rows_said(count)} of {part} ({share:.1%}) {are(count)} in train, too, the same but for the key"
    advice = "a model is tested on what it has learned: use deduplicate, or splitter: group"
    numbers = {"part": part, "rows": count, "share": rounded(share), "by_chance": rounded(expected), "estimated": bool(about)}
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
