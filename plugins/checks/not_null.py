"""Values must be there."""

import polars as pl
from pydantic import Field

from engine.plugin import Check


class NotNull(Check):
    """No value of these columns is missing.

    Missing is null: what the extractor's ``nulls`` names, and empty cells. NaN is a number to this check.
    """

    columns: tuple[str, ...] = Field(min_length=1, description="The columns in which a value must be there.")

    def violations(self) -> pl.Expr:
        return pl.any_horizontal(pl.col(name).is_null() for name in self.columns)

    def needs(self) -> tuple[str, ...]:
        return self.columns

    def describe(self) -> str:
        *others, last = self.columns
        return f"{', '.join(others)} and {last} are not missing" if others else f"{last} is not missing"
