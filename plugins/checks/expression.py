"""A condition in SQL must hold."""

import polars as pl
from pydantic import Field, field_validator

from engine.plugin import Check
from plugins.transformers._sql import calculates, over, row_expression


class Expression(Check):
    """A condition on the columns of a row, in SQL, is true.

    It sees one row at a time, as it was read: what ``prepare`` derives is not there yet. A row for which the condition is
    null, because a value is missing, breaks nothing, as with a CHECK in a database; say `coalesce(…)` or add ``not_null``
    if it should. Aggregates, windows, subqueries and the clock are refused.
    """

    revision = 2  # since whole numbers do not wrap round

    where: str = Field(
        description="Condition in Polars' SQL that is true of every row that is right, such as `arr_time > dep_time`."
    )

    @field_validator("where")
    @classmethod
    def _parses(cls, text: str) -> str:
        if not row_expression(text).meta.root_names():
            raise ValueError(f"'{text}' names no column, so it says nothing of a row")
        return text

    def violations(self) -> pl.Expr:
        condition = row_expression(self.where)
        if calculates(condition):  # whole numbers must not wrap round, and their types are known with the rows only
            condition = pl.struct(self.needs()).map_batches(self._held, return_dtype=pl.Boolean, is_elementwise=True)
        return pl.coalesce(condition, pl.lit(value=True)).not_()

    def _held(self, rows: pl.Series) -> pl.Series:
        frame = rows.struct.unnest()
        held = frame.select(over(self.where, frame.schema)).to_series()
        if held.dtype != pl.Boolean:
            raise pl.exceptions.InvalidOperationError(f"it gives {held.dtype}, and must be true or false")
        return held

    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row_expression(self.where).meta.root_names()))

    def describe(self) -> str:
        return self.where
