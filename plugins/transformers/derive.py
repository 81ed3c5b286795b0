"""New columns from SQL expressions."""

import polars as pl
from pydantic import ConfigDict, model_validator

from engine.plugin import Transformer
from plugins.transformers._sql import over, row_expression


class Derive(Transformer):
    """Add columns that are computed from other columns of the same row, each by an SQL expression.

    It is the step for any expression that has no step of its own. Every key other than ``use`` is a new column, its
    value an expression in Polars' SQL: ``{use: derive, late: "arr_delay > 15", speed: "distance / air_time * 60"}``.
    All expressions of one step see the frame as it was before the step; what builds on a new column goes into a second
    step. A name that exists already is replaced. A result is null where the expression is null (``null > 15`` is
    null), so say ``coalesce(arr_delay, 0) > 15`` if null should count. Whole numbers are computed in 128 bits and given as
    Int64: none wraps round, and a result that Int64 can not hold stops the run. Aggregates, windows, subqueries and the
    clock are refused.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]

    @model_validator(mode="after")
    def _expressions_parse(self) -> "Derive":
        if not self._columns():
            raise ValueError('nothing to derive: give at least one new column as `name: "SQL expression"`')
        for text in self._columns().values():
            row_expression(text)
        return self

    def _columns(self) -> dict[str, str]:
        return self.__pydantic_extra__

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        return frame.with_columns(**{name: over(text, schema) for name, text in self._columns().items()})
