"""What a report is told of slices: how good predictions are for some rows beside all others of the part."""

from __future__ import annotations

from pydantic import Field

from engine.report.record import Record, Text


class Slice(Record):
    """Some rows: ``kind`` is value, range, others or missing. ``others`` is the metric on all rows that are not in it.

    ``interval`` and ``difference_interval`` are of 95 %; ``differs`` is None where too few rows were there to compare.
    """

    column: Text = ""
    name: Text = Field(default="", alias="slice")
    kind: str = ""
    rows: int = 0
    value: float | None = None
    interval: tuple[float, float] | None = None
    others: float | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    differs: bool | None = None


class Slices(Record):
    """The slices of a part, ``worst`` among them by its place; ``whole`` is the metric on all rows."""

    whole: float | None = None
    slices: tuple[Slice, ...] = ()
    compared: int = 0
    least_rows: int = 0
    worst: int | None = None

    @property
    def named(self) -> Slice | None:
        """The worst slice, if one can be told from the other rows."""
        return self.slices[self.worst] if self.worst is not None and 0 <= self.worst < len(self.slices) else None

    @property
    def columns(self) -> list[str]:
        """The columns by which rows are told apart, in their order."""
        return list(dict.fromkeys(one.column for one in self.slices))

    def of(self, column: str) -> list[Slice]:
        """Return the slices of a column."""
        return [one for one in self.slices if one.column == column]

    def at(self, number: float | None) -> float | None:
        """Return where a number lies between the ends of all intervals, 0 to 100; None for what lies beyond them."""
        ends = [end for one in self.slices for end in one.interval or ()] + ([self.whole] if self.whole is not None else [])
        if number is None or not ends or not min(ends) <= number <= max(ends):
            return None
        width = max(ends) - min(ends)
        return 100 * (number - min(ends)) / width if width else 50.0
