"""Looks at one partition for a rule about its whole dataset, or joins what was found in several.

In: rows of the raw store, or summaries. Out: the rule's summary of them.
"""

from __future__ import annotations

import polars as pl
import polars.selectors as cs

from engine.plugin import DatasetCheck
from engine.stages.transform import conform
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Summarize the rows, of which ``columns`` are looked at, called ``names``; without ``columns``, merge summaries."""
    rule: DatasetCheck = work.plugin("check", "check").over_dataset()
    with explained(f"the rule can not be applied: {rule.describe()}"):
        if work.params["columns"] is None:
            return work.keep(_merged(rule, [work.store.scan(artifact).collect() for artifact in work.inputs]))
        frame = conform(work.store.raw, work.inputs, work.params["columns"])
        there = [name for name, _ in work.params["columns"]]
        renamed = frame.select(pl.col(name).alias(called) for name, called in zip(there, work.params["names"], strict=True))
        return work.keep(rule.summarize(as_text(renamed)))


def as_text(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return categories as the text that they stand for: their codes differ from file to file."""
    return frame.with_columns((cs.categorical() | cs.enum()).cast(pl.String))


def _merged(rule: DatasetCheck, summaries: list[pl.DataFrame]) -> pl.DataFrame:
    """Merge neighbours, then what came of them: no row of a summary is merged more often than it must be."""
    while len(summaries) > 1:
        pairs = zip(summaries[::2], summaries[1::2], strict=False)
        odd = summaries[-1:] if len(summaries) % 2 else []
        summaries = [*(rule.merge(a, b) for a, b in pairs), *odd]
    return summaries[0]
