"""Where the boxes and channels of the picture of a graph lie, in pixels.

A long graph is broken into bands, as text is into lines, and a channel leads from the end of a band to the start of the
next: so that a picture of six columns fits a page, and one of two columns a telephone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from engine.report.layers import Layers, Node, arrange
from engine.report.summary import Stage

_WIDTH, _HEIGHT = 138, 64  # of a box
_GAP, _SPACE, _TURN = 46, 16, 10
_RAIL, _GUTTER, _TRACK = 18, 50, 7  # room beside and between bands for one channel, and for each further one
_POINT = 10  # the height of a point that an edge passes
_PASSES = 120
_STRAIGHT = (2.0, 1.0, 8.0)  # how much it matters that a link is level, by how many of its ends are points


@dataclass(frozen=True, slots=True)
class Box:
    """A stage and its top left corner."""

    stage: Stage
    x: float
    y: float
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes, channels (paths as SVG writes them) and the tips where channels enter a box, within width x height."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    channels: tuple[str, ...]
    tips: tuple[tuple[float, float], ...]


def draw(stages: Sequence[Stage], edges: Sequence[tuple[str, str]], *, columns: int) -> Picture:
    """Lay out a graph from left to right, in bands of at most so many columns."""
    by_label = {stage.label: stage for stage in stages}
    layers = arrange(list(by_label), edges)
    bands = max(1, ceil(len(layers.columns) / columns))
    wide = max(1, ceil(len(layers.columns) / bands))
    tracks = _tracks(layers, wide)
    middle, gutters, height = _stacked(layers, wide, tracks)
    rail = max((_RAIL + _TRACK * (len(track) - 1) for track in tracks if track), default=1)
    width = 2 * rail + wide * _WIDTH + (wide - 1) * _GAP

    def left(node: Node) -> float:
        return rail + (node[1] % wide) * (_WIDTH + _GAP)

    channels = []
    for source, target in layers.links:
        start, end = (left(source) + _WIDTH, middle[source]), (left(target), middle[target])
        band = source[1] // wide
        if band == target[1] // wide:
            channels.append(_across(start, end))
        else:
            track = tracks[band].index(source)
            inner, outer = 2 + _TRACK * track, 2 + _TRACK * (len(tracks[band]) - 1 - track)
            channels.append(_around(start, end, gutters[band] - inner, width - inner, outer))
    points = (node for node in middle if not layers.is_stage(node))
    channels.extend(f"M{left(node):.1f},{middle[node]:.1f}h{_WIDTH}" for node in points)
    tips = {target: None for _, target in layers.links if layers.is_stage(target)}
    return Picture(
        width=width,
        height=height,
        boxes=tuple(Box(by_label[node[0]], left(node), middle[node] - _HEIGHT / 2) for node in layers.home.items()),
        channels=tuple(channels),
        tips=tuple((left(node), middle[node]) for node in tips),
    )


def _across(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    half = (x0 + x1) / 2
    return f"M{x0:.1f},{y0:.1f}C{half:.1f},{y0:.1f} {half:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"


def _around(start: tuple[float, float], end: tuple[float, float], gutter: float, right: float, left: float) -> str:
    (x0, y0), (x1, y1), turn = start, end, _TURN
    return (
        f"M{x0:.1f},{y0:.1f}H{right - turn}Q{right},{y0:.1f} {right},{y0 + turn:.1f}V{gutter - turn:.1f}"
        f"Q{right},{gutter:.1f} {right - turn},{gutter:.1f}H{left + turn}"
        f"Q{left},{gutter:.1f} {left},{gutter + turn:.1f}V{y1 - turn:.1f}"
        f"Q{left},{y1:.1f} {left + turn},{y1:.1f}H{x1:.1f}"
    )


def _tracks(layers: Layers, wide: int) -> list[list[Node]]:
    """Return, for each band, the nodes whose channels lead on to the next, from top to bottom: one track each."""
    sources = {source for source, target in layers.links if source[1] // wide != target[1] // wide}
    return [[node for node in column if node in sources] for column in layers.columns[wide - 1 :: wide]]


def _stacked(
    layers: Layers,
    wide: int,
    tracks: Sequence[Sequence[Node]],
) -> tuple[dict[Node, float], list[float], float]:
    """Return the middle of each node, the height of the lowest track below each band, and that of the whole."""
    free = _balanced(layers, wide)
    middle: dict[Node, float] = {}
    gutters: list[float] = []
    bottom = offset = 1.0
    for first in range(0, len(layers.columns), wide):
        band = [node for column in layers.columns[first : first + wide] for node in column]
        top = min(free[node] - _tall(layers, node) / 2 for node in band)
        middle.update({node: free[node] - top + offset for node in band})
        bottom = max(middle[node] + _tall(layers, node) / 2 for node in band)
        further = _TRACK * (len(tracks[first // wide]) - 1) if first // wide < len(tracks) else 0
        gutters.append(bottom + _GUTTER / 2 + further + 2)
        offset = bottom + _GUTTER + further
    return middle, gutters, bottom + 1


def _balanced(layers: Layers, wide: int) -> dict[Node, float]:
    """Draw every node towards the middle of its neighbours, as far as the others in its column leave room."""
    pull: defaultdict[Node, dict[Node, float]] = defaultdict(dict)
    for source, target in layers.links:
        if source[1] // wide == target[1] // wide:
            points = (not layers.is_stage(source)) + (not layers.is_stage(target))
            pull[source][target] = pull[target][source] = _STRAIGHT[points]
    free = {node: float(row * (_HEIGHT + _SPACE)) for column in layers.columns for row, node in enumerate(column)}
    for turn in range(_PASSES):
        for column in layers.columns if turn % 2 else reversed(layers.columns):
            weights = [sum(pull[node].values()) or 1.0 for node in column]
            wanted = [
                sum(free[other] * strength for other, strength in (pull[node] or {node: 1.0}).items()) / weight
                for node, weight in zip(column, weights, strict=True)
            ]
            free.update(zip(column, _apart(wanted, weights, [_tall(layers, node) for node in column]), strict=True))
    return free


def _tall(layers: Layers, node: Node) -> float:
    return _HEIGHT if layers.is_stage(node) else _POINT


def _apart(wanted: Sequence[float], weights: Sequence[float], tall: Sequence[float]) -> list[float]:
    """Return the places nearest to the wanted ones (least squares) that keep their order and do not overlap.

    Without the room that each needs, the places need only not to fall: that is isotonic regression, by pooling.
    """
    needed = [0.0]
    for above, below in pairwise(tall):
        needed.append(needed[-1] + (above + below) / 2 + _SPACE)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for place, weight, room in zip(wanted, weights, needed, strict=True):
        mean, total, many = place - room, weight, 1
        while pools and pools[-1][0] > mean:
            above_mean, above_total, above_many = pools.pop()
            mean = (mean * total + above_mean * above_total) / (total + above_total)
            total, many = total + above_total, many + above_many
        pools.append((mean, total, many))
    level = [mean for mean, _, many in pools for _ in range(many)]
    return [mean + room for mean, room in zip(level, needed, strict=True)]


def counts(stage: Stage) -> Mapping[str, int]:
    """Return how many tasks of a stage ran, were reused, failed and were skipped: those that are not zero."""
    named = {"failed": stage.failed, "ran": stage.ran, "reused": stage.reused, "skipped": stage.skipped}
    return {name: number for name, number in named.items() if number}
