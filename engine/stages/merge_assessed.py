"""Joins the summaries of partitions, of a batch or of all batches.

In: summaries. Out: one.
"""

from __future__ import annotations

from engine.assess.summary import tidy
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Merge the summaries."""
    with explained("cannot merge what partitions were found to be"):
        return work.keep(tidy(work.store.scan(artifact).collect() for artifact in work.inputs))
