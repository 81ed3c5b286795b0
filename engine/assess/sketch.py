"""What is kept of a view's rows to compare its parts by: which rows and keys are on which sides, and some whole rows.

A sketch is a function of the rows and their parts alone, in whatever partitions. Of each kind of entry those with the least
hashes stay (bottom-k sketch: Cohen, Kaplan 2007, doi 10.1145/1281100.1281133), each with its exact counts by part; of
samples the values stay, too. Rows that are in no part are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import polars as pl

from engine.assess.counting import identity
from engine.plugin import PARTS

Kind: TypeAlias = Literal["key", "row", "sample"]
"""A key, a row as models see it, a row with its values: a random one."""

KEPT: Mapping[Kind, int] = {"key": 32_768, "row": 32_768, "sample": 8_192}
"""Different ones of each kind that are kept: all of them where there are no more."""

WHAT, HASH = "__what__", "__hash__"
"""The columns that say what kind an entry is of, and which."""

COUNTS = {part: f"__{part}__" for part in PARTS}
"""The columns that hold how often it is in each part."""

_FIRST = "__first__"
_SLICE = 262_144  # rows
_CELL = 200  # characters of a text that count


def summarize(view: pl.LazyFrame, parts: pl.Series, columns: Mapping[Kind, Sequence[str]]) -> pl.DataFrame:
    """Return the sketch of one partition, whose rows are in ``parts``, one for each.

    ``columns`` say what makes entries of each kind different. A row that lacks a value of a key has no key, and without
    columns for it no row has one.
    """
    found, start = list[pl.DataFrame](), 0
    for rows in view.collect_batches(chunk_size=_SLICE, maintain_order=True):
        bounds = {kind: _bound(found[0], kind) for kind in KEPT} if found else {}
        seen = _slice(rows, parts[start : start + rows.height], columns, bounds)
        found, start = [tidy([*found, seen]) if found else seen], start + rows.height
    return found[0] if found else _slice(pl.DataFrame(schema=view.collect_schema()), parts.clear(), columns, {})


def _bound(sketch: pl.DataFrame, kind: Kind) -> int | None:
    """Return the hash beyond which nothing more of a kind is kept, None while there is room."""
    hashes = sketch.filter(pl.col(WHAT) == kind)[HASH]
    return hashes.max() if len(hashes) >= KEPT[kind] else None  # type: ignore[return-value]  # a number


def tidy(sketches: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the sketch of the rows of all; associative and commutative, the sketch of no rows changes nothing."""
    entries = pl.concat(list(sketches), how="vertical")
    added = entries.group_by(WHAT, HASH).agg(pl.col(name).sum() for name in COUNTS.values()).sort(HASH)
    kept = [added.filter(pl.col(WHAT) == kind).head(most) for kind, most in KEPT.items()]
    there = entries.filter(pl.col(WHAT) == "sample").join(kept[-1].select(HASH), on=HASH, how="semi")
    values = there.drop(WHAT, *COUNTS.values()).unique(HASH, keep="any")
    kept[-1] = kept[-1].join(values, on=HASH, how="left", maintain_order="left")
    return pl.concat(kept, how="diagonal").select(entries.columns)


def of_kind(sketch: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Return the entries of a kind: ``HASH``, ``COUNTS`` and, of samples, the values: of numbers and times as Float64."""
    found = sketch.filter(pl.col(WHAT) == kind).drop(WHAT)
    return found if kind == "sample" else found.select(HASH, *COUNTS.values())


def _slice(
    rows: pl.DataFrame, parts: pl.Series, columns: Mapping[Kind, Sequence[str]], bounds: Mapping[Kind, int | None]
) -> pl.DataFrame:
    schema = rows.schema
    sides = pl.DataFrame([(parts == part).fill_null(value=False).cast(pl.Int64).alias(name) for part, name in COUNTS.items()])
    placed = parts.is_not_null()
    lacking = pl.any_horizontal(pl.lit(not columns["key"]), *(pl.col(name).is_null() for name in columns["key"]))
    keyed = placed & ~rows.with_columns(lacking.alias(HASH))[HASH]
    kept = []
    for kind in KEPT:
        hashes = rows.with_columns(identity(schema, columns[kind]).alias(HASH)).select(HASH)
        kept.append(_least(hashes.hstack(sides), keyed if kind == "key" else placed, kind, bounds.get(kind)))
    values = {name: value for name in columns["sample"] if (value := _value(name, schema[name])) is not None}
    kept[-1] = kept[-1].hstack(rows[kept[-1][_FIRST]].select(values.values()))
    return pl.concat(kept, how="diagonal").select(WHAT, HASH, *COUNTS.values(), *values)


def _least(entries: pl.DataFrame, among: pl.Series, kind: Kind, bound: int | None) -> pl.DataFrame:
    """Return the least hashes up to a bound with their counts by part, and the place of the first row of each."""
    if bound is not None:
        among &= entries[HASH] <= bound
    counts, first = [pl.col(name).sum() for name in COUNTS.values()], pl.col(_FIRST).min()
    found = entries.with_row_index(_FIRST).filter(among).group_by(HASH).agg(*counts, first)
    return found.sort(HASH).head(KEPT[kind]).with_columns(pl.lit(kind).alias(WHAT))


def _value(name: str, dtype: pl.DataType) -> pl.Expr | None:
    """Return a column as numbers, or as text where it has levels; None for what has neither."""
    column = pl.col(name)
    if dtype.is_temporal():
        return column.to_physical().cast(pl.Float64)
    if dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean):
        return column.cast(pl.String).str.slice(0, _CELL)
    return None
