"""Agrees on one schema for a dataset, over all its partitions. Until it has, nothing of a new batch is visible.

In: all partitions of a dataset; ``sources`` names where they came from, for messages. Out: a Parquet file of no rows whose
schema is the dataset's, so that rows that differ only in content leave it as it was.
"""

from __future__ import annotations

import polars as pl

from engine.errors import DataError
from engine.stages.work import Work
from engine.stores.artifacts import Artifact

_WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)


def run(work: Work) -> Artifact:
    """Return the schema that holds every partition: whole numbers widen to decimal ones, empty columns to any type."""
    if not any(artifact.rows for artifact in work.inputs):
        told = [artifact.data() for artifact in work.inputs]
        broken = sum(one["quarantined"] for one in told)
        found = f"{broken:,} rows, all of which broke a rule" if broken else f"{len(told)} files without rows"
        raise DataError("this dataset has no rows", where=work.params["sources"][0], expected="at least one row", found=found)
    schemas = [work.store.scan(artifact).collect_schema() for artifact in work.inputs]
    merged: dict[str, pl.DataType] = {}
    for column in schemas[0].names():
        merged[column] = _agree(work, column, [schema[column] for schema in schemas])
    empty = pl.DataFrame(schema=merged)
    return work.keep(empty, {"columns": [[name, str(dtype)] for name, dtype in merged.items()]})


def _agree(work: Work, column: str, dtypes: list[pl.DataType]) -> pl.DataType:
    if len(set(dtypes)) == 1:
        return dtypes[0]
    seen: dict[pl.DataType, str] = {}
    for artifact, source, dtype in zip(work.inputs, work.params["sources"], dtypes, strict=True):
        if not _is_empty(work, artifact, column):
            seen.setdefault(dtype, source)
    kinds = list(seen)
    if len(kinds) <= 1:
        return kinds[0] if kinds else pl.String()
    if all(kind.is_float() or kind in _WHOLE for kind in kinds):
        return pl.Float64() if any(kind.is_float() for kind in kinds) else pl.Int64()
    (first, first_file), (other, other_file) = list(seen.items())[:2]
    raise DataError(
        f"the column '{column}' is {first} in one file and {other} in another",
        where=other_file,
        expected=f"{first}, as in {first_file}",
        found=str(other),
        hint=f"declare it, for example dtypes: {{{column}: String}}, and cast it under prepare",
    )


def _is_empty(work: Work, artifact: Artifact, column: str) -> bool:
    return bool(work.store.scan(artifact).select(pl.col(column).is_null().all()).collect().item())
