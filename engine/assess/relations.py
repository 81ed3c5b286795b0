"""What a sample of whole rows tells: columns that say the same, and columns that alone give the target away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.assess.counting import sampled
from engine.assess.finding import Finding
from engine.assess.profile import Profile

Matrix: TypeAlias = npt.NDArray[np.float64]

_HASH = 20  # characters before the JSON of a sampled row
_LEAST = 30  # rows below which a correlation says nothing
_SAME, _PAIRS = 0.98, 100


def sample_of(summary: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the sampled rows with the types of ``schema``: a random choice of different rows, the same for equal data.

    Columns of types that JSON does not hold are not in it.
    """
    schema = pl.Schema({name: dtype for name, dtype in schema.items() if sampled(dtype)})
    if not schema:
        return pl.DataFrame()
    texts = Profile(summary).of("sample")["text"].str.slice(_HASH)
    return texts.str.json_decode(pl.Struct(dict(schema))).rename("row").to_frame().unnest("row")


def correlated(sample: pl.DataFrame, key: Sequence[str]) -> list[Finding]:
    """Return the pairs of numeric columns whose correlation (Pearson) is at least 0.98 in size, at most a hundred.

    Of a pair, the rows count in which both have a finite value, thirty at least.
    """
    names = sorted(name for name, dtype in sample.schema.items() if dtype.is_numeric() and name not in key)
    if sample.height < _LEAST or len(names) < 2:
        return []
    found = _correlations(sample.select(pl.col(names).cast(pl.Float64)).fill_null(math.nan).to_numpy())
    found[np.tril_indices_from(found)] = 0.0
    found[~(np.abs(found) <= 1.0001)] = 0.0
    pairs = sorted(zip(*np.nonzero(np.abs(found) >= _SAME), strict=True), key=lambda pair: (-abs(found[pair]), pair))
    advice = "one of the two is enough for most models"
    return [
        Finding("note", "correlated", (names[a], names[b]), f"correlation {found[a, b]:.3f}", advice, 0, sample.height)
        for a, b in pairs[:_PAIRS]
    ]


def _correlations(values: Matrix) -> Matrix:
    """Return the correlation of each pair of columns over the rows in which both are finite; NaN where it is not defined."""
    there = np.isfinite(values)
    with np.errstate(all="ignore"):  # what is not defined is NaN, and no pair
        counts = np.maximum(there.sum(axis=0), 1)
        plain = np.where(there, values, 0.0)
        centred = np.where(there, plain - plain.sum(axis=0) / counts, 0.0)
        small = centred / np.abs(centred).max(axis=0)  # so that squares neither vanish nor overflow
        scaled = np.where(there, small / np.sqrt((small**2).sum(axis=0) / counts), 0.0)
        mask = there.astype(np.float64)
        both = mask.T @ mask
        sums, squares = scaled.T @ mask, (scaled**2).T @ mask
        spread = squares - sums**2 / both
        found: Matrix = (scaled.T @ scaled - sums * sums.T / both) / np.sqrt(spread * spread.T)
    found[both < _LEAST] = np.nan
    return found


def leaking(sample: pl.DataFrame, target: str, *, dropped: Sequence[str], key: Sequence[str]) -> list[Finding]:
    """Return the columns that alone predict the target nearly perfectly, unless ``prepare`` drops them.

    Numbers against a target of numbers: correlation of at least 0.999; against two classes: one threshold that parts at
    least 99 % of each. Texts, against classes: at least 99 % of rows have the class that is the most frequent of their
    level, and there are at least twenty rows a level.
    """
    rows = sample.drop_nulls(target)
    classes = rows[target].n_unique()
    if rows.height < 30 or classes < 2:
        return []
    tops = rows[target].value_counts()["count"]
    base = int(tops.max()) / rows.height  # type: ignore[arg-type]  # a number
    if base > 0.95 and not rows.schema[target].is_numeric():
        return []
    advice = "known before the answer is? If not, drop it under prepare"
    found = []
    for name, dtype in rows.schema.items():
        if name in (target, *dropped, *key):
            continue
        one = rows.select(name, target).drop_nulls()
        score = _score(one, name, target, classes)
        if dtype.is_nested() or score is None or one.height < 30:
            continue
        message = f"alone tells {target}: {score:.1%} of sampled rows"
        found.append(Finding("warning", "leak", (name,), message, advice, one.height, sample.height))
    return found


def _score(rows: pl.DataFrame, name: str, target: str, classes: int) -> float | None:
    """Return how well a column tells the target if that is nearly perfect."""
    kinds: Mapping[str, pl.DataType] = rows.schema
    if kinds[name].is_numeric() and kinds[target].is_numeric() and classes > 20:
        value = rows.select(pl.corr(pl.col(name).cast(pl.Float64), pl.col(target).cast(pl.Float64)).abs()).item()
        return float(value) if value is not None and 0.999 <= value <= 1.0001 else None
    if kinds[name].is_numeric() and classes == 2 and rows[name].n_unique() > 2:
        positive = rows[target] == rows[target].max()
        ones, zeros = int(positive.sum()), int((~positive).sum())
        if not ones or not zeros:
            return None
        steps = rows.select(pl.col(name), positive.alias("one")).group_by(name).agg(pl.col("one").sum(), pl.len()).sort(name)
        balance = steps.select(
            ((pl.col("one").cum_sum() / ones - (pl.col("len") - pl.col("one")).cum_sum() / zeros).abs().max() + 1) / 2
        ).item()
        return float(balance) if balance >= 0.99 else None
    levels = rows[name].n_unique() if not kinds[name].is_nested() else rows.height
    if not 2 <= levels <= rows.height / 20 or classes > 20:
        return None
    right = rows.group_by(name, target).len().group_by(name).agg(pl.col("len").max())["len"].sum() / rows.height
    return float(right) if right >= 0.99 else None
