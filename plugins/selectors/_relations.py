"""How columns vary with the target and with each other, learned by merging.

A row of a summary is a column by itself (``other`` null), with the target (``other`` is ``TARGET``; of classes a row
for each ``level``, of a number one row), or with another column: ``n`` rows in which both have a value, the mean and
sum of squared differences of each (``mean``, ``m2``, ``mean_other``, ``m2_other``) and the sum of the ``product`` of
their differences. Partitions are merged by the formulas of Chan, Golub and LeVeque (1983). ``merge`` is commutative
and has its identity to the last bit; it is associative up to rounding. Missing, NaN and infinite values are not counted.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.plugin import TARGET
from plugins.transformers import _numbers

KEYS = ("column", "other", "level")
_NUMBERS = ("mean", "m2", "mean_other", "m2_other", "product")
SCHEMA = pl.Schema({**dict.fromkeys(KEYS, pl.String()), "n": pl.Int64(), **dict.fromkeys(_NUMBERS, pl.Float64())})
_ROW = "__row__"
_BLOCK = 128  # rows that are multiplied at a time, so that they stay in the cache

_Numbers: TypeAlias = NDArray[np.float64]
_Row: TypeAlias = tuple[str, str | None, str | None, int, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Relation:
    """How much of a column's variation goes with the target: between and within its ``groups``, over ``n`` rows.

    For a target that is a number the groups count as 2, and between is what a straight line explains: so the F
    statistic has one formula for both.
    """

    n: int
    groups: int
    between: float
    within: float

    @property
    def explained(self) -> float:
        """The share that is explained, 0 to 1: the squared correlation, for classes the squared correlation ratio."""
        total = self.between + self.within
        return min(1.0, self.between / total) if total > 0 else 0.0

    @property
    def f(self) -> float:
        """The F statistic; 0 where there is none, the largest number where nothing varies within."""
        if self.groups < 2 or self.n <= self.groups or self.between <= 0:
            return 0.0
        within = self.within / (self.n - self.groups)
        with np.errstate(over="ignore", divide="ignore"):
            found = np.float64(self.between / (self.groups - 1)) / within
        return float(min(found, sys.float_info.max))


def with_target(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return each column by itself and with the target, if there is one; rows without a target count by themselves only."""
    values = _matrix(frame, columns)
    found: list[_Row] = [_row(column, None, None, _finite(x)) for column, x in zip(columns, values, strict=True)]
    schema = frame.schema
    if TARGET in schema and schema[TARGET].is_numeric():
        (target,) = _matrix(frame, [TARGET])
        for column, x in zip(columns, values, strict=True):
            both = np.isfinite(x) & np.isfinite(target)
            found.append(_row(column, TARGET, None, x[both], target[both]))
    elif TARGET in schema:
        levels = frame.select(pl.col(TARGET).cast(pl.String)).with_row_index(_ROW).sort(TARGET, _ROW)
        order = levels[_ROW].to_numpy()
        for level, start, end in _runs(levels[TARGET]):
            rows = order[start:end]
            found += [_row(column, TARGET, level, _finite(x[rows])) for column, x in zip(columns, values, strict=True)]
    return _frame(found)


