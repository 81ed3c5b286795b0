"""Joins the sketches of partitions.

In: sketches of the same view. Out: one, with the value that all of them have.
"""

from __future__ import annotations

from engine.assess.sketch import tidy
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Merge the sketches."""
    with explained("cannot merge what partitions were found to be"):
        sketch = tidy(work.store.scan(artifact).collect() for artifact in work.inputs)
        return work.keep(sketch, work.inputs[0].data())
