"""The encoded rows of one part, as models and metrics take them: read once for all tasks of a process that use them.

Fits of a sweep learn from the same rows. A frame of them is shared for as long as a task holds it, and what is small is kept
beyond that, for the next. Frames never change, so none needs a copy of its own.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import polars as pl

from engine import digest
from engine.errors import DataError
from engine.plugin import PART, TARGET
from engine.plugin.matrix import share
from engine.stages.work import Work
from engine.stores.artifacts import Artifact

Rows: TypeAlias = "tuple[pl.DataFrame, pl.Series | None]"
"""Features of rows in order, and their targets or None."""

_Key: TypeAlias = "tuple[str, ...]"

_KEPT = 256 * 10**6  # bytes of the matrices of rows that are kept though no task holds them


class _Shared:
    """Rows by what they were read from. Safe to use from several threads, of which one reads and the others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading: dict[_Key, threading.Lock] = {}
        self._held: dict[_Key, tuple[weakref.ref[pl.DataFrame], pl.Series | None]] = {}
        self._kept: OrderedDict[_Key, pl.DataFrame] = OrderedDict()

    def get(self, key: _Key, read: Callable[[], Rows]) -> Rows:
        """Return the rows of a key, which are read where no task holds them and none are kept."""
        with self._lock:
            reading = self._reading.setdefault(key, threading.Lock())
        with reading:
            reference, target = self._held.get(key, (None, None))
            features = reference() if reference is not None else None
            if features is None:
                features, target = read()
            with self._lock:
                self._held[key] = weakref.ref(features), target
                self._keep(key, features)
        return features, target

    def _keep(self, key: _Key, features: pl.DataFrame) -> None:
        self._kept[key] = features
        self._kept.move_to_end(key)
        while sum(8 * one.height * one.width for one in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Keep no rows but those that a task holds."""
        with self._lock:
            self._kept.clear()
            self._held = {key: held for key, held in self._held.items() if held[0]() is not None}


_SHARED = _Shared()


def forget() -> None:
    """Let go of the rows that were kept for further tasks."""
    _SHARED.forget()


def of_part(work: Work, encoded: Sequence[Artifact], part: str) -> Rows:
    """Return the rows of a part. ``DataError`` when there are none. They are shared with other tasks of this process.

    Their matrix is shared with other processes, too, where the work names a folder for it.
    """
    key = (str(work.store.root), part, *(artifact.digest for artifact in encoded))
    features, target = _SHARED.get(key, lambda: _read(work, encoded, part))
    if work.shared is not None:
        share(features, work.shared / f"{digest.of_value(list(key))}.npy")
    return features, target


def _read(work: Work, encoded: Sequence[Artifact], part: str) -> Rows:
    rows = work.scan(*encoded).filter(pl.col(PART) == part).drop(PART).collect()
    if rows.height == 0:
        raise DataError(f"the part {part} has no rows", hint=f"give splitter.{part} a larger share, or use more rows")
    if TARGET not in rows.columns:
        return rows, None
    return rows.drop(TARGET), rows[TARGET]


def nested(features: pl.DataFrame, target: pl.Series | None, size: float) -> Rows:
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
