"""Looks at the condition of one ingested partition.

In: its rows. Out: a summary (``engine.assess.summary``), which merges with those of other partitions.
"""

from __future__ import annotations

from engine.assess.counting import summarize
from engine.stages.numbers import Link, numbered, outside
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Summarize the rows that ``links`` lead to, numbered as in ``source``, without the ranges replaced since."""
    links = [Link.from_json(node) for node in work.params["links"]]
    with explained(f"cannot assess {work.params['source']}"):
        rows = outside(numbered(work.store.raw, links), work.params["without"])
        return work.keep(summarize(rows, work.params["source"], work.params["key"]))
