"""The graph of stages in layers: which column a stage stands in, and in which order, so that few edges cross.

Sugiyama's method, small: longest paths give the columns, points stand where an edge passes a column, and sweeps of
barycentres order the columns. Edges out of one stage share their points, as channels do before they branch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TypeAlias

Node: TypeAlias = tuple[str, int]  # a label and a column: the stage itself, or a point where its edge passes
_SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Layers:
    """``columns`` hold nodes from top to bottom, ``home`` the column of each stage; ``links`` join two next columns."""

    columns: tuple[tuple[Node, ...], ...]
    home: Mapping[str, int]
    links: tuple[tuple[Node, Node], ...]

    def is_stage(self, node: Node) -> bool:
        """Tell a stage from a point that an edge passes."""
        return self.home[node[0]] == node[1]


def arrange(labels: Sequence[str], edges: Iterable[tuple[str, str]]) -> Layers:
    """Put stages in layers.

    Edges that follow from others are left out: where a leads to b and b to c, a line from a to c only hides the way. So
    are edges to unknown labels, and those that would close a circle.
    """
    known = [edge for edge in dict.fromkeys(edges) if edge[0] in labels and edge[1] in labels]
    home = _columns(labels, known)
    links: dict[tuple[Node, Node], None] = {}
    for source, target in _reduced([edge for edge in known if home[edge[0]] < home[edge[1]]]):
        passed: list[Node] = [(source, column) for column in range(home[source], home[target])]
        links.update(dict.fromkeys(pairwise([*passed, (target, home[target])])))
    columns: list[list[Node]] = [[] for _ in range(max(home.values(), default=-1) + 1)]
    for node in dict.fromkeys([*home.items(), *(node for link in links for node in link)]):
        columns[node[1]].append(node)
    return Layers(_untangled(columns, list(links)), home, tuple(links))


def _reduced(edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    after: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in edges:
        after[source].add(target)

    @cache
    def reached(label: str) -> frozenset[str]:
        return frozenset(after[label]).union(*(reached(following) for following in after[label]))

    return [edge for edge in edges if not any(edge[1] in reached(between) for between in after[edge[0]])]


def _columns(labels: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    column = dict.fromkeys(labels, 0)
    for _ in column:  # as many rounds as a path can be long: a circle ends too
        before = dict(column)
        for source, target in edges:
            if source != target:
                column[target] = max(column[target], column[source] + 1)
        if column == before:
            break
    dense = {old: new for new, old in enumerate(sorted(set(column.values())))}
    return {label: dense[old] for label, old in column.items()}


def _untangled(columns: list[list[Node]], links: list[tuple[Node, Node]]) -> tuple[tuple[Node, ...], ...]:
    before, after = _neighbours((b, a) for a, b in links), _neighbours(links)
    best, fewest = [list(column) for column in columns], _crossings(columns, after)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for index in range(len(columns)) if forward else reversed(range(len(columns))):
            _sort(columns, index, before if forward else after)
        crossings = _crossings(columns, after)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    return tuple(tuple(column) for column in best)


def _neighbours(links: Iterable[tuple[Node, Node]]) -> dict[Node, list[Node]]:
    found: defaultdict[Node, list[Node]] = defaultdict(list)
    for node, neighbour in links:
        found[node].append(neighbour)
    return found


def _sort(columns: list[list[Node]], index: int, neighbours: Mapping[Node, Sequence[Node]]) -> None:
    height = {node: (row + 0.5) / len(column) for column in columns for row, node in enumerate(column)}

    def barycentre(node: Node) -> float:
        beside = neighbours.get(node)
        return sum(height[other] for other in beside) / len(beside) if beside else height[node]

    columns[index].sort(key=barycentre)


def _crossings(columns: Sequence[Sequence[Node]], after: Mapping[Node, Sequence[Node]]) -> int:
    row = {node: row for column in columns for row, node in enumerate(column)}
    crossed = 0
    for column in columns:
        ends = [(row[node], row[other]) for node in column for other in after.get(node, ())]
        crossed += sum(a < c and b > d for a, b in ends for c, d in ends)
    return crossed
