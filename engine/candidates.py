"""What a sweep chooses between: trials that differ only in how the rows were divided are one candidate, measured several times.

In: the entries of trials as plain data, and what each was measured on. Out: candidates, the best first, and whether the first
differs from the second. To choose among single folds or seeds would be to choose the luckiest division.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from engine.stages.intervals import difference

_REPEATED = re.compile(r"[+~]*splitter\.(fold|seed)=")
_DIGITS = 6

Entry = Mapping[str, Any]
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a trial was measured on: how many rows, learned from how many; ``resamples`` reads the ranking metric on each.

    Two trials whose ``asked`` is equal were measured on the same rows by the same metric.
    """

    rows: int
    learned: int
    asked: tuple[object, ...]
    resamples: Callable[[], list[float | None]]


def repeats(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return the overrides that say which of several divisions of the rows is meant: its fold, or its seed."""
    return tuple(one for one in overrides if _REPEATED.match(one))


def redrawn(entries: Iterable[Entry]) -> bool:
    """Say whether trials have different test rows, so that some have learned from what others are tested on.

    Each seed of a splitter draws them anew; folds are cut of the rows that are not for testing.
    """
    return len({one for entry in entries for one in repeats(entry["overrides"]) if ".seed=" in one}) > 1


def candidates(
    entries: Sequence[Entry], measured: Mapping[int, Measured], question: Entry, bounds: Mapping[str, Bounds]
) -> list[dict[str, Any]]:
    """Return the candidates that trials are of, the best first. ``bounds`` are what each metric can be, by its name.

    A candidate looks like that of its trials that learned from most rows, the last of equals: of folds in time the one nearest
    to the test rows. ``numbers`` are those of all its trials, metrics the means over them, ``deviation`` is of the metric that
    ranks, seconds are in all, ``overrides`` those that its trials share, ``own`` those of them that not all candidates have.
    """
    own: dict[tuple[object, ...], list[Entry]] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for entry in sorted(entries, key=lambda entry: int(entry["number"])):
        divided = repeats(entry["overrides"])
        shared = tuple(one for one in entry["overrides"] if one not in divided)
        seen[shared, divided] += 1  # a trial that is there twice is no second measurement
        own.setdefault((shared, seen[shared, divided]), []).append(entry)
    found = [_candidate(trials, measured, question["metric"], bounds) for trials in own.values()]
    common = set.intersection(*(set(one["overrides"]) for one in found))
    for one in found:
        one["own"] = [override for override in one["overrides"] if override not in common] or one["overrides"]
    return rank(found, question)


def _candidate(
    trials: Sequence[Entry], measured: Mapping[int, Measured], metric: str, bounds: Mapping[str, Bounds]
) -> dict[str, Any]:
    done = [trial for trial in trials if trial["status"] == "done"]
    failed = [trial for trial in trials if trial["status"] == "failed"]
    most = max(done, key=lambda trial: (measured[trial["number"]].learned, trial["number"]), default=trials[0])
    shown = failed[0] if failed else most
    told = {
        **shown,
        "numbers": [trial["number"] for trial in trials],
        "overrides": [one for one in shown["overrides"] if all(one in trial["overrides"] for trial in trials)],
        "deviation": None,
    }
    if len(done) < 2 or failed:
        return told
    share = fmean(measured[trial["number"]].rows / measured[trial["number"]].learned for trial in done)
    values = {name: [trial["metrics"].get(name) for trial in done] for name in told["metrics"]}
    known = {name: found for name, found in values.items() if None not in found}
    return {
        **told,
        "metrics": {name: round(fmean(known[name]), _DIGITS) if name in known else None for name in values},
        "intervals": {name: _within(bounds[name], interval(found, share)) for name, found in known.items()},
        "deviation": round(stdev(known[metric]), _DIGITS) if metric in known else None,
        **{name: _sum(trial[name] for trial in done) for name in ("seconds", "fit_seconds", "predict_seconds")},
        "model_bytes": max((trial["model_bytes"] for trial in done if trial["model_bytes"]), default=None),
    }


def _within(bounds: Bounds, ends: Sequence[float]) -> list[float]:
    return [min(max(end, bounds[0]), bounds[1]) for end in ends]


def _sum(seconds: Iterable[float | None]) -> float | None:
    known = [one for one in seconds if one is not None]
    return round(sum(known), 3) if known else None


def interval(values: Sequence[float], share: float) -> list[float]:
    """Return the interval of 95 % of a mean over divisions of the rows; ``share`` is of rows measured to rows learned from.

    Models that learn from overlapping rows are more alike than independent ones, so the variance is (1/k + share) times that of
    the values, and not 1/k: the corrected resampled t test of Nadeau and Bengio, Inference for the Generalization Error,
    Machine Learning 52, 2003.
    """
    from scipy.special import stdtrit

    middle, times = fmean(values), len(values)
    half = float(stdtrit(times - 1, 0.975)) * (1 / times + share) ** 0.5 * stdev(values)
    return [round(middle - half, _DIGITS), round(middle + half, _DIGITS)]


def rank(entries: Sequence[Entry], question: Entry) -> list[dict[str, Any]]:
    """Return entries in the order of their metric, the best first; those without one last, in the order of their numbers."""
    sign = -1 if question["greater_is_better"] else 1

    def order(entry: Entry) -> tuple[bool, float, int]:
        value = entry["metrics"].get(question["metric"])
        return value is None, sign * value if value is not None else 0.0, entry["number"]

    return [dict(entry) for entry in sorted(entries, key=order)]


def compared(
    ranked: Sequence[Entry], trials: Sequence[Entry], measured: Mapping[int, Measured], metric: str
) -> dict[str, Any] | None:
    """Say whether the best candidate differs from the next, on the divisions of the rows that both were measured on.

    On one, by the paired bootstrap; on several, by the interval of their mean difference. None where there is no next, where
    the metric has no resamples (of clusters), or where the two were asked different things: other rows, or another metric.
    """
    pair = [entry for entry in ranked[:2] if entry["status"] == "done"]
    if len(pair) < 2:
        return None
    values = {trial["number"]: trial["metrics"].get(metric) for trial in trials}
    best, following = (
        {measured[number].asked: number for number in entry["numbers"] if values[number] is not None} for entry in pair
    )
    shared = [(best[asked], following[asked]) for asked in best if asked in following]
    if not shared:
        return None
    differences = [values[a] - values[b] for a, b in shared]
    ends: list[float] | None
    if len(shared) > 1:
        ends = interval(differences, fmean(measured[a].rows / measured[a].learned for a, _ in shared))
    else:
        ends = difference(*(measured[number].resamples() for number in shared[0]))
    if ends is None:
        return None
    return {
        "next": pair[1]["number"],
        "difference": round(fmean(differences), _DIGITS),
        "interval": ends,
        "differs": not ends[0] <= 0 <= ends[1],
        "divisions": len(shared),
    }
