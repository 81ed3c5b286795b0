"""The trials of a sweep as lines over what differs between them: parallel coordinates, the metric last.

Numbers stand on linear or logarithmic axes, as they spread; words have a place each. Geometry only: the page draws it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.report import wording
from engine.report.summary import Sweep, Trial

_WIDTH, _HEIGHT = 1040.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 96.0, 112.0, 40.0, 14.0
_AXES, _PLACES, _TICKS = 8, 20, 8  # what can still be told apart
_NAME = 22  # characters of a word beside an axis
_WORST, _BEST = (201, 214, 219), (14, 116, 144)  # colours of the metric
_ABSENT = "not given"


@dataclass(frozen=True, slots=True)
class Axis:
    """An upright axis at ``x``; ``ticks`` are heights with what stands there."""

    x: float
    name: str
    scale: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A trial; ``kind`` is best, done, or what became of it instead: then it ends before the metric."""

    path: str
    colour: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The picture, the best trial's line last; ``notes`` say what found no place in it."""

    width: float
    height: float
    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a trial stands on an axis, in pixels from above, by its number."""

    kind: str
    heights: Mapping[int, float]
    ticks: tuple[tuple[float, str], ...]


def draw(sweep: Sweep, ranked: Sequence[Trial]) -> Coordinates | None:
    """Return the picture of trials that are ranked, the best first; None where there are not two, or nothing differs."""
    trials = [trial for trial in ranked if not trial.baseline and trial.status != "left_out"]
    given = {trial.number: parameters(trial.overrides) for trial in trials}
    names = list(dict.fromkeys(name for values in given.values() for name in values))
    differing = [name for name in names if len({given[trial.number].get(name, _ABSENT) for trial in trials}) > 1]
    metric = sweep.question.metric
    scores = {trial.number: value for trial in trials if (value := _score(trial, metric)) is not None}
    if len(scores) < 2 or not differing:
        return None
    notes: list[str] = []
    if len(differing) > _AXES:
        notes.append(f"Of what differs, the first {_AXES} are drawn, and not {', '.join(differing[_AXES:])}.")
    scales = {
        name: _scale(name, {trial.number: given[trial.number].get(name, _ABSENT) for trial in trials}, notes)
        for name in differing[:_AXES]
    }
    best_above = _numeric(scores, upwards=sweep.question.greater_is_better)
    step = (_WIDTH - _LEFT - _RIGHT) / len(scales)
    axes = [
        Axis(_LEFT + step * place, name, scale.kind, scale.ticks)
        for place, (name, scale) in enumerate({**scales, metric: best_above}.items())
    ]
    lines = [_line(trial, axes, [*scales.values(), best_above], sweep) for trial in reversed(trials)]
    return Coordinates(_WIDTH, _HEIGHT, tuple(axes), tuple(sorted(lines, key=_above)), tuple(notes))


def parameters(overrides: Sequence[str]) -> dict[str, str]:
    """Return what overrides give, by key, as it is written."""
    pairs = (override.lstrip("+~").partition("=") for override in overrides)
    return {key: value for key, _, value in pairs}


def _above(line: Line) -> int:
    return {"best": 2, "done": 1}.get(line.kind, 0)


def _score(trial: Trial, metric: str) -> float | None:
    value = trial.metrics.get(metric) if trial.status == "done" else None
    return value if value is not None and math.isfinite(value) else None


def _scale(name: str, values: Mapping[int, str], notes: list[str]) -> _Scale:
    """Return the axis of a parameter: of numbers if all values are, else of words, in the order of the best trials."""
    numbers = {trial: _number(value) for trial, value in values.items()}
    known = {trial: number for trial, number in numbers.items() if number is not None}
    if len(known) == len(values):
        return _numeric(known, upwards=True)
    words = list(dict.fromkeys(values.values()))
    places = words if len(words) <= _PLACES else words[: _PLACES - 1]
    rest = len(words) - len(places)
    if rest:
        notes.append(f"{name} has {len(words)} values: those of the best trials have a place each, {rest} share the last.")
    slot = (_HEIGHT - _TOP - _BOTTOM) / (len(places) + (rest > 0))
    where = {word: min(words.index(word), len(places)) for word in words}
    crowd, seen, heights = Counter(where[word] for word in values.values()), Counter[int](), {}
    for trial, word in values.items():
        place = where[word]
        aside = (seen[place] - (crowd[place] - 1) / 2) * min(4.0, 0.6 * slot / crowd[place])  # so that lines lie side by side
        seen[place] += 1
        heights[trial] = _TOP + slot * (place + 0.5) + aside
    labels = [*places, *([f"{rest} others"] if rest else [])]
    return _Scale("", heights, tuple((_TOP + slot * (place + 0.5), _short(label)) for place, label in enumerate(labels)))


def _numeric(values: Mapping[int, float], *, upwards: bool) -> _Scale:
    """Return an axis of numbers: logarithmic where most of them would lie together at the low end of a linear one."""
    distinct = sorted(set(values.values()))
    low, high = distinct[0], distinct[-1]
    middle = distinct[len(distinct) // 2]
    log = low > 0 and high >= 10 * low and middle - low < 0.25 * (high - low)
    at: Callable[[float], float] = math.log10 if log else float
    length = at(high) - at(low)

    def height(value: float) -> float:
        share = (at(value) - at(low)) / length if length else 0.5
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share if upwards else share)

    marks = distinct if len(distinct) <= _TICKS and _apart(list(map(height, distinct))) else _marks(low, high, log=log)
    ticks = tuple((height(mark), f"{mark:.4g}") for mark in marks)
    return _Scale("log" if log else "", {trial: height(value) for trial, value in values.items()}, ticks)


def _apart(heights: Sequence[float]) -> bool:
    ordered = sorted(heights)
    return all(after - before >= 14 for before, after in pairwise(ordered))


def _marks(low: float, high: float, *, log: bool) -> list[float]:
    """Return both ends and some numbers between them: powers of ten, or quarters."""
    if log:
        powers = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        inner = [power for power in powers if power > 1.5 * low and power < high / 1.5]
        return [low, *inner[:: math.ceil(len(inner) / 6) or 1], high]
    return [low + (high - low) * quarter / 4 for quarter in range(5)] if high > low else [low]


def _line(trial: Trial, axes: Sequence[Axis], scales: Sequence[_Scale], sweep: Sweep) -> Line:
    metric = sweep.question.metric
    value = _score(trial, metric)
    points = [
        (axis.x, scale.heights[trial.number]) for axis, scale in zip(axes, scales, strict=True) if trial.number in scale.heights
    ]
    path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    share = 1 - (points[-1][1] - _TOP) / (_HEIGHT - _TOP - _BOTTOM)  # where it is of no use for a line without a value
    mixed = (round(worst + (best - worst) * share) for worst, best in zip(_WORST, _BEST, strict=True))
    colour = "#" + "".join(f"{max(0, min(255, part)):02x}" for part in mixed)
    kind = "best" if trial.number == sweep.best else "done" if value is not None else trial.status
    told = f"{metric} {wording.score(value)}" if value is not None else trial.status.replace("_", " ")
    return Line(path, colour, kind, f"trial {trial.number}: {told}\n" + "\n".join(trial.overrides))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _short(text: str) -> str:
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"
