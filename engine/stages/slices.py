"""Measures how good predictions are for some of the rows beside all others of the part, to find where a model is poor.

In: what was predicted of a part, all partitions of the view, the same encoded. Out: a plain value with the ranking metric of
each slice, its interval, the difference to the other rows, and which slice is the worst that can be told from them.

A slice is compared with the rows that are not in it, because the whole has it in it, the more so the larger it is (as in Chung
et al., Slice Finder: Automated Data Slicing for Model Validation, ICDE 2019). Both sides are resampled independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.plugin import PART, TARGET, Metric, require
from engine.registry import name_of
from engine.stages import intervals, rows
from engine.stages.evaluate import score
from engine.stages.slicing import Slice, slices_of
from engine.stages.work import Work, explained, split
from engine.stores.artifacts import Artifact

LEAST = 30  # rows below which neither side is compared
_ROWS = 2_000  # that are resampled of each side: what comes out is scaled to all of them
_DEFINED = 0.99  # of the resamples; a class of four rows is in so many, one of fewer says too little of its own spread
_LEVEL = 0.05


def run(work: Work) -> Artifact:
    """Measure the slices of one part."""
    metric: Metric = work.plugin("metric", "metric")
    (evaluated,), inputs = split(work.inputs, 1)
    views, encoded = inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :]
    columns = _columns(work, views, encoded)
    features, truth = rows.of_part(work, encoded, work.params["part"])
    predicted = work.scan(evaluated).drop(TARGET, strict=False).collect()
    with explained("the metric of slices can not be computed"):
        found = measure(metric, Told(truth, predicted, features), [one for column in columns for one in slices_of(column)])
    return work.store.value({"whole": evaluated.data()["metrics"][name_of(type(metric))], **found})


def _columns(work: Work, views: Sequence[Artifact], encoded: Sequence[Artifact]) -> list[pl.Series]:
    """Return the columns by which rows are sliced: of the part, in its order, as they are before the encoding."""
    wanted = work.params["columns"]
    require(wanted, work.scan(views[0]).collect_schema().names())
    values, parts = work.scan(*views).select(wanted), work.scan(*encoded).select(PART)
    found = pl.concat([values, parts], how="horizontal").filter(pl.col(PART) == work.params["part"]).collect()
    return [found[name] for name in wanted]


@dataclass(frozen=True, slots=True)
class Told:
    """Rows with what is true of them, what was predicted, and the features."""

    truth: pl.Series | None
    prediction: pl.DataFrame
    features: pl.DataFrame

    def at(self, places: NDArray[np.int64]) -> Told:
        """Return some of the rows."""
        return Told(None if self.truth is None else self.truth[places], self.prediction[places], self.features[places])

    def measured(self, metric: Metric, seed: int) -> tuple[float | None, list[float | None]]:
        """Return the metric and its resamples, none of fewer rows than can be compared."""
        value = score(metric, self.truth, self.prediction, self.features)
        if self.features.height < LEAST:
            return value, []
        draws = intervals.draw(self.features.height, limit=_ROWS, seed=seed)
        return value, intervals.resampled(metric, value, draws, self.truth, self.prediction, self.features)


def measure(metric: Metric, told: Told, slices: Sequence[Slice]) -> dict[str, Any]:
    """Return the entries of slices and which is the worst that can be told from the other rows, None if none can."""
    everywhere = np.arange(told.features.height)
    entries: list[dict[str, Any]] = []
    strengths: list[float | None] = []
    for one in slices:
        value, own = told.at(one.places).measured(metric, 0)
        others, rest = told.at(np.setdiff1d(everywhere, one.places, assume_unique=True)).measured(metric, 1)
        difference = None if value is None or others is None else value - others
        entries.append(
            {
                "column": one.column,
                "slice": one.name,
                "kind": one.kind,
                "rows": len(one.places),
                "value": value,
                "interval": intervals.interval(own),
                "others": others,
                "difference": difference,
                "difference_interval": intervals.difference(own, rest),
            }
        )
        strengths.append(_strength(difference, own, rest))
    compared = sum(strength is not None for strength in strengths)
    needed = NormalDist().inv_cdf(1 - _LEVEL / 2 / max(1, compared))  # Bonferroni: of forty slices two seem to differ by chance
    for entry, strength in zip(entries, strengths, strict=True):
        entry["differs"] = None if strength is None else strength > needed
    return {"slices": entries, "compared": compared, "least_rows": LEAST, "worst": _worst(metric, entries)}


def _strength(difference: float | None, own: list[float | None], rest: list[float | None]) -> float | None:
    """Return a difference in its standard deviations; None where too little is known to judge it."""
    pairs = [a - b for a, b in zip(own, rest, strict=False) if a is not None and b is not None]
    if difference is None or len(pairs) < _DEFINED * intervals.RESAMPLES:
        return None
    spread = float(np.std(pairs))
    if spread == 0:
        return np.inf if difference else 0.0
    return abs(difference) / spread


def _worst(metric: Metric, entries: Sequence[dict[str, Any]]) -> int | None:
    sign = 1 if metric.greater_is_better else -1
    worse = [at for at, entry in enumerate(entries) if entry["differs"] and sign * entry["difference"] < 0]
    return min(worse, key=lambda at: sign * entries[at]["value"], default=None)
