"""What the steps that compute with two columns share."""

import polars as pl

from engine.errors import DataError
from engine.plugin import require


def numbers(frame: pl.LazyFrame, *columns: str) -> list[pl.DataType]:
    """Return the types of columns of numbers; ``MissingColumn`` or ``DataError`` if they are none."""
    schema = frame.collect_schema()
    require(columns, schema.names())
    for name in columns:
        if not schema[name].is_numeric() and schema[name] != pl.Null:
            raise DataError(
                f"column '{name}' is no number",
                expected="numbers",
                found=str(schema[name]),
                hint="turn it into one first: {use: parse_number, columns: [" + name + "]}"
                if schema[name] == pl.String
                else "",
            )
    return [schema[name] for name in columns]
