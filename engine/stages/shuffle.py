"""Brings rows of equal keys together, and back into the partitions that they came from (a hash-partitioned join).

In: partitions, each cut into buckets by the hash of its keys; equal keys are in the bucket of the same number on both sides.
Out: each bucket joined by itself, so that only a bucket of the larger dataset need be in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import xor

import polars as pl

from engine.stages.join import check_unique, join, unique_by
from engine.stages.work import Work, explained, split
from engine.stores.artifacts import Artifact

_BUCKET = "__bucket__"
_UNIT = "__unit__"
_ROW = "__number__"


def run(work: Work) -> Artifact:
    """Join ``bucket`` of the first ``left`` inputs, which are partitions ``first`` and on, with that of all others."""
    lefts, rights = split(work.inputs, work.params["left"])
    bucket, node = pl.col(_BUCKET) == work.params["bucket"], work.params["join"]
    numbered = [
        work.scan(part).filter(bucket).with_columns(pl.lit(work.params["first"] + number, pl.UInt32).alias(_UNIT))
        for number, part in enumerate(lefts)
    ]
    left = pl.concat(numbered, how="vertical").drop(_BUCKET)
    right = unscattered(pl.concat([work.scan(part).filter(bucket) for part in rights], how="vertical"))
    with explained(f"cannot join {node['with']}"):
        check_unique(right, unique_by(node), node["with"])
        return work.keep(join(left, right, node))


def scattered(frame: pl.LazyFrame, on: Sequence[str], buckets: int) -> pl.LazyFrame:
    """Return rows with their numbers, those of a bucket together. A row that lacks a key matches none: it may be anywhere.

    Integers of all widths hash alike, and so do -0.0 and 0.0; categories are hashed as what they say.
    """
    schema = frame.collect_schema()
    hashed = reduce(xor, (_told(name, schema[name]).hash(seed) for seed, name in enumerate(on)))
    lacking = pl.any_horizontal(pl.col(name).is_null() for name in on)
    numbered = frame.with_row_index(_ROW)
    bucket = pl.when(lacking).then(pl.col(_ROW).cast(pl.UInt64)).otherwise(hashed) % buckets
    return numbered.with_columns(bucket.cast(pl.UInt32).alias(_BUCKET)).sort(_BUCKET, maintain_order=True)


def unscattered(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows without what ``scattered`` has added; rows of equal keys are in their order."""
    return rows.drop(_BUCKET, _ROW)


def _told(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_integer():
        return pl.col(name).cast(pl.Int128)
    return pl.col(name).cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else pl.col(name)


def gathered(work: Work, inputs: Sequence[Artifact], parts: Sequence[int]) -> pl.LazyFrame:
    """Return the rows of partitions from the joined buckets, in their order."""
    frames = [work.scan(bucket).filter(pl.col(_UNIT).is_in(parts)) for bucket in inputs]
    return pl.concat(frames, how="vertical").sort(_UNIT, _ROW, maintain_order=True).drop(_UNIT, _ROW)
