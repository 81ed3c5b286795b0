"""Prepares, joins and extracts features: a chain of steps as one lazy Polars plan over one partition, or over all.

In: partitions of the raw store and the datasets to join. Out: a Parquet file.
Whatever steps stand in a row, nothing is written between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from engine.errors import DataError
from engine.plugin import Transformer, require
from engine.registry import build
from engine.schemas import schema_of
from engine.stages.numbers import outside
from engine.stages.work import Work, explained, split
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Apply ``steps`` to the first ``partitions`` inputs; ``unique`` names columns that must identify a row afterwards."""
    rows, sides = split(work.inputs, work.params["partitions"])
    frame = conform(work, rows, work.params["schema"])
    frame = apply_steps(frame, work.params["steps"], [work.store.scan(side) for side in sides])
    with explained(f"cannot prepare {work.params['dataset']}, {work.stem}"):
        artifact = work.keep(frame)
    if work.params["unique"]:
        _check_unique(work, artifact)
    return artifact


def conform(work: Work, rows: Sequence[Artifact], columns: Sequence[Any]) -> pl.LazyFrame:
    """Return partitions of the raw store as rows of one schema, without what a later backfill has replaced.

    A column that a partition lacks is null in its rows; text stands in for a type that is none of a column's own.
    """
    wanted = schema_of(columns)
    frames = []
    for part in rows:
        frame = outside(work.store.raw.scan(part), (part.data() or {}).get("without", ()))
        has = frame.collect_schema()
        frames.append(
            frame.select(
                (pl.col(name) if name in has else pl.lit(None)).cast(dtype).alias(name) for name, dtype in wanted.items()
            )
        )
    return pl.concat(frames, how="vertical")


def apply_steps(frame: pl.LazyFrame, steps: Sequence[dict[str, Any]], sides: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Return the frame after each step; a step is a transformer, or a join with the side that it numbers.

    Schemas are resolved step by step, so that an error names the step. Also used before anything is read, on frames
    of no rows.
    """
    for number, node in enumerate(steps):
        what = f"step {number + 1} ({node.get('use', 'join')}) can not be applied"
        with explained(what):
            if "join" in node:
                frame = join(frame, sides[node["side"]], node["join"])
            else:
                step = build("transformer", node)
                assert isinstance(step, Transformer)  # the specification allows no other here
                frame = step.apply(frame)
            frame.collect_schema()
    return frame


def join(left: pl.LazyFrame, right: pl.LazyFrame, node: dict[str, Any]) -> pl.LazyFrame:
    """Join a dataset to the rows of a view: every row stays, in order, with nulls where nothing matches."""
    on, suffix = node["on"], node["suffix"] or f"_{node['with']}"
    for side, frame in (("the view", left), (node["with"], right)):
        try:
            require(on, frame.collect_schema().names())
        except DataError as error:
            error.where = f"join with {node['with']}: {side}"
            raise
    return left.join(right, on=on, how="left", suffix=suffix, maintain_order="left")


def _check_unique(work: Work, artifact: Artifact) -> None:
    on = work.params["unique"]
    counts = work.store.scan(artifact).drop_nulls(on).group_by(on).len().filter(pl.col("len") > 1).sort(on)
    twice = counts.head(1).collect()
    if twice.height:
        *values, count = twice.row(0)
        raise DataError(
            f"{work.params['dataset']} has several rows for one key, so a join would multiply rows",
            expected=f"one row for each {', '.join(on)}",
            found=f"{count} rows for " + ", ".join(f"{name}={value}" for name, value in zip(on, values, strict=True)),
            hint="deduplicate it under prepare, join on more columns, or allow it with many: true",
        )
