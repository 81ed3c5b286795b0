"""Prepares, joins and extracts features: a chain of steps as one lazy Polars plan over one partition, or over all.

In: partitions of the raw store and the datasets to join. Out: a Parquet file.
Whatever steps stand in a row, nothing is written between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from engine.errors import DataError
from engine.plugin import TimeAware, Transformer
from engine.registry import build, find
from engine.schemas import schema_of
from engine.stages.join import check_unique, join
from engine.stages.numbers import outside
from engine.stages.reading import microseconds
from engine.stages.shuffle import gathered, scattered
from engine.stages.work import Work, explained, split
from engine.stores.artifacts import Artifact
from engine.stores.raw import RawStore

_LOOK = 1_000  # rows


def run(work: Work) -> Artifact:
    """Apply ``steps`` to rows, with those in their past; ``unique`` names columns that must identify a row afterwards.

    The first ``partitions`` inputs hold the rows, the last ones are the datasets to join. With a ``schema`` they are
    partitions of the raw store, and ``earlier`` ones follow; else buckets that hold the rows of ``own`` and ``past`` units.
    To ``scatter`` is to cut the result into buckets, for a join.
    """
    params = work.params
    if params["schema"] is not None:
        rows, others, sides = split(work.inputs, params["partitions"], params["earlier"])
        frame = conform(work.store.raw, rows, params["schema"])
        past = conform(work.store.raw, others, params["schema"]) if others else None
    else:
        buckets, sides = split(work.inputs, params["partitions"])
        frame = gathered(work, buckets, [params["own"]])
        past = gathered(work, buckets, params["past"]) if params["past"] else None
    joined = [work.store.scan(side) for side in sides]
    if params["between"] is not None:
        _check_times(frame, params["steps"], joined, params["between"][0])
    earlier = None if past is None else _earlier(past, params["between"])
    frame = apply_steps(frame, params["steps"], joined, earlier)
    if params["scatter"] is not None:
        frame = scattered(frame, **params["scatter"])
    with explained(f"cannot prepare {params['dataset']}, {work.stem}"):
        artifact = work.keep(frame)
    check_unique(work.store.scan(artifact), params["unique"], params["dataset"])
    return artifact


def _check_times(frame: pl.LazyFrame, steps: Sequence[dict[str, Any]], sides: Sequence[pl.LazyFrame], time: str) -> None:
    """Raise ``DataError`` if times are not those that earlier rows were chosen by. Looks at the first rows."""
    first = frame.head(_LOOK).collect()
    aware = next((number for number, node in enumerate(steps) if "join" not in node and _is_aware(node)), len(steps))
    after = apply_steps(first.lazy(), steps[:aware], sides).collect()
    same = after.schema.get(time) == first.schema[time]
    if not same or not after.join(first, on=time, how="anti", nulls_equal=True).is_empty():
        raise DataError(
            f"a step before changes '{time}', by which earlier rows are chosen",
            where=f"step {aware + 1} ({steps[aware]['use']})" if aware < len(steps) else "a step that looks at them",
            hint="let it make a column of another name, and look at that (on: ...)",
        )


def _earlier(rows: pl.LazyFrame, between: Sequence[Any] | None) -> pl.LazyFrame:
    if between is None:
        return rows
    column, since, until = between
    time = microseconds(pl.col(column))
    return rows.filter(time <= until if since is None else time.is_between(since, until))


def conform(raw: RawStore, rows: Sequence[Artifact], columns: Sequence[Any]) -> pl.LazyFrame:
    """Return partitions of the raw store as rows of one schema, without what a later backfill has replaced.

    A column that a partition lacks is null in its rows; text stands in for a type that is none of a column's own.
    """
    wanted = schema_of(columns)
    frames = []
    for part in rows:
        frame = outside(raw.scan(part), (part.data() or {}).get("without", ()))
        has = frame.collect_schema()
        frames.append(
            frame.select(
                (pl.col(name) if name in has else pl.lit(None)).cast(dtype).alias(name) for name, dtype in wanted.items()
            )
        )
    return pl.concat(frames, how="vertical")


def apply_steps(
    frame: pl.LazyFrame,
    steps: Sequence[dict[str, Any]],
    sides: Sequence[pl.LazyFrame],
    earlier: pl.LazyFrame | None = None,
    *,
    first: int = 1,
) -> pl.LazyFrame:
    """Return the frame after each step; a step is a transformer, or a join with the side that it numbers.

    ``earlier`` rows go through the same steps as far as a step that looks at them follows. Schemas are resolved step by
    step, so that an error names the step, numbered from ``first``. Also used before anything is read, on frames of no rows.
    """
    aware = [number for number, node in enumerate(steps) if "join" not in node and _is_aware(node)]
    for number, node in enumerate(steps):
        what = f"step {first + number} ({node.get('use', 'join')}) can not be applied"
        with explained(what):
            earlier = earlier if aware and number <= aware[-1] else None
            frame, earlier = _applied(frame, earlier, node, sides)
            frame.collect_schema()
    return frame


def _is_aware(node: dict[str, Any]) -> bool:
    return issubclass(find("transformer", node["use"]), TimeAware)


def _applied(
    frame: pl.LazyFrame, earlier: pl.LazyFrame | None, node: dict[str, Any], sides: Sequence[pl.LazyFrame]
) -> tuple[pl.LazyFrame, pl.LazyFrame | None]:
    """Return both frames after a step."""
    if "join" in node:
        side = sides[node["side"]]
        return join(frame, side, node["join"]), None if earlier is None else join(earlier, side, node["join"])
    step = build("transformer", node)
    assert isinstance(step, Transformer)  # the specification allows no other here
    if isinstance(step, TimeAware):
        # A step takes its rows several times: without a cache, a step after it would take them several times as often.
        frame, earlier = frame.cache(), None if earlier is None else earlier.cache()
        # An earlier row has rows of this partition in its own past.
        return step.apply(frame, earlier), None if earlier is None else step.apply(earlier, frame)
    return step.apply(frame), None if earlier is None else step.apply(earlier)
