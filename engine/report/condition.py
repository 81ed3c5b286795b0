"""What a report is told of the condition of the data: findings, and how the values of each column are distributed."""

from __future__ import annotations

from collections.abc import Iterator

from engine.report.record import Record, Text
from engine.report.wording import count, share

_WIDTH, _HEIGHT = 200.0, 64.0  # of the bars of a column
_OPEN = 40  # columns that are drawn before the rest is folded away


class Example(Record):
    """A row to look at: its file, its number there, and the value that it is shown for."""

    file: Text = ""
    row: int | None = None
    value: Text = ""


class Finding(Record):
    """Something about the data that a person should know; ``count`` is the number of rows, of ``total``, that it is about.

    ``by`` is the step that settles it.
    """

    severity: str = "note"
    kind: str = ""
    columns: tuple[Text, ...] = ()
    message: str = ""
    advice: str = ""
    count: int = 0
    total: int = 0
    examples: tuple[Example, ...] = ()
    by: str = ""


class Distribution(Record):
    """The values of a column: ``bars`` are counts with what they count; ``kind`` is steps, values, levels or none."""

    column: Text
    type: Text = ""
    missing: float = 0.0
    kind: str = "none"
    bars: tuple[tuple[Text, int], ...] = ()
    others: int = 0
    low: Text = ""
    middle: Text = ""
    high: Text = ""

    def columns(self) -> Iterator[tuple[float, float, float, float, str]]:
        """Return the bars of numbers as upright rectangles: left, top, width, height, and what each is."""
        most, step = max((number for _, number in self.bars), default=1) or 1, _WIDTH / (len(self.bars) or 1)
        width = min(step * 0.9, 24.0)
        for place, (name, number) in enumerate(self.bars):
            height = max(_HEIGHT * number / most, 1.0 if number else 0.0)  # what is rare is seen all the same
            yield place * step + (step - width) / 2, _HEIGHT - height, width, height, f"{name}: {count(number)} rows"

    def rows(self) -> Iterator[tuple[str, float, str]]:
        """Return the bars of levels, the most frequent first: the level, its part of the longest in percent, what it is."""
        most, total = (
            max((number for _, number in self.bars), default=1) or 1,
            sum(number for _, number in self.bars) + self.others,
        )
        for name, number in self.bars:
            yield name or "(empty)", 100 * number / most, f"{name}: {count(number)} rows, {share(number / (total or 1))}"


class Assessed(Record):
    """A dataset as it was found to be."""

    name: Text
    rows: int = 0
    findings: tuple[Finding, ...] = ()
    settled: tuple[Finding, ...] = ()
    distributions: tuple[Distribution, ...] = ()

    @property
    def shown(self) -> tuple[Distribution, ...]:
        """The columns that are drawn at once."""
        return self.distributions[:_OPEN]

    @property
    def folded(self) -> tuple[Distribution, ...]:
        """The columns that are drawn where a reader asks for them."""
        return self.distributions[_OPEN:]

    def number(self, severity: str) -> int:
        """Return how many findings are of a severity."""
        return sum(one.severity == severity for one in self.findings)


class Condition(Record):
    """All datasets that were assessed."""

    datasets: tuple[Assessed, ...] = ()
