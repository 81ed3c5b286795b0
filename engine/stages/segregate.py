"""Assigns every row of a view to train, validation or test, and counts what is in each.

In: all partitions of the view. Out: a Parquet file with the part of each row, in the order of the rows; the value has
where each partition begins, the counts of the parts and of the rows without a target, which belong to no part.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import polars as pl

from engine.plugin import PART, PARTS, Roles, Splitter, require
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Segregate the rows."""
    splitter: Splitter = work.plugin("splitter", "splitter")
    roles = roles_of(work.params["roles"])
    view = work.scan(*work.inputs)
    needed = list(dict.fromkeys([*splitter.needs(roles), *filter(None, (roles.target, roles.time))]))
    require(needed, view.collect_schema().names())
    with explained("cannot split the rows"):
        part = splitter.assign(roles).cast(pl.Enum(PARTS))
        if roles.target and roles.task != "clustering":
            part = pl.when(pl.col(roles.target).is_not_null()).then(part)
        rows = (view.select(needed) if needed else view).with_columns(part.alias(PART)).collect()
        table = _table(rows, roles)
    offsets = [0, *accumulate(artifact.rows or 0 for artifact in work.inputs)]
    unlabelled = rows[roles.target].null_count() if roles.target and roles.task != "clustering" else 0
    return work.keep(rows.select(PART), {"offsets": offsets, "split": table, "unlabelled": unlabelled})


def roles_of(node: dict[str, Any]) -> Roles:
    """Return the roles that parameters describe."""
    return Roles(**{**node, "key": tuple(node["key"])})


def _table(rows: pl.DataFrame, roles: Roles) -> list[dict[str, Any]]:
    """Return, for each part, its rows, share, span of time and classes.

    With a time ``not_later`` counts, besides training, the rows that are no later than the last row of training.
    """
    label = roles.target if roles.task == "classification" else None
    span = [pl.col(roles.time).min().alias("from"), pl.col(roles.time).max().alias("to")] if roles.time else []
    # One pass over the rows; what follows is as long as there are parts and classes.
    counted = rows.lazy().group_by(PART, *filter(None, [label])).agg(pl.len().alias("rows"), *span).collect(engine="streaming")
    early = _not_later(rows, counted, roles.time) if roles.time else {}
    table = []
    for part in PARTS:
        own = counted.filter(pl.col(PART) == part)
        count = int(own["rows"].sum())
        entry: dict[str, Any] = {"part": part, "rows": count, "share": count / rows.height if rows.height else 0.0}
        if roles.time and count:
            entry["from"], entry["to"] = str(own["from"].min()), str(own["to"].max())
        if part in early:
            entry["not_later"] = early[part]
        if label:
            classes = own.group_by(pl.col(label).cast(pl.String).alias("class")).agg(pl.col("rows").sum()).sort("class")
            entry["classes"] = dict(classes.iter_rows())
        table.append(entry)
    return table


def _not_later(rows: pl.DataFrame, counted: pl.DataFrame, time: str) -> dict[str, int]:
    last = counted.filter(pl.col(PART) == "train").select(pl.col("to").max())
    if last.item() is None:
        return {}
    early = rows.lazy().filter(pl.col(time) <= pl.lit(last.to_series()).first(), pl.col(PART) != "train")
    return dict(early.group_by(pl.col(PART).cast(pl.String)).len().collect(engine="streaming").iter_rows())
