"""The candidates of a sweep, best first: trials, or several that differ only in how rows were divided."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.report.summary import Sweep, Trial

_OTHERS = 4  # metrics beside the one that ranks; more do not fit a page


@dataclass(frozen=True, slots=True)
class Place:
    """A trial in its place; ``bar`` is in percent of the longest, ``rank`` is None where there is nothing to rank.

    ``own`` are the overrides that not all trials have.
    """

    rank: int | None
    trial: Trial
    value: float | None
    bar: float
    best: bool
    own: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Places from the best to the failed; ``goal`` is where it lies on the bars, in percent, if it lies on them.

    ``repeated`` says that some places are of several trials.
    """

    places: tuple[Place, ...]
    goal: float | None
    others: tuple[str, ...]
    shared: tuple[str, ...]
    repeated: bool


def rank(sweep: Sweep) -> Ranking:
    """Order trials by the question's metric; then those without a value, that failed, that were left out."""
    metric, sign = sweep.question.metric, -1 if sweep.question.greater_is_better else 1
    values = {trial.number: _value(trial, metric) for trial in sweep.candidates}

    def order(trial: Trial) -> tuple[int, bool, float, int]:
        value = values[trial.number]
        fate = {"done": 0, "failed": 1}.get(trial.status, 2)
        return fate, value is None, 0.0 if value is None else sign * value, trial.number

    known = [value for value in values.values() if value is not None and math.isfinite(value)]
    # An error or a loss may be below zero throughout: then its size is the bar. Else what is below zero has none.
    below = bool(known) and max(known) <= 0
    longest = max((abs(value) if below else value for value in known), default=0.0)

    def length(value: float | None) -> float:
        if value is None or not longest or not math.isfinite(value):
            return 0.0
        return max(0.0, min(100.0, 100 * (abs(value) if below else value) / longest))

    shared = (
        [one for one in sweep.candidates[0].overrides if all(one in trial.overrides for trial in sweep.candidates)]
        if len(sweep.candidates) > 1
        else []
    )
    places = []
    for number, trial in enumerate(sorted(sweep.candidates, key=order), start=1):
        value = values[trial.number]
        own = tuple(one for one in trial.overrides if one not in shared)
        ranked = number if trial.status == "done" and value is not None else None
        places.append(Place(ranked, trial, value, length(value), trial.number == sweep.best, own))
    goal = sweep.question.goal
    reachable = goal is not None and longest > 0 and 0 <= (-goal if below else goal) <= longest
    names = dict.fromkeys(name for trial in sweep.candidates for name in trial.metrics if name != metric)
    repeated = any(len(trial.numbers) > 1 for trial in sweep.candidates)
    return Ranking(tuple(places), length(goal) if reachable else None, tuple(names)[:_OTHERS], tuple(shared), repeated)


def _value(trial: Trial, metric: str) -> float | None:
    value = trial.metrics.get(metric)
    return None if value is None or math.isnan(value) else value
