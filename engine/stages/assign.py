"""Cuts the parts of one partition's rows out of a segregation.

A task of its own, so that a partition whose rows keep their parts when others are added is not encoded again. What it takes
besides the segregation only has to be there first: that the parts were admitted.
"""

from __future__ import annotations

from engine.stages.work import Work
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Return the parts of partition ``partition``."""
    segregation = work.inputs[0]
    start, end = segregation.data()["offsets"][work.params["partition"] :][:2]
    return work.keep(work.store.scan(segregation).slice(start, end - start))
