"""Values must be among those listed."""

import polars as pl
from pydantic import Field, field_validator

from engine.plugin import Check

_SHOWN = 12  # values that the rule in words lists


class InSet(Check):
    """The values of a column are among those that are listed.

    Text is compared as it is, upper and lower case apart; numbers are equal whether they are whole or decimal. A missing
    value breaks nothing unless ``missing`` is false.
    """

    column: str = Field(description="The column to look at: text, numbers, or true and false.")
    values: tuple[bool | int | float | str, ...] = Field(
        min_length=1,
        description="The values that are allowed, all of one kind. Quote text that YAML would read otherwise: `'no'`, `'1'`.",
    )
    missing: bool = Field(default=True, description="Whether a value may be missing. NaN is a number, not missing.")

    @field_validator("values")
    @classmethod
    def _are_of_one_kind(cls, values: tuple[bool | int | float | str, ...]) -> tuple[bool | int | float | str, ...]:
        if len({_kind(value) for value in values}) > 1:
            few = ", ".join(repr(value) for value in values[:_SHOWN])
            raise ValueError(f"the values are of several kinds, and a column has one: {few}")
        return values

    def violations(self) -> pl.Expr:
        column = pl.col(self.column)
        if _kind(self.values[0]) == "number":  # is_in compares no whole numbers with decimal ones
            allowed = pl.any_horizontal(column == value for value in self.values)
        else:
            allowed = column.is_in(list(self.values))
        return allowed.fill_null(value=self.missing).not_()

    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def describe(self) -> str:
        few = ", ".join(str(value) for value in self.values[:_SHOWN]) + (", …" if len(self.values) > _SHOWN else "")
        return f"{self.column} is one of {few}" + ("" if self.missing else ", and not missing")


def _kind(value: object) -> str:
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
