"""What a database's columns become: types that hold every value exactly, never a decimal as a float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from engine.errors import DataError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, CursorResult
    from sqlalchemy.types import TypeEngine

TIME = pl.Datetime("us")
INSTANT = pl.Datetime("us", "UTC")

EXACT = 2**53
"""Up to here a Float64 tells whole numbers apart."""

_MOST_DIGITS = 38


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the source: the type that it gets, and whether the database is asked for its text instead of its value.

    ``parse`` says what that text, or SQLite's whole number, is to become of ``dtype``.
    """

    name: str
    dtype: pl.DataType
    asked: Literal["value", "text", "texts"] = "value"
    parse: Literal["", "date", "time", "boolean", "decimal"] = ""

    def expression(self) -> ColumnElement[Any]:
        """Return what is selected for the column, under its name."""
        from sqlalchemy import ARRAY, Text, cast, column

        value: ColumnElement[Any] = column(self.name)
        if self.asked == "value":
            return value
        return cast(value, Text() if self.asked == "text" else ARRAY(Text())).label(self.name)

    def series(self, values: Sequence[Any]) -> pl.Series:
        """Return a column's values. Raises ``ComputeError`` when one is not of the type."""
        try:
            made = self._made(values)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
            found = str(error).splitlines()[0]
            raise pl.exceptions.ComputeError(f"column '{self.name}' holds what is not {named(self.dtype)}: {found}") from None
        large = made.dtype == pl.Float64 and _largest(made) >= EXACT
        if large and any(isinstance(value, int) and abs(value) > EXACT for value in values):
            raise pl.exceptions.ComputeError(f"column '{self.name}' holds whole numbers beside fractions, and large values")
        if made.dtype != self.dtype:
            raise pl.exceptions.ComputeError(f"column '{self.name}' holds {named(made.dtype)}, not {named(self.dtype)}")
        return made

    def _made(self, values: Sequence[Any]) -> pl.Series:
        if self.parse == "":
            return pl.Series(self.name, values, self.dtype, strict=True)
        if self.parse == "boolean":
            whole = pl.Series(self.name, values, pl.Int64, strict=True)
            return whole.cast(pl.Boolean) if whole.is_in([0, 1]).all() else whole
        if self.parse == "decimal":
            values = [format(value, "f") if isinstance(value, Decimal) else value for value in values]
            listed = isinstance(self.dtype, pl.List)
            return pl.Series(self.name, values, pl.List(pl.String) if listed else pl.String, strict=True).cast(self.dtype)
        text = pl.Series(self.name, values, pl.String, strict=True)
        if self.parse == "date":
            return text.str.to_date("%Y-%m-%d", strict=True)
        return text.str.replace("T", " ", literal=True).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=True)


def named(dtype: Any) -> str:
    """Return a type's name for people."""
    return str(dtype).replace("time_unit='us', time_zone=None", "").replace("time_unit='us', time_zone='UTC'", "UTC")


def _largest(numbers: pl.Series) -> float:
    found = numbers.abs().max()
    return float(found) if isinstance(found, int | float) else 0.0


def _decimal(name: str, precision: int | None, scale: int | None, *, listed: bool = False, text: bool = False) -> Field:
    """Return a column of exact decimals, as text where the database sets no bound or a larger one than Polars knows."""
    bounded = False
    kept: pl.DataType = pl.String()
    if precision is not None and scale is not None and 0 <= scale <= precision <= _MOST_DIGITS:
        bounded, kept = True, pl.Decimal(precision, scale)
    asked: Literal["value", "text", "texts"] = "texts" if listed else "text" if text or not bounded else "value"
    return Field(name, pl.List(kept) if listed else kept, asked, "decimal" if bounded else "")


_POSTGRES: dict[str, Any] = {
    "bool": pl.Boolean,
    "int2": pl.Int16,
    "int4": pl.Int32,
    "int8": pl.Int64,
    "float4": pl.Float32,
    "float8": pl.Float64,
    **dict.fromkeys(("text", "varchar", "bpchar", "name"), pl.String),
    "bytea": pl.Binary,
    "date": pl.Date,
    "time": pl.Time,
    "timestamp": TIME,
    "timestamptz": INSTANT,
}


