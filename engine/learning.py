"""Plans a learning curve: how good the model would be with fewer training rows, and so whether more would help.

In: a compiled pipeline whose specification asks for it. Out: tasks beside its own, and from their outcomes the curve as plain
data. A size is a fit on some of the training rows and a rating of it; the largest is the run's own model, which is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.compile import Compiled, Tasks
from engine.execute import Execution
from engine.graph import Graph
from engine.registry import describe, name_of
from engine.stages.intervals import difference

SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Shares of the training rows where nobody says which: together about one more fit."""

_FIT, _RATE = "learning_curve.fit", "learning_curve.rate"


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The tasks of a curve with all that they need, and the keys of those that nothing else needs.

    ``ratings`` are the keys of its points, the least size first, the whole part last.
    """

    compiled: Compiled
    graph: Graph
    own: frozenset[str]
    ratings: tuple[str, ...]

    def read(self, execution: Execution) -> dict[str, Any] | None:
        """Return the points as plain data, what failed, and what the second half of the rows brought; None without points."""
        found = {key: artifact.data() for key in self.ratings if (artifact := execution.artifact(key)) is not None}
        if not found:
            return None
        points = sorted({one["rows"]: one for one in found.values()}.values(), key=lambda one: int(one["rows"]))
        failed = [(self.graph[key], error) for key in self.own if (error := execution.outcomes[key].error) is not None]
        outcomes = [execution.outcomes[key] for key in self.own]
        return {
            "metric": name_of(type(self.compiled.spec.metric)),
            "part": self.compiled.ranking,
            "points": [{name: value for name, value in one.items() if name != "resamples"} for one in points],
            "last_step": _last_step(points, greater_is_better=self.compiled.spec.metric.greater_is_better),
            "failures": sorted(f"size {json.loads(task.params)['size']:g}: {error}" for task, error in failed),
            "ran": sum(one.status == "ran" for one in outcomes),
            "reused": sum(one.status == "reused" for one in outcomes),
            "seconds": round(sum(one.seconds for one in outcomes), 3),
        }


def _last_step(points: list[Mapping[str, Any]], *, greater_is_better: bool) -> dict[str, Any] | None:
    """Say what the rows from the last size but one to the last brought, and if they did: the paired bootstrap of the metric."""
    known = [one for one in points if one["value"] is not None]
    if len(known) < 2:
        return None
    before, after = known[-2:]
    ends = difference(after["resamples"], before["resamples"])
    if ends is None:
        return None
    return {
        "rows": [before["rows"], after["rows"]],
        "difference": round(after["value"] - before["value"], 6),
        "interval": ends,
        "gains": ends[0] > 0 if greater_is_better else ends[1] < 0,
        "loses": ends[1] < 0 if greater_is_better else ends[0] > 0,
    }


def plan_learning_curve(compiled: Compiled, *, final: bool) -> LearningCurve | None:
    """Return the tasks of the curve of a model that was chosen; None where none is asked for."""
    spec = compiled.spec
    if not final or spec.learning_curve is False:
        return None
    tasks = Tasks()
    model = describe(spec.model)
    rating = {"model": model, "metric": describe(spec.metric), "part": compiled.ranking}
    plugins = [spec.model, spec.metric]
    ratings = []
    for size in SIZES if spec.learning_curve is True else sorted(set(spec.learning_curve) - {1.0}):
        fit = tasks.add("estimate", {"model": model, "size": size}, compiled.encoded, _FIT, plugins=[spec.model])
        inputs = [fit, *compiled.encoded]
        ratings.append(tasks.add("rate_fit", {**rating, "size": size}, inputs, _RATE, plugins=plugins))
    inputs = [compiled.model, *compiled.encoded]
    ratings.append(tasks.add("rate_fit", {**rating, "size": 1.0}, inputs, _RATE, plugins=plugins))
    own = frozenset(task.key for task in tasks.tasks)
    return LearningCurve(compiled, Graph([*compiled.graph.values(), *tasks.tasks]), own, tuple(ratings))
