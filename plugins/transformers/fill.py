"""A constant where a value is missing."""

import polars as pl
from pydantic import Field, model_validator

from engine.plugin import Columns, Transformer, choose, require
from plugins.transformers._values import Value, is_text, literal


class Fill(Transformer):
    """Put a constant where a value is missing.

    Missing is null, and NaN in columns of numbers. Use it where you know what missing means, such as 0 for a delay that
    was not reported; ``impute`` learns a value from the training rows instead. Categories become text.
    """

    columns: Columns | None = Field(
        default=None,
        description="The columns that get `value`: a list of names, or all, numeric, text, boolean or temporal.",
    )
    value: Value | None = Field(
        default=None, description="What to put in, of the columns' type; dates and times as ISO 8601 text. Goes with `columns`."
    )
    values: dict[str, Value] = Field(
        default={}, description="What to put in by column, as `column: value`, instead of `columns` and `value`."
    )

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "Fill":
        given = self.columns is not None and self.value is not None
        if given == bool(self.values) or (self.columns is None) != (self.value is None):
            raise ValueError("give `columns` and `value`, or `values` with a value for each column")
        return self

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        values = dict(self.values)
        if self.columns is not None and self.value is not None:
            values = dict.fromkeys(choose(self.columns, schema), self.value)
        require(list(values), schema.names())
        return frame.with_columns(_filled(name, schema[name], value) for name, value in values.items())


def _filled(name: str, source: pl.DataType, value: Value) -> pl.Expr:
    column = pl.col(name)
    if source == pl.Null:
        return column.fill_null(pl.lit(value))
    if is_text(source):
        column = column.cast(pl.String)
    if source.is_float():
        column = column.fill_nan(None)
    return column.fill_null(literal(value, source, name))
