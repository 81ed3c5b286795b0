"""Compares a batch with all that came before it.

In: what this task made for the batch before, unless there is none; the summary of the batch. Out: the summary of both, of
what can be compared; the value is what was seen (``engine.assess.drift``).
"""

from __future__ import annotations

import polars as pl

from engine.assess.drift import compare
from engine.assess.profile import Profile
from engine.assess.summary import ALONE, tidy
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Compare, and merge for the next batch."""
    with explained("cannot compare a batch with those before it"):
        light = ~pl.col("what").is_in(ALONE)
        *before, now = (work.store.scan(artifact).filter(light).collect() for artifact in work.inputs)
        seen = compare(Profile(before[0]) if before else None, Profile(now))
        return work.keep(tidy([*before, now]), seen)
