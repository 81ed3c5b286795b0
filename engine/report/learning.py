"""What a report is told of a learning curve."""

from __future__ import annotations

from engine.report.record import Record, Text


class Point(Record):
    """The metric of a model that was fitted on so many rows: on those, and on the part, with the interval of 95 %."""

    rows: int = 0
    train: float | None = None
    value: float | None = None
    interval: tuple[float, float] | None = None


class Step(Record):
    """How the metric changed on the part from a number of rows to the next, with the interval of 95 % of the difference.

    It ``gains`` or ``loses`` where the model is better or worse beyond doubt.
    """

    rows: tuple[int, int] = (0, 0)
    difference: float = 0.0
    interval: tuple[float, float] | None = None
    gains: bool = False
    loses: bool = False


class LearningCurve(Record):
    """Points, those of few rows first; ``failures`` are of sizes that the model could not be fitted with."""

    metric: Text = ""
    part: str = ""
    points: tuple[Point, ...] = ()
    last_step: Step | None = None
    failures: tuple[Text, ...] = ()
