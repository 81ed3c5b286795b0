"""Schemas as plain data, what holds two of them, and in what a new one differs from the one that a dataset has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import polars as pl

from engine.digest import Json

Columns = Sequence[tuple[str, Any]]
"""Names and types, in order; types as ``to_json`` writes them."""

_PLAIN = {
    dtype.__name__: dtype
    for dtype in (
        *(
            pl.Int8,
            pl.Int16,
            pl.Int32,
            pl.Int64,
            pl.Int128,
            pl.UInt8,
            pl.UInt16,
            pl.UInt32,
            pl.UInt64,
            pl.UInt128,
            pl.Float16,
            pl.Float32,
            pl.Float64,
        ),
        *(pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time, pl.Null, pl.Categorical),
    )
}


def to_json(dtype: pl.DataType) -> Json:
    """Return a type as plain data: ``"Int64"``, ``["List", "Int64"]``, ``["Datetime", "us", "UTC"]``."""
    match dtype:
        case pl.Datetime():
            return ["Datetime", dtype.time_unit, dtype.time_zone]
        case pl.Duration():
            return ["Duration", dtype.time_unit]
        case pl.Decimal():
            return ["Decimal", dtype.precision, dtype.scale]
        case pl.Enum():
            return ["Enum", list(dtype.categories)]
        case pl.List():
            return ["List", to_json(_instance(dtype.inner))]
        case pl.Array():
            return ["Array", to_json(_instance(dtype.inner)), dtype.size]
        case pl.Struct():
            return ["Struct", [[field.name, to_json(_instance(field.dtype))] for field in dtype.fields]]
    if type(dtype).__name__ not in _PLAIN:
        raise TypeError(f"no way to write the type {dtype} down")
    return type(dtype).__name__


def from_json(node: Json) -> pl.DataType:
    """Return the type that ``to_json`` wrote."""
    match node:
        case str():
            return _PLAIN[node]()
        case ["Datetime", unit, zone]:
            return pl.Datetime(unit, zone)  # type: ignore[arg-type]  # as it was written
        case ["Duration", unit]:
            return pl.Duration(unit)  # type: ignore[arg-type]  # as it was written
        case ["Decimal", precision, scale]:
            return pl.Decimal(precision, scale)  # type: ignore[arg-type]  # as it was written
        case ["Enum", categories]:
            return pl.Enum(categories)  # type: ignore[arg-type]  # as it was written
        case ["List", inner]:
            return pl.List(from_json(inner))
        case ["Array", inner, size]:
            return pl.Array(from_json(inner), size)  # type: ignore[arg-type]  # as it was written
        case ["Struct", list(fields)]:
            return pl.Struct({str(field[0]): from_json(field[1]) for field in fields if isinstance(field, list)})
    raise TypeError(f"no type is written as {node!r}")


def _instance(dtype: Any) -> pl.DataType:
    found: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return found


def columns_of(schema: pl.Schema) -> tuple[tuple[str, Json], ...]:
    """Return a schema as plain data."""
    return tuple((name, to_json(_instance(dtype))) for name, dtype in schema.items())


def schema_of(columns: Columns) -> pl.Schema:
    """Return the schema that plain data describes."""
    return pl.Schema({name: from_json(dtype) for name, dtype in columns})


def shown(columns: Columns) -> list[list[str]]:
    """Return names and types as people read them."""
    return [[name, str(dtype)] for name, dtype in schema_of(columns).items()]


_WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)


def wider(a: pl.DataType, b: pl.DataType) -> pl.DataType | None:
    """Return the type that holds all values of both and means the same, None when there is none.

    Whole numbers become Int64, whole and decimal ones Float64; Null becomes anything. Nested types widen inside.
    """
    if a == b:
        return a
    if pl.Null in (a, b):
        return b if a == pl.Null else a
    if all(one.is_float() or one in _WHOLE for one in (a, b)):
        return pl.Float64() if a.is_float() or b.is_float() else pl.Int64()
    if isinstance(a, pl.List) and isinstance(b, pl.List):
        inner = wider(_instance(a.inner), _instance(b.inner))
        return pl.List(inner) if inner is not None else None
    if isinstance(a, pl.Struct) and isinstance(b, pl.Struct):
        return _wider_struct(a, b)
    return None


def _wider_struct(a: pl.Struct, b: pl.Struct) -> pl.DataType | None:
    fields = {field.name: _instance(field.dtype) for field in a.fields}
    for field in b.fields:
        inner = wider(fields.get(field.name, pl.Null()), _instance(field.dtype))
        if inner is None:
            return None
        fields[field.name] = inner
    return pl.Struct(fields)


@dataclass(frozen=True, slots=True)
class Change:
    """One way in which rows differ from the dataset they come to. ``message`` says it in words, ``column`` is the new one."""

    kind: Literal["new", "missing", "renamed", "retyped"]
    column: str
    message: str


def changes(held: Columns, found: Columns) -> list[Change]:
    """Return in what new rows differ from the schema that a dataset has; types that merely widen are no difference."""
    old, new = schema_of(held), schema_of(found)
    missing = [name for name in old if name not in new]
    fresh = [name for name in new if name not in old]
    result: list[Change] = []
    for name in list(missing):
        if twin := _renamed(name, old, [other for other in fresh if other not in old], new):
            missing.remove(name)
            fresh.remove(twin)
            result.append(Change("renamed", twin, f"the column '{name}' seems to be called '{twin}' now"))
    result += [Change("missing", name, f"the column '{name}' is missing") for name in missing]
    result += [Change("new", name, f"the column '{name}' is new") for name in fresh]
    for name in new:
        if name in old and wider(_instance(old[name]), _instance(new[name])) is None:
            result.append(Change("retyped", name, f"the column '{name}' is {new[name]}, and was {old[name]}"))
    return result


def _renamed(name: str, old: Mapping[str, Any], fresh: Sequence[str], new: Mapping[str, Any]) -> str:
    """Return the new column that a missing one may have become: of its type and of a name like its own."""
    same = [other for other in fresh if new[other] == old[name]]
    by_plain = {_plain(other): other for other in same}
    found = get_close_matches(_plain(name), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "").replace("-", "")


def union(schemas: Iterable[Columns]) -> list[tuple[str, Json]]:
    """Return the columns of several schemas: each in its widest type, as text where no type holds all.

    New columns come last. Null columns take the type that they have elsewhere.
    """
    found: dict[str, pl.DataType] = {}
    for columns in schemas:
        for name, dtype in schema_of(columns).items():
            one = _instance(dtype)
            found[name] = (wider(found[name], one) or pl.String()) if name in found else one
    return [(name, to_json(dtype)) for name, dtype in found.items()]
