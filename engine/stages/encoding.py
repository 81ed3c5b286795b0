"""What the stages of the encoding share: the rows as models see them, and the steps applied to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from engine.plugin import PART, TARGET, FittedTransformer, Transformer, choose
from engine.registry import build
from engine.stages.work import explained


def labelled(view: pl.LazyFrame, parts: pl.LazyFrame, problem: dict[str, Any]) -> pl.LazyFrame:
    """Return the features of a view's rows with their part and target under names that no step can reach.

    The target is text for classes, Float64 for regression, whatever it is for clustering (where only metrics see it).
    """
    target = problem["target"]
    wanted = [pl.col(name) for name in features_in(view.collect_schema(), problem)]
    if target is not None:
        known = pl.col(target).cast(pl.Float64 if problem["task"] == "regression" else pl.String)
        wanted.append(known.alias(TARGET))
    return pl.concat([view.select(wanted), parts.select(pl.col(PART))], how="horizontal")


def features_in(schema: pl.Schema, problem: dict[str, Any]) -> list[str]:
    """Return the columns of a view that models may see."""
    columns = tuple(problem["features"]) if isinstance(problem["features"], list) else problem["features"]
    return [name for name in choose(columns, schema) if name != problem["target"]]


def apply(frame: pl.LazyFrame, steps: Sequence[dict[str, Any]], states: Sequence[pl.DataFrame]) -> pl.LazyFrame:
    """Return the frame after each step of the encoding; fitted steps take their states in order."""
    remaining = iter(states)
    for node in steps:
        step = build("transformer", node)
        with explained(f"the encoding step {node['use']} can not be applied"):
            if isinstance(step, FittedTransformer):
                frame = step.apply(frame, next(remaining))
            elif isinstance(step, Transformer):
                frame = step.apply(frame)
            frame.collect_schema()
    return frame
