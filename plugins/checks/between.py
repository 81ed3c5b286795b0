"""Values must lie within bounds."""

from datetime import date, datetime

import polars as pl
from pydantic import Field, model_validator

from engine.plugin import Check

_Bound = int | float | date | datetime | None


class Between(Check):
    """The values of a column lie within bounds, both included.

    A missing value breaks nothing; add ``not_null`` if it should. NaN is larger than every number.
    """

    column: str = Field(description="The column to look at: numbers, dates or times.")
    min: _Bound = Field(default=None, description="The smallest value allowed, in the column's unit. Left out, there is none.")
    max: _Bound = Field(default=None, description="The largest value allowed, in the column's unit. Left out, there is none.")

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> "Between":
        if self.min is None and self.max is None:
            raise ValueError("give min, max, or both")
        if self.min is not None and self.max is not None:
            try:
                empty = self.min > self.max  # type: ignore[operator]  # bounds of two types are what the except is for
            except TypeError as error:
                raise ValueError(f"min {self.min} and max {self.max} can not be compared") from error
            if empty:
                raise ValueError(f"min {self.min} is larger than max {self.max}: no value would be allowed")
        return self

    def violations(self) -> pl.Expr:
        column, outside = pl.col(self.column), pl.lit(value=False)
        if self.min is not None:
            outside |= column < pl.lit(self.min)
        if self.max is not None:
            outside |= column > pl.lit(self.max)
        return outside.fill_null(value=False)

    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def describe(self) -> str:
        if self.min is None:
            return f"{self.column} is at most {self.max}"
        if self.max is None:
            return f"{self.column} is at least {self.min}"
        return f"{self.column} is between {self.min} and {self.max}"
