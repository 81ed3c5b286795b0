"""Changing the types of columns."""

from typing import Literal

import polars as pl
from pydantic import Field

from engine.plugin import Transformer, require

_TYPES: dict[str, pl.DataType] = {
    "Int8": pl.Int8(),
    "Int16": pl.Int16(),
    "Int32": pl.Int32(),
    "Int64": pl.Int64(),
    "UInt8": pl.UInt8(),
    "UInt16": pl.UInt16(),
    "UInt32": pl.UInt32(),
    "UInt64": pl.UInt64(),
    "Float32": pl.Float32(),
    "Float64": pl.Float64(),
    "String": pl.String(),
    "Boolean": pl.Boolean(),
    "Date": pl.Date(),
    "Datetime": pl.Datetime("us"),
}

_TypeName = Literal[
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Float32",
    "Float64",
    "String",
    "Boolean",
    "Date",
    "Datetime",
]

_TRUTH = {"true": True, "false": False}


class Cast(Transformer):
    """Give columns another type.

    Numbers lose their fraction when they become integers (3.7 is 3). Text becomes a date or a time when it is ISO 8601
    (other formats: ``parse_time``), and a boolean when it is ``true`` or ``false`` in any case. ``Datetime`` is in
    microseconds without a time zone.
    """

    columns: dict[str, _TypeName] = Field(
        min_length=1, description="The new type of each column, as `column: type`, such as `flight: String`."
    )
    strict: bool = Field(
        default=True,
        description="Whether a value that the new type can not hold stops the run; when false it becomes missing.",
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(tuple(self.columns), schema.names())
        return frame.with_columns(self._converted(name, schema[name]) for name in self.columns)

    def _converted(self, name: str, source: pl.DataType) -> pl.Expr:
        column, target = pl.col(name), _TYPES[self.columns[name]]
        if source == pl.String and target == pl.Date:
            return column.str.to_date(strict=self.strict)
        if source == pl.String and target == pl.Datetime:
            return column.str.to_datetime(time_unit="us", strict=self.strict)
        if source == pl.String and target == pl.Boolean:
            return self._truth(column.str.to_lowercase())
        return column.cast(target, strict=self.strict)

    def _truth(self, text: pl.Expr) -> pl.Expr:
        if self.strict:
            return text.replace_strict({**_TRUTH, None: None}, return_dtype=pl.Boolean)
        return text.replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)
