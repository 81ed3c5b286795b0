"""Which colour of the palette a group and a label have, so that a group looks like the label most of it bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from engine.report.evaluation import Evaluation

PALETTE = ("#0e7490", "#d97706", "#6d5bd0", "#be3a63", "#3f8f4f", "#8a5a2b", "#2f6fde", "#64748b")  # as in page.css
UNLABELLED = len(PALETTE) - 1


@dataclass(frozen=True, slots=True)
class Colours:
    """Numbers of colours in ``PALETTE``, which begins again after its last."""

    groups: Mapping[int, int]
    labels: Mapping[str, int]


def assign(evaluation: Evaluation) -> Colours:
    """Give each label a colour, and each group that of the label it shares most rows with, if no larger one has it."""
    named = {label for one in evaluation.clusters for label in one.labels}
    labels = {label: number for number, label in enumerate(sorted((named | set(evaluation.projection.label)) - {""}))}
    shared = [(rows, one.cluster, label) for one in evaluation.clusters for label, rows in one.labels.items()]
    groups: dict[int, int] = {}
    for _, group, label in sorted(shared, key=lambda each: (-each[0], each[1], each[2])):
        if group not in groups and labels[label] not in groups.values():
            groups[group] = labels[label]
    free = (number for number in count() if number not in groups.values())
    for group in sorted({one.cluster for one in evaluation.clusters} | set(evaluation.projection.cluster)):
        if group not in groups:
            groups[group] = next(free)
    return Colours(groups, labels)
