"""Learns the types of text columns, and knows types by their names."""

import re
from collections.abc import Sequence

import polars as pl
from polars.datatypes import DataType, DataTypeClass

_NAMED: dict[str, DataType | DataTypeClass] = {
    **{dtype.__name__: dtype for dtype in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)},
    **{dtype.__name__: dtype for dtype in (pl.Float32, pl.Float64, pl.String, pl.Boolean, pl.Date)},
    "Datetime": pl.Datetime("us"),
}
_ZONED = re.compile(r"Datetime\[(?P<zone>[\w/+-]+)\]")

_DATE = r"^\d{4}-\d{2}-\d{2}$"
_LOCAL = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$"
_OFFSET = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$"


def dtype_of(name: str) -> DataType | DataTypeClass:
    """Return the type with this name; ``ValueError`` lists the known ones."""
    if zoned := _ZONED.fullmatch(name):
        return pl.Datetime("us", zoned["zone"])
    if name not in _NAMED:
        raise ValueError(f"unknown type '{name}': one of {', '.join(_NAMED)}, Datetime[zone]")
    return _NAMED[name]


def learn(text: pl.LazyFrame, rows: int | None) -> dict[str, DataType | DataTypeClass]:
    """Return the narrowest type that holds every value of each text column in the first ``rows``, or in all.

    ``Null`` where no value was seen. A type is only given when every value can be read as it.
    """
    columns = text.collect_schema().names()
    if not columns:
        return {}
    frame = text if rows is None else text.head(rows)
    tests = [test.alias(f"{number}:{column}") for column in columns for number, test in enumerate(_tests(column))]
    held = frame.select(tests).collect(engine="streaming").row(0, named=True)
    return {column: _first([held[f"{number}:{column}"] for number in range(len(_TYPES))]) for column in columns}


_TYPES: Sequence[DataType | DataTypeClass] = (
    *(pl.Null, pl.Int64, pl.Float64, pl.Boolean, pl.Date),
    *(pl.Datetime("us"), pl.Datetime("us", "UTC")),
)


def _tests(column: str) -> list[pl.Expr]:
    """Return, for each of ``_TYPES``, whether all values of a column are of it."""
    value = pl.col(column).drop_nulls()
    return [
        value.len() == 0,
        value.cast(pl.Int64, strict=False).is_not_null().all(),
        value.cast(pl.Float64, strict=False).is_not_null().all(),
        value.is_in(["true", "false"]).all(),
        value.str.contains(_DATE).all(),
        value.str.contains(_LOCAL).all(),
        value.str.contains(_OFFSET).all(),
    ]


def _first(held: Sequence[bool]) -> DataType | DataTypeClass:
    return next((dtype for dtype, holds in zip(_TYPES, held, strict=True) if holds), pl.String)
