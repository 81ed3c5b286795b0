"""Keys must be there once."""

import polars as pl
from pydantic import Field

from engine.plugin import Check


class Unique(Check):
    """No two rows of a partition have the same values in these columns.

    Of equal rows every one after the first breaks the rule. A row in which one of the values is missing breaks nothing; add
    ``not_null`` if it should.
    """

    together = True

    columns: tuple[str, ...] = Field(min_length=1, description="The columns that together make a row unique, such as a key.")

    def violations(self) -> pl.Expr:
        again = pl.struct(self.columns).is_first_distinct().not_()
        return again & pl.all_horizontal(pl.col(name).is_not_null() for name in self.columns)

    def needs(self) -> tuple[str, ...]:
        return self.columns

    def describe(self) -> str:
        *others, last = self.columns
        return f"{', '.join(others)} and {last} are unique together" if others else f"{last} is unique"
