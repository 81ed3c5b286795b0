"""Looks up the rows of the view that a clustering names as typical of its clusters.

In: the fitted model, all partitions of the view, the parts of each. Out: a plain list, one entry for each cluster that has
an exemplar, with the number of the row in the view and its values as text.
"""

from __future__ import annotations

import polars as pl

from engine.plugin import PART, ROW
from engine.stages.work import Work, split
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Find the exemplars; rows are numbered from 1, in the order of the view."""
    (fitted,), inputs = split(work.inputs, 1)
    places = fitted.data()["fit"]["exemplars"]
    if not places:
        return work.store.value([])
    half = len(inputs) // 2
    view, parts = work.scan(*inputs[:half]), work.scan(*inputs[half:])
    numbers = parts.with_row_index(ROW, 1).filter(pl.col(PART) == "train").select(ROW).collect()[ROW][places]
    found = view.with_row_index(ROW, 1).filter(pl.col(ROW).is_in(numbers.implode())).collect()
    values = {row.pop(ROW): {name: _text(value) for name, value in row.items()} for row in found.iter_rows(named=True)}
    return work.store.value([{"cluster": at, "row": row, "values": values[row]} for at, row in enumerate(numbers)])


def _text(value: object) -> str | None:
    return None if value is None else str(value)
