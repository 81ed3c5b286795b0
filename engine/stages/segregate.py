"""Assigns every row of a view to train, validation or test, and says what is doubtful about the result.

In: all partitions of the view. Out: a Parquet file with the part of each row, in the order of the rows; the value has
where each partition begins, the counts of the parts and the findings. Rows without a target belong to no part.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import polars as pl

from engine.plugin import PART, PARTS, Finding, Roles, Splitter, require
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact

_SMALL_PART = 30  # rows below which a metric says little
_SHARE_GAP = 0.05  # difference of a class's share between parts that is worth a word


def run(work: Work) -> Artifact:
    """Segregate the rows."""
    splitter: Splitter = work.plugin("splitter", "splitter")
    roles = Roles(**{**work.params["roles"], "key": tuple(work.params["roles"]["key"])})
    view = work.scan(*work.inputs)
    needed = list(dict.fromkeys([*splitter.needs(roles), *filter(None, (roles.target, roles.time))]))
    require(needed, view.collect_schema().names())
    with explained("cannot split the rows"):
        part = splitter.assign(roles).cast(pl.Enum(PARTS))
        if roles.target and roles.task != "clustering":
            part = pl.when(pl.col(roles.target).is_not_null()).then(part)
        rows = (view.select(needed) if needed else view).with_columns(part.alias(PART)).collect()
        split = _split(rows, roles)
    offsets = [0, *accumulate(artifact.rows or 0 for artifact in work.inputs)]
    value = {"offsets": offsets, "split": split, "warnings": [_plain(found) for found in _findings(rows, split, roles)]}
    return work.keep(rows.select(PART), value)


def _split(rows: pl.DataFrame, roles: Roles) -> list[dict[str, Any]]:
    """Return, for each part, its rows, share, span of time and classes."""
    label = roles.target if roles.task == "classification" else None
    span = [pl.col(roles.time).min().alias("from"), pl.col(roles.time).max().alias("to")] if roles.time else []
    # One pass over the rows; what follows is as long as there are parts and classes.
    counted = rows.lazy().group_by(PART, *filter(None, [label])).agg(pl.len().alias("rows"), *span).collect(engine="streaming")
    table = []
    for part in PARTS:
        own = counted.filter(pl.col(PART) == part)
        count = int(own["rows"].sum())
        entry: dict[str, Any] = {"part": part, "rows": count, "share": count / rows.height if rows.height else 0.0}
        if roles.time and count:
            entry["from"], entry["to"] = str(own["from"].min()), str(own["to"].max())
        if label:
            classes = own.group_by(pl.col(label).cast(pl.String).alias("class")).agg(pl.col("rows").sum()).sort("class")
            entry["classes"] = dict(classes.iter_rows())
        table.append(entry)
    return table


def _findings(rows: pl.DataFrame, split: list[dict[str, Any]], roles: Roles) -> list[Finding]:
    found = []
    unlabelled = rows[roles.target].null_count() if roles.target and roles.task != "clustering" else 0
    if unlabelled:
        found.append(Finding("no_target", f"{unlabelled:,} rows have no {roles.target} and are left out", "label or drop them"))
    for entry in split:
        if 0 < entry["rows"] < _SMALL_PART:
            advice = "give it a larger share, or use more rows"
            found.append(Finding("small_part", f"{entry['part']} has only {entry['rows']} rows", advice))
    train = split[0].get("classes", {})
    said = sorted(train)[-1:] if len(train) == 2 else sorted(train)  # of two classes, one says it all
    for entry in split[1:]:
        for name, count in entry.get("classes", {}).items():
            if name in train and name not in said:
                continue
            found += _class_findings(entry, name, count, train, split[0]["rows"])
    return found


def _class_findings(entry: dict[str, Any], name: str, count: int, train: dict[str, int], total: int) -> list[Finding]:
    if name not in train:
        message = f"the class {name} is in {entry['part']} and not in train: no model can know it"
        return [Finding("class_not_in_train", message, "use splitter: stratified")]
    here, there = count / entry["rows"], train[name] / total
    if abs(here - there) > _SHARE_GAP:
        message = f"{name} is {here:.1%} of {entry['part']} and {there:.1%} of train"
        return [
            Finding(
                "class_shares_differ",
                message,
                "metrics of the two will differ; where time does not matter, use splitter: stratified",
            )
        ]
    return []


def _plain(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "message": finding.message, "advice": finding.advice}