@np.errstate(over="ignore", invalid="ignore")
def between(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return every pair of columns, the first by name as ``column``. It takes time with the square of the columns.

    Not a product of matrices of BLAS: the last digits of that depend on how many threads it takes.
    """
    names = sorted(columns)
    values = _matrix(frame, names)
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    centre = np.where(known, values, 0.0).sum(axis=1) / np.maximum(counts, 1)
    shifted = np.where(known, values - centre[:, None], 0.0)
    complete = bool(known.all())
    size = (len(names), len(names))
    product, seen, sums, squares = (np.zeros(size) for _ in range(4))
    for start in range(0, values.shape[1], _BLOCK):
        block = np.ascontiguousarray(shifted[:, start : start + _BLOCK].T)
        product += np.einsum("ji,jk->ik", block, block)
        if not complete:
            there = known[:, start : start + _BLOCK].T.astype(np.float64)
            seen += np.einsum("ji,jk->ik", there, there)
            sums += np.einsum("ji,jk->ik", block, there)
            squares += np.einsum("ji,jk->ik", block * block, there)
    if complete:
        seen += values.shape[1]
        sums += shifted.sum(axis=1)[:, None]
        squares += (shifted * shifted).sum(axis=1)[:, None]
    first, second = np.triu_indices(len(names), 1)
    n = np.maximum(seen, 1)
    mean, m2 = centre[:, None] + sums / n, squares - sums * sums / n
    m2[m2 <= 1e-12 * squares] = 0.0  # constant where both have a value: what is left is rounding
    joint = product - sums * sums.T / n
    none = seen[first, second] == 0
    ends = {"": (first, second), "_other": (second, first)}
    moments = {f"{kind}{end}": part[ends[end]] for kind, part in (("mean", mean), ("m2", m2)) for end in ends}
    moments["product"] = joint[first, second]
    return pl.DataFrame(
        {
            "column": [names[place] for place in first],
            "other": [names[place] for place in second],
            "level": [None] * len(first),
            "n": seen[first, second].astype(np.int64),
            **{name: np.where(none, 0.0, moment) for name, moment in moments.items()},
        },
        schema=SCHEMA,
    ).sort(KEYS)


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the relations in the rows of both."""
    n = pl.col("n")
    total = n.sum()
    away = {end: pl.col(f"mean{end}") - (n * pl.col(f"mean{end}")).sum() / total for end in ("", "_other")}
    merged = {
        "mean": (n * pl.col("mean")).sum() / total,
        "m2": pl.col("m2").sum() + (n * away[""].pow(2)).sum(),
        "mean_other": (n * pl.col("mean_other")).sum() / total,
        "m2_other": pl.col("m2_other").sum() + (n * away["_other"].pow(2)).sum(),
        "product": pl.col("product").sum() + (n * away[""] * away["_other"]).sum(),
    }
    both = pl.concat([a, b])
    counted = (
        both.filter(n > 0)
        .group_by(KEYS)
        .agg(total, *(pl.when(pl.len() == 1).then(pl.col(k).first()).otherwise(v).alias(k) for k, v in merged.items()))
    )
    empty = both.filter(n == 0).unique(KEYS).join(counted, on=KEYS, how="anti", nulls_equal=True)
    return pl.concat([counted, empty.select(SCHEMA.names())]).sort(KEYS)


@np.errstate(over="ignore", invalid="ignore")
def relations(summary: pl.DataFrame) -> dict[str, Relation]:
    """Return how each column goes with the target, by name; nothing goes with no target."""
    found = {name: Relation(0, 0, 0.0, 0.0) for name in _alone(summary)}
    rows = summary.filter((pl.col("other") == TARGET) & (pl.col("n") > 0)).sort(KEYS)
    for (name,), group in rows.group_by("column", maintain_order=True):
        numbers = {key: group[key].to_numpy() for key in ("n", *_NUMBERS)}
        found[str(name)] = _of_number(numbers) if group["level"][0] is None else _of_classes(numbers)
    return found


@np.errstate(over="ignore", invalid="ignore")
def correlations(summary: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Return the size of Pearson's correlation of each pair, both ways round; 0 where a column is constant."""
    found = {}
    pairs = summary.filter(pl.col("other") != TARGET)
    for one, other, _, n, mean, m2, mean_other, m2_other, product in pairs.iter_rows():
        constant = is_constant(n, mean, m2) or is_constant(n, mean_other, m2_other)
        size = 0.0 if constant else min(1.0, abs(product) / (np.sqrt(m2) * np.sqrt(m2_other)))
        found[one, other] = found[other, one] = float(size)
    return found


def is_constant(n: int, mean: float, m2: float) -> bool:
    """Say whether what varies is no more than rounding, by the bound of scikit-learn's StandardScaler.

    Numbers beyond 1e150, whose squares are no numbers, count as constant too: nothing can be said of them.
    """
    if n == 0 or not math.isfinite(m2):
        return True
    epsilon = sys.float_info.epsilon
    rounding = n * mean * epsilon
    return bool(m2 / n <= epsilon * m2 + rounding * rounding)


def _of_number(numbers: dict[str, Any]) -> Relation:
    n, mean, m2 = (numbers[key][0] for key in ("n", "mean", "m2"))
    if is_constant(n, mean, m2) or is_constant(n, numbers["mean_other"][0], numbers["m2_other"][0]):
        return Relation(int(n), 2, 0.0, float(m2))
    explained = min(1.0, float(numbers["product"][0] / np.sqrt(m2) / np.sqrt(numbers["m2_other"][0])) ** 2)
    return Relation(int(n), 2, float(explained * m2), float((1 - explained) * m2))


def _of_classes(numbers: dict[str, Any]) -> Relation:
    n, mean, m2 = (numbers[key] for key in ("n", "mean", "m2"))
    total = int(n.sum())
    joint = float((n * mean).sum() / total)
    spread, within = float((n * (mean - joint) ** 2).sum()), float(m2.sum())
    if is_constant(total, joint, spread + within):
        return Relation(total, len(n), 0.0, within)
    return Relation(total, len(n), spread, within)


def _alone(summary: pl.DataFrame) -> list[str]:
    return summary.filter(pl.col("other").is_null())["column"].to_list()


def _matrix(frame: pl.DataFrame, columns: list[str]) -> _Numbers:
    """Return a row of Float64 a column, NaN where a value is missing or infinite."""
    if not columns:
        return np.empty((0, 0))
    rows = frame.select(_numbers.number(name, frame.schema[name]) for name in columns)
    values = np.array([rows[name].to_numpy() for name in columns], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _finite(x: _Numbers) -> _Numbers:
    return x[np.isfinite(x)]


def _runs(levels: pl.Series) -> Iterator[tuple[str, int, int]]:
    """Yield each level of a sorted column with the rows that it starts and ends at; not what is missing."""
    lengths = levels.rle().struct.unnest()
    end = 0
    for length, level in lengths.select("len", "value").iter_rows():
        start, end = end, end + length
        if level is not None:
            yield level, start, end


def _row(column: str, other: str | None, level: str | None, x: _Numbers, y: _Numbers | None = None) -> _Row:
    """Return the moments of a column, and of another if there is one; sums are NumPy's, in one thread."""
    y = np.zeros_like(x) if y is None else y
    if not len(x):
        return column, other, level, 0, 0.0, 0.0, 0.0, 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean, mean_other = float(x.mean()), float(y.mean())
        away, away_other = x - mean, y - mean_other
        m2, m2_other, product = (float(part.sum()) for part in (away * away, away_other * away_other, away * away_other))
    return column, other, level, len(x), mean, m2, mean_other, m2_other, product


def _frame(rows: list[_Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort(KEYS)
