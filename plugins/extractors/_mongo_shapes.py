"""Learns what documents look like, and turns them into columns: nested as they are, and every value exactly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import polars as pl

_EXACT = 2**53
"""Up to here a Float64 tells whole numbers apart."""

_NAMES = {
    "bool": "boolean",
    "int": "integer",
    "Int64": "integer",
    "float": "number",
    "str": "text",
    "bytes": "bytes",
    "datetime": "time",
    "ObjectId": "id",
    "UUID": "uuid",
    "Decimal128": "decimal",
    "dict": "document",
    "list": "list",
    "DatetimeMS": "unreadable",
}
"""What a value is, by its Python type; all else is kept as JSON. A time that Python can not hold can not be read."""


class Misfit(Exception):
    """A value is not what the documents before it made of its field."""


@dataclass(slots=True)
class Shape:
    """What the values of a field have been so far, whatever their order."""

    kinds: set[str] = field(default_factory=set)
    fields: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    large: bool = False

    def see(self, value: Any) -> None:
        """Learn from a value."""
        if value is None:
            return
        kind = _NAMES.get(type(value).__name__, "other")
        self.kinds.add(kind)
        if kind == "integer":
            self.large |= not -_EXACT <= value <= _EXACT
        elif kind == "document":
            self.see_fields(value)
        elif kind == "list":
            self.items = self.items or Shape()
            for item in value:
                self.items.see(item)

    def see_fields(self, document: Mapping[str, Any]) -> None:
        """Learn from the fields of a document."""
        for name, value in document.items():
            if name not in self.fields:
                self.fields[name] = Shape()
            self.fields[name].see(value)


Reader: TypeAlias = Callable[[Any], Any]
"""Returns a value as Polars takes it; raises ``Misfit`` when it is of another type."""


def column(shape: Shape) -> tuple[pl.DataType, Reader]:
    """Return the type that holds all values of a shape, and what turns a value into it."""
    kinds = shape.kinds - {"unreadable"}
    if kinds == {"document"} and shape.fields:
        return _struct(shape.fields)
    if kinds == {"list"} and shape.items is not None:
        inner, read = column(shape.items)
        return pl.List(inner), _checked(["list"], lambda value: [read(item) for item in value])
    if kinds == {"integer", "number"} and not shape.large:
        return pl.Float64(), _number
    if not kinds:
        return pl.String(), _nothing
    return _SIMPLE[next(iter(kinds))] if len(kinds) == 1 and next(iter(kinds)) in _SIMPLE else (pl.String(), _json)


def _struct(fields: Mapping[str, Shape]) -> tuple[pl.DataType, Reader]:
    parts = {name: column(shape) for name, shape in fields.items()}
    known, readers = parts.keys(), {name: read for name, (_, read) in parts.items()}

    def read(value: Mapping[str, Any]) -> dict[str, Any]:
        if value.keys() - known:
            raise Misfit
        return {name: read(value.get(name)) for name, read in readers.items()}

    return pl.Struct({name: dtype for name, (dtype, _) in parts.items()}), _checked(["document"], read)


def _checked(kinds: Sequence[str], make: Reader) -> Reader:
    names = {name for name, kind in _NAMES.items() if kind in kinds}

    def read(value: Any) -> Any:
        if value is None:
            return None
        if type(value).__name__ not in names:
            raise Misfit
        return make(value)

    return read


def _nothing(value: Any) -> None:
    if value is not None:
        raise Misfit


def _float(value: Any) -> float:
    if not isinstance(value, float) and not -_EXACT <= value <= _EXACT:
        raise Misfit
    return float(value)


def _json(value: Any) -> str | None:
    """Return a value as JSON, in MongoDB's way for what JSON lacks."""
    from bson import json_util

    if type(value).__name__ == "DatetimeMS":
        raise Misfit
    return None if value is None else json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS, ensure_ascii=False)


def _same(value: Any) -> Any:
    return value


_number = _checked(["integer", "number"], _float)

_SIMPLE: dict[str, tuple[pl.DataType, Reader]] = {
    "boolean": (pl.Boolean(), _checked(["boolean"], _same)),
    "integer": (pl.Int64(), _checked(["integer"], int)),
    "number": (pl.Float64(), _number),
    "text": (pl.String(), _checked(["text"], _same)),
    "bytes": (pl.Binary(), _checked(["bytes"], _same)),
    "time": (pl.Datetime("ms", "UTC"), _checked(["time"], _same)),
    "id": (pl.String(), _checked(["id"], str)),
    "uuid": (pl.String(), _checked(["uuid"], str)),
    "decimal": (pl.String(), _checked(["decimal"], str)),
}
"""Whole numbers are Int64 whatever MongoDB's width, which follows the value. Decimals have no scale of their own: text."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of documents, in the order in which fields were first seen or are named."""

    schema: pl.Schema
    readers: dict[str, Reader]

    @classmethod
    def of(cls, shape: Shape, names: Sequence[str]) -> Layout:
        """Return the layout of what was learned; of some fields only when they are named."""
        chosen = {name: shape.fields.get(name, Shape()) for name in names} if names else shape.fields
        parts = {name: column(found) for name, found in chosen.items()}
        return cls(pl.Schema({name: part[0] for name, part in parts.items()}), {name: part[1] for name, part in parts.items()})

    def misfit(self, document: Mapping[str, Any]) -> str | None:
        """Return the field that is not as learned, None when all are."""
        for name in document:
            if name not in self.readers:
                return name
        for name, read in self.readers.items():
            try:
                read(document.get(name))
            except Misfit:
                return name
        return None

    def frame(self, documents: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
        """Return documents as a frame. Raises ``ComputeError`` when one is not as learned."""
        rows = list(documents)
        series = []
        for name, read in self.readers.items():
            try:
                series.append(pl.Series(name, [read(row.get(name)) for row in rows], self.schema[name], strict=True))
            except Misfit:
                raise pl.exceptions.ComputeError(f"the field '{name}' holds what is not {self.schema[name]}") from None
        for row in rows:
            if more := row.keys() - self.readers.keys():
                raise pl.exceptions.ComputeError(f"a field '{min(more)}' that was not seen before")
        return pl.DataFrame(series)
