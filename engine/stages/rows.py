"""The encoded rows of one part, as models and metrics take them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from engine.errors import DataError
from engine.plugin import PART, TARGET
from engine.stages.work import Work
from engine.stores.artifacts import Artifact


def of_part(work: Work, encoded: Sequence[Artifact], part: str) -> tuple[pl.DataFrame, pl.Series | None]:
    """Return the features of a part's rows in order, and their targets or None. ``DataError`` when there are no rows."""
    rows = work.scan(*encoded).filter(pl.col(PART) == part).drop(PART).collect()
    if rows.height == 0:
        raise DataError(f"the part {part} has no rows", hint=f"give splitter.{part} a larger share, or use more rows")
    if TARGET not in rows.columns:
        return rows, None
    return rows.drop(TARGET), rows[TARGET]
