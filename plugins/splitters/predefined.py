"""Parts that somebody has chosen."""

import polars as pl
from pydantic import Field, model_validator

from engine.plugin import PARTS, Roles, Splitter


class Predefined(Splitter):
    """Take the parts from a column: for data that comes with a split, or to compare with what others have found.

    Rows with any other value, or none, are in no part. Drop the column under ``encode``, or it is a feature.
    """

    column: str = Field(description="The column that says which part a row belongs to; its values are compared as text.")
    train: tuple[str, ...] = Field(default=("train",), min_length=1, description="The values of rows that are learned from.")
    validation: tuple[str, ...] = Field(
        default=("validation",), description="The values of rows that candidates are compared on."
    )
    test: tuple[str, ...] = Field(
        default=("test",), description="The values of rows kept for the chosen model alone; none: []."
    )

    @model_validator(mode="after")
    def _each_value_is_of_one_part(self) -> "Predefined":
        values = [value for part in PARTS for value in getattr(self, part)]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"'{twice[0]}' stands for two parts")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in PARTS if getattr(self, part))

    def needs(self, roles: Roles) -> list[str]:
        return [self.column]

    def assign(self, roles: Roles) -> pl.Expr:
        meaning = {value: part for part in PARTS for value in getattr(self, part)}
        return pl.col(self.column).cast(pl.String).replace_strict(meaning, default=None, return_dtype=pl.String)
