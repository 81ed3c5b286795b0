"""What a sample of whole rows tells: columns that say the same, and columns that alone give the target away."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import polars as pl

from engine.assess.counting import sampled
from engine.assess.finding import Finding
from engine.assess.profile import Profile

_HASH = 20  # characters before the JSON of a sampled row


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
    """Return the pairs of numeric columns whose correlation (Pearson) is at least 0.98 in size."""
    names = [name for name, dtype in sample.schema.items() if dtype.is_numeric() and name not in key]
    pairs = list(itertools.combinations(sorted(names), 2))
    if sample.height < 30 or not pairs:
        return []
    found = sample.select(pl.corr(a, b).alias(str(number)) for number, (a, b) in enumerate(pairs)).row(0)
    advice = "one of the two is enough for most models"
    return [
        Finding("note", "correlated", pair, f"correlation {value:.3f}", advice, 0, sample.height)
        for pair, value in zip(pairs, found, strict=True)
        if value is not None and 0.98 <= abs(value) <= 1.0001
    ]


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
