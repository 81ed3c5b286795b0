"""Joins the summaries of a fitted step, and makes its state when they are all there.

In: summaries. Out: a summary, or the state if ``finish``.
"""

from __future__ import annotations

from functools import reduce

from engine.plugin import FittedTransformer
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Merge the summaries in the order of the partitions."""
    step: FittedTransformer = work.plugin("transformer", "step")
    with explained(f"{work.params['step']['use']} can not be fitted"):
        summary = reduce(step.merge, (work.store.scan(artifact).collect() for artifact in work.inputs))
        return work.keep(step.finish(summary) if work.params["finish"] else summary)
