"""Joins the summaries of a fitted step, and makes its state when they are all there.

In: summaries. Out: a summary, or the state if ``finish``; the value of a state says which columns the step keeps, and why.
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
        if not work.params["finish"]:
            return work.keep(summary)
        state = step.finish(summary)
        choices = step.choices(state)
        return work.keep(state, None if choices is None else choices.to_dicts())
