"""Says what the summary of a dataset tells: findings, and the distribution of each column.

In: the summary of all rows; of each batch, what a comparison with those before it saw. Out: a plain value.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from engine.assess import distribution, drift, relations
from engine.assess.examine import examine
from engine.assess.finding import Finding, ordered
from engine.assess.profile import Profile
from engine.errors import DataError
from engine.schemas import schema_of
from engine.stages.transform import apply_steps
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Judge the dataset."""
    whole, *compared = work.inputs
    key, columns = work.params["key"], work.params["columns"]
    with explained("cannot judge the condition of the rows"):
        summary = work.store.scan(whole).collect()
        profile, sample = Profile(summary), relations.sample_of(summary, schema_of(columns))
        seen = [(number, artifact.data()) for number, artifact in zip(work.params["batches"], compared, strict=True)]
        found = [
            *examine(profile, key),
            *drift.judge(seen, key),
            *relations.correlated(sample, key),
            *_leaks(work.params["leaks"], sample, key),
        ]
        value = {
            "rows": profile.rows,
            "columns": len(profile.columns),
            "findings": [one.plain() for one in ordered(found)],
            "distributions": distribution.of(profile, [name for name, _ in columns]),
        }
    return work.store.value(value)


def _leaks(asked: dict[str, Any] | None, sample: pl.DataFrame, key: list[str]) -> list[Finding]:
    """Look for columns that give the target away, as they are after ``prepare``, and before it dropped any."""
    if asked is None or not sample.height:
        return []
    target, steps = asked["target"], asked["steps"]
    making = [node for node in steps if node["use"] not in ("drop", "keep", "deduplicate")]
    leaving = [node for node in steps if node["use"] in ("drop", "keep")]
    try:
        rows = apply_steps(sample.lazy(), making, []).collect()
        kept = apply_steps(rows.lazy(), leaving, []).collect_schema().names()
    except (DataError, pl.exceptions.PolarsError) as error:
        message = f"not looked for leaks of {target}: {str(error).splitlines()[0]}"
        return [Finding("note", "not_looked", (), message, "see whether the steps under prepare fit the data")]
    if target not in rows.columns:
        return []
    dropped = [column for column in rows.columns if column not in kept]
    return relations.leaking(rows, target, dropped=dropped, key=key)
