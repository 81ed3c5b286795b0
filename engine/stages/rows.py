"""The encoded rows of one part, as models and metrics take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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


def nested(features: pl.DataFrame, target: pl.Series | None, size: float) -> tuple[pl.DataFrame, pl.Series | None]:
    """Return some of the rows in their order: a share of them up to 1, or so many, at most all.

    Always the same, those of a size among those of a larger one; of classes each has its share.
    """
    count = max(1, min(features.height, round(size * features.height if size <= 1 else size)))
    if count == features.height:
        return features, target
    lots = pl.DataFrame({"lot": np.random.default_rng(0).permutation(features.height)})
    if target is not None and not target.dtype.is_numeric():
        within = pl.col("lot").rank("ordinal").over("class") / pl.len().over("class")
        lots = lots.with_columns(target.alias("class")).select(within.alias("share"), "lot")
    chosen = lots.select(pl.arg_sort_by(*lots.columns)).to_series().head(count).sort()
    return features[chosen], None if target is None else target[chosen]
