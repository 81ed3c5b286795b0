"""Values must come in order."""

import polars as pl
from pydantic import Field

from engine.plugin import Check


class Monotonic(Check):
    """The values of a column do not decrease from row to row of a partition.

    A row breaks the rule when its value is smaller than the largest one before it: the rows that are left are in order.
    Rows of other partitions, such as those of another file, are not looked at. A missing value breaks nothing; NaN is
    larger than every number. The columns of a whole partition are held in memory.
    """

    together = True

    column: str = Field(description="The column to look at: numbers, dates, times or text.")
    by: tuple[str, ...] = Field(
        default=(),
        description="Columns, such as a station: only rows that are equal in them are compared. Missing equals missing.",
    )
    strict: bool = Field(
        default=False, description="Whether equal values break the rule too: each must be larger than all before."
    )
    descending: bool = Field(default=False, description="Whether values must not increase instead.")

    def violations(self) -> pl.Expr:
        place = pl.col(self.column).rank("dense", descending=self.descending).cast(pl.Int64)  # of any type that has an order
        before = place.cum_max().shift(1).forward_fill()
        broken = place <= before if self.strict else place < before
        return (broken.over(self.by) if self.by else broken).fill_null(value=False)

    def needs(self) -> tuple[str, ...]:
        return (self.column, *self.by)

    def describe(self) -> str:
        way = ("decreases", "does not increase") if self.descending else ("increases", "does not decrease")
        return f"{self.column} {way[0] if self.strict else way[1]}" + (f" within {_listed(self.by)}" if self.by else "")


def _listed(columns: tuple[str, ...]) -> str:
    *others, last = columns
    return f"{', '.join(others)} and {last}" if others else last