def postgres_fields(result: CursorResult[Any]) -> list[Field]:
    """Return the columns of an empty result by the types that PostgreSQL itself reports.

    What has no like in Polars is asked for as text, as PostgreSQL writes it: json, uuid, interval, enums, networks.
    """
    known = result.connection.connection.driver_connection.adapters.types  # type: ignore[union-attr]  # psycopg's registry
    fields = []
    described: Any = result.cursor.description  # psycopg's columns, which have names
    for column in described:
        info = known.get(column.type_code)
        listed = info is not None and column.type_code == info.array_oid
        name = info.name if info is not None else ""
        if name == "numeric":
            fields.append(_decimal(column.name, column.precision, column.scale, listed=listed, text=True))
        elif name in _POSTGRES:
            dtype = _POSTGRES[name]
            fields.append(Field(column.name, pl.List(dtype) if listed else _instance(dtype)))
        else:
            fields.append(Field(column.name, pl.List(pl.String) if listed else pl.String(), "texts" if listed else "text"))
    return fields


def _instance(dtype: Any) -> pl.DataType:
    found: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return found


def declared_field(name: str, declared: TypeEngine[Any]) -> Field:
    """Return a column of a table of any database by the type that SQLAlchemy found declared."""
    from sqlalchemy import types

    if isinstance(declared, types.Float):
        return Field(name, pl.Float64())
    if isinstance(declared, types.Numeric):
        return _decimal(name, declared.precision, declared.scale)
    if isinstance(declared, types.DateTime):
        return Field(name, INSTANT if declared.timezone else TIME)
    known: list[tuple[type[Any], Any]] = [
        *((types.Boolean, pl.Boolean), (types.Integer, pl.Int64), (types.Date, pl.Date), (types.Time, pl.Time)),
        *((types.Enum, pl.String), (types.String, pl.String), (types._Binary, pl.Binary)),  # noqa: SLF001  the base of all binary types
    ]
    found = next((dtype for kind, dtype in known if isinstance(declared, kind)), None)
    return Field(name, found()) if found else Field(name, pl.String(), "text")


_LEARNED: dict[type[Any], Callable[[], pl.DataType]] = {
    bool: pl.Boolean,
    int: pl.Int64,
    float: pl.Float64,
    str: pl.String,
    bytes: pl.Binary,
    date: pl.Date,
}


def learned_field(name: str, values: set[type[Any]], scale: int, *, zoned: bool) -> Field:
    """Return a column by the Python types of all its values. ``scale``: the most digits after a decimal's point."""
    kinds = values - {type(None)}
    if kinds == {Decimal}:
        return _decimal(name, _MOST_DIGITS, scale)
    if kinds == {datetime}:
        return Field(name, INSTANT if zoned else TIME)
    if len(kinds) == 1 and (dtype := _LEARNED.get(next(iter(kinds)))):
        return Field(name, dtype())
    if not kinds:
        return Field(name, pl.String())
    raise mixed(name, sorted(kind.__name__ for kind in kinds))


def learn(names: Sequence[str], batches: Any) -> list[Field]:
    """Return columns by looking at every row, for results of which a driver does not tell the types."""
    kinds: list[set[type[Any]]] = [set() for _ in names]
    scales, zoned = [0] * len(names), [False] * len(names)
    for rows in batches:
        for number, values in enumerate(zip(*rows, strict=True)):
            kinds[number].update(map(type, values))
            for value in values:
                if isinstance(value, Decimal) and value.is_finite():
                    scales[number] = max(scales[number], -int(value.as_tuple().exponent))
                elif isinstance(value, datetime):
                    zoned[number] |= value.tzinfo is not None
    return [
        learned_field(name, kind, scale, zoned=zone)
        for name, kind, scale, zone in zip(names, kinds, scales, zoned, strict=True)
    ]


def mixed(name: str, kinds: Sequence[str]) -> DataError:
    """Make the error for a column whose values are of several types, none of which is declared."""
    return DataError(
        f"column '{name}' holds values of several types and none is declared",
        found=", ".join(kinds),
        hint=f"say which one is meant with a query: SELECT CAST({name} AS TEXT) AS {name}, ... FROM ...",
    )
