"""Turns one partition of a view into the numbers that models take.

In: a partition of the view, its parts, the states of all fitted steps. Out: a Parquet file of numeric features with part
and target; the value names the features and the columns that were left out, with the reason.
"""

from __future__ import annotations

import polars as pl
import polars.selectors as cs

from engine.errors import DataError
from engine.plugin import PART, TARGET
from engine.stages import encoding
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Encode the rows."""
    view, parts, *states = (work.store.scan(artifact) for artifact in work.inputs)
    rows = encoding.labelled(view, parts, work.params["problem"])
    rows = encoding.apply(rows, work.params["steps"], [state.collect() for state in states])
    schema = rows.drop(TARGET, PART, strict=False).collect_schema()
    features = list(cs.expand_selector(schema, cs.numeric() | cs.boolean()))
    left_out = [{"column": name, "reason": f"{dtype}: not a number"} for name, dtype in schema.items() if name not in features]
    text = [name for name, dtype in schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    if text:
        raise DataError(
            f"text is left after the encoding: {', '.join(text)}",
            expected="numbers only",
            hint="add {use: one_hot, columns: text} to encode, or drop the columns under view.features",
        )
    if not features:
        raise DataError("no feature is left after the encoding", hint="see what select and problem.features keep")
    kept = [name for name in (TARGET, PART) if name in rows.collect_schema().names()]
    with explained("these rows can not be encoded"):
        # Matrices are read whole, and to find the bounds of a hundred columns is a fifth of writing them.
        return work.keep(rows.select(*features, *kept), {"features": features, "left_out": left_out}, statistics=False)
