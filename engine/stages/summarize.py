"""Looks at one partition's training rows for a fitted step: the part of a fit that runs in parallel.

In: a partition of the view, its parts, the states of the fitted steps before. Out: the step's summary.
"""

from __future__ import annotations

import polars as pl

from engine.plugin import PART, TARGET, FittedTransformer
from engine.stages import encoding
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Summarize the training rows, which are all that a fitted step is ever shown."""
    view, parts, *states = (work.store.scan(artifact) for artifact in work.inputs)
    step: FittedTransformer = work.plugin("transformer", "step")
    rows = encoding.labelled(view, parts, work.params["problem"]).filter(pl.col(PART) == "train")
    # The part stays until here: a step before may give training rows other values than the rest, and it is those that count.
    rows = encoding.apply(rows, work.params["before"], [state.collect() for state in states]).drop(PART)
    if work.params["problem"]["task"] == "clustering":
        rows = rows.drop(TARGET, strict=False)  # known labels are for metrics: groups that learned them would not be found
    with explained(f"{work.params['step']['use']} can not learn from these rows"):
        return work.keep(step.summarize(rows))
