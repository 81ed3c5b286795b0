"""Reads rows from JSON so that no value changes: what a column's type can not hold exactly is kept as JSON text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import polars as pl
from polars.datatypes import DataType

from engine.plugin import CHECK, RAW, ROW, Salvaged
from plugins.extractors._streamed import refuse_reserved, streamed
from plugins.extractors._types import Type, dtype_of, held

SPACE = " \t\r\n"
"""What JSON calls white space."""

MIXED = pl.Unknown()
"""Stands, in learned types, for values of several kinds: they are kept as JSON text."""

UNSEEN = pl.Null()
"""Stands, in learned types, for a place in which no value was seen."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MOST_KEYS = 1_000  # an object with more different keys is a mapping of data to data and not a record
_EXACT = 2**53  # every whole number up to here is a Float64
_BATCH_ROWS = 10_000
_BATCH_CHARACTERS = 8_000_000  # what is held of a source at once, some ten times this in memory


class Row(NamedTuple):
    """A row of a source: its object, or why it can not be one. ``place`` says where it stands: ``line 17``."""

    number: int
    place: str
    text: str
    value: dict[str, Any]
    fault: str


Rows: TypeAlias = Callable[[], Iterator[Row]]
"""Makes the rows of a source from the start, each time that it is called."""


class _Refused:
    """Takes the place of a value that would not survive."""

    __slots__ = ("fault",)

    def __init__(self, fault: str) -> None:
        self.fault = fault


class Decoder:
    """Decodes JSON strictly. Not for several threads at once.

    Refused are keys that stand twice in one object, NaN and Infinity, and halves of surrogate pairs. Whole numbers stay
    exact whatever their size; other numbers are ``float`` if that, written with as few or as many digits, is the number
    again, else ``Decimal``.
    """

    def __init__(self) -> None:
        self._refused: list[_Refused] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_float=_number, parse_constant=self._constant)

    def decode(self, text: str, start: int = 0) -> tuple[Any, int, str]:
        """Return the value at ``start``, where it ends, and why it is refused, if it is.

        Raises ``ValueError``, with the reason as its text, when there is no JSON value.
        """
        self._refused.clear()
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise ValueError(f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.pos - start + 1}") from None
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except ValueError:
            raise ValueError("a number of thousands of digits") from None
        fault = self._refused[0].fault if self._refused else ""
        if not fault and _SURROGATE.search(text, start, end) and _is_broken(value):
            fault = "half of a surrogate pair is no text"
        return value, end, fault

    def _object(self, pairs: list[tuple[str, Any]]) -> Any:
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        keys = [key for key, _ in pairs]
        twice = next(key for number, key in enumerate(keys) if key in keys[:number])
        return self._refuse(f"the key {json.dumps(twice)} stands twice in one object")

    def _constant(self, word: str) -> Any:
        return self._refuse(f"{word} is not JSON")

    def _refuse(self, fault: str) -> _Refused:
        self._refused.append(_Refused(fault))
        return self._refused[-1]


def _number(text: str) -> float | Decimal:
    value = float(text)
    if repr(value) == text or (len(text) < 16 and "e" not in text and "E" not in text):
        return value  # 15 digits are always given back
    number = Decimal(text)
    rounded = f"{value:.{len(number.as_tuple().digits) - 1}e}"
    # the shortest text that is read as the value need not be the value rounded: 5.960464477539063e-08 lies between two
    is_exact = math.isfinite(value) and number in (Decimal(repr(value)), Decimal(rounded))
    return value if is_exact else number


def _is_broken(value: object) -> bool:
    try:
        text_of(value).encode()
    except UnicodeEncodeError:
        return True
    return False


def text_of(value: object) -> str:
    """Return a decoded value as JSON text, numbers with all their digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text_of(key)}: {text_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def kind_of(value: object) -> str:
    """Return what JSON calls a value: ``an array``."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


@dataclass(frozen=True, slots=True)
class Shape:
    """What was seen in one place of many documents. Shapes merge: associative, commutative, ``Shape()`` is nothing seen."""

    kinds: frozenset[type] = frozenset()
    low: int = 0
    high: int = 0
    keys: Mapping[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    is_mapping: bool = False

    @classmethod
    def of(cls, values: Sequence[Any], *, top: bool = False) -> Shape:
        """Return the shape of decoded values. The ``top`` has the rows themselves, whose keys are columns, however many."""
        kinds = frozenset(map(type, values)) - {type(None)}
        whole = [0, *(value for value in values if type(value) is int)] if int in kinds else [0]
        made: list[dict[str, Any]] = [value for value in values if type(value) is dict] if dict in kinds else []
        keys = list(dict.fromkeys(chain.from_iterable(made)))
        is_mapping = len(keys) > _MOST_KEYS and not top
        lists = (value for value in values if type(value) is list)
        return cls(
            kinds,
            min(whole),
            max(whole),
            {} if is_mapping else {key: cls.of([row[key] for row in made if key in row]) for key in keys},
            cls.of(list(chain.from_iterable(lists))) if list in kinds else None,
            is_mapping,
        )

    def merge(self, other: Shape, *, top: bool = False) -> Shape:
        """Return the shape of the values of both."""
        keys = dict.fromkeys((*self.keys, *other.keys))
        is_mapping = self.is_mapping or other.is_mapping or (len(keys) > _MOST_KEYS and not top)
        items = [shape for shape in (self.items, other.items) if shape is not None]
        nothing = Shape()
        return Shape(
            self.kinds | other.kinds,
            min(self.low, other.low),
            max(self.high, other.high),
            {} if is_mapping else {key: self.keys.get(key, nothing).merge(other.keys.get(key, nothing)) for key in keys},
            reduce(Shape.merge, items) if items else None,
            is_mapping,
        )

    def learned(self) -> DataType:
        """Return the narrowest type that holds every value exactly; ``MIXED`` if none does, ``UNSEEN`` without values."""
        if not self.kinds:
            return UNSEEN
        if self.kinds == {int} and self.low >= -(2**63) and self.high < 2**63:
            return pl.Int64()
        if self.kinds == {float} or (self.kinds == {int, float} and self.low >= -_EXACT and self.high <= _EXACT):
            return pl.Float64()
        if self.kinds == {dict} and self.keys and not self.is_mapping:
            return pl.Struct({key: shape.learned() for key, shape in self.keys.items()})
        if self.kinds == {list} and self.items is not None:
            return pl.List(self.items.learned())
        return {frozenset({str}): pl.String(), frozenset({bool}): pl.Boolean()}.get(self.kinds, MIXED)


def _stored(learned: DataType) -> DataType:
    """Return the type of the column that holds values of a learned type."""
    if isinstance(learned, pl.Struct):
        return pl.Struct({inner.name: _stored(instance(inner.dtype)) for inner in learned.fields})
    if isinstance(learned, pl.List):
        return pl.List(_stored(instance(learned.inner)))
    return pl.String() if learned in (MIXED, UNSEEN) else learned


def instance(dtype: Type) -> DataType:
    """Return a type as an instance: Polars takes ``pl.Int64`` for ``pl.Int64()``."""
    return dtype if isinstance(dtype, DataType) else dtype()


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns the rows of a source into frames.

    ``shape`` is that of the rows it was made for, ``types`` the learned type of each column, ``declared`` those that the
    user named: values of these columns are read from their text.
    """

    shape: Shape
    types: dict[str, DataType]
    declared: Mapping[str, str]

    @classmethod
    def learn(cls, rows: Iterable[Row], declared: Mapping[str, str]) -> Reader:
        """Learn the types of all columns from rows; those at fault are passed over."""
        shape = Shape()
        for batch in _batches(row for row in rows if not row.fault):
            shape = shape.merge(Shape.of([row.value for row in batch], top=True), top=True)
        refuse_reserved(shape.keys)
        return cls(shape, _types(shape), declared)

    @property
    def schema(self) -> dict[str, DataType]:
        """Return the columns in the order in which they were seen, and after them the declared ones that were not."""
        learned = {column: _stored(dtype) for column, dtype in self.types.items()}
        return {**learned, **{column: instance(dtype_of(name)) for column, name in self.declared.items()}}

    def scan(self, rows: Rows) -> pl.LazyFrame:
        """Return rows as a frame that fails with ``ComputeError`` at the first one that can not be told exactly."""

        def made() -> Iterator[pl.DataFrame]:
            for batch in _batches(rows()):
                frame, rejected = self._split(batch)
                if rejected.height:
                    raise pl.exceptions.ComputeError(rejected[CHECK][0])
                yield frame.drop(ROW)

        return streamed(made, self.schema)

    def salvage(self, rows: Rows) -> Salvaged:
        """Return the rows that can be told exactly and the others apart, each frame in a pass of its own."""
        rejected = {ROW: pl.UInt32(), CHECK: pl.String(), RAW: pl.String()}
        return Salvaged(
            streamed(lambda: (self._split(batch)[0] for batch in _batches(rows())), {ROW: pl.UInt32(), **self.schema}),
            streamed(lambda: (self._split(batch)[1] for batch in _batches(rows())), rejected),
        )

    def _split(self, batch: list[Row]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows with ``ROW``, and those that are at fault or hold what a declared type can not."""
        good = [row for row in batch if not row.fault]
        if _types(self.shape.merge(Shape.of([row.value for row in good], top=True), top=True)) != self.types:
            raise pl.exceptions.ComputeError(f"{batch[0].place} or after it: a value of another type than was learned")
        faults = {row.number: row.fault for row in batch if row.fault}
        columns = {ROW: pl.Series([row.number for row in good], dtype=pl.UInt32)}
        for column, dtype in self.schema.items():
            values = [row.value.get(column) for row in good]
            if column not in self.declared:
                columns[column] = _series(values, self.types[column])
                continue
            text = pl.Series([_text_for(value, dtype) for value in values], dtype=pl.String)
            columns[column] = text.to_frame().select(held(pl.first(), dtype)).to_series()
            for place in (columns[column].is_null() & text.is_not_null()).arg_true():
                shown = text_of(values[place])[:80]
                faults.setdefault(good[place].number, f"{shown} is not {self.declared[column]} ({column})")
        bad = [row for row in batch if row.number in faults]
        rejected = {
            ROW: pl.Series([row.number for row in bad], dtype=pl.UInt32),
            CHECK: pl.Series([f"{row.place}: {faults[row.number]}" for row in bad], dtype=pl.String),
            RAW: pl.Series([row.text for row in bad], dtype=pl.String),
        }
        frame = pl.DataFrame(columns)
        return frame.filter(~pl.col(ROW).is_in(list(faults))) if faults else frame, pl.DataFrame(rejected)


def _types(shape: Shape) -> dict[str, DataType]:
    return {column: inner.learned() for column, inner in shape.keys.items()}


def _series(values: list[Any], learned: DataType) -> pl.Series:
    """Return values as a column of their learned type, level by level: Polars takes nested ones one at a time."""
    if isinstance(learned, pl.Struct):
        keys = [(field.name, instance(field.dtype)) for field in learned.fields]
        inner = {key: _series([None if value is None else value.get(key) for value in values], dtype) for key, dtype in keys}
        made = pl.DataFrame(inner).to_struct()
        return made if None not in values else _where(values, made)
    if isinstance(learned, pl.List):
        places = [place for place, value in enumerate(values) if value for _ in value]
        items = _series(list(chain.from_iterable(filter(None, values))), instance(learned.inner))
        full = pl.DataFrame({"place": places, "item": items}, schema_overrides={"place": pl.Int64})
        grouped = full.group_by("place", maintain_order=True).agg("item")
        empty = pl.Series([[]], dtype=pl.List(items.dtype))
        every = pl.DataFrame({"place": pl.int_range(len(values), eager=True)}).join(
            grouped, "place", "left", maintain_order="left"
        )
        return _where(values, every.select(pl.col("item").fill_null(pl.lit(empty))).to_series())
    if learned == MIXED:
        return pl.Series([None if value is None else text_of(value) for value in values], dtype=pl.String)
    # whole numbers among others become Float64, exactly
    return pl.Series(values, dtype=_stored(learned), strict=learned != pl.Float64)


def _where(values: list[Any], made: pl.Series) -> pl.Series:
    """Return a column that is null where its value is."""
    is_there = pl.Series([value is not None for value in values], dtype=pl.Boolean)
    return pl.select(pl.when(is_there).then(made)).to_series()


def _text_for(value: Any, dtype: DataType) -> str | None:
    """Return the text from which a declared type is read: a string as it is, a number like 5.0 as 5 for whole types."""
    if value is None or isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() and dtype.is_integer() else text_of(value)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += len(row.text)
        if len(batch) == _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
