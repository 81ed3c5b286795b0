"""How the columns of a frame become fields of documents and come back, and the digest of what a frame says.

A value is stored as what MongoDB has for it, where that is exact: numbers, text, bytes, booleans, lists, documents. What
BSON lacks becomes text (UInt64, 128 bits, Decimal, categories) or a whole number in the unit of its type (times, durations).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from engine import digest
from engine.errors import DataError
from engine.schemas import columns_of

if TYPE_CHECKING:
    from blake3 import blake3
    from pyarrow import Table
    from pymongoarrow.api import Schema

OWN = ("_id", "_batch", "_partition", "_row")
"""The fields of a document that are not columns."""

_TEXT = (pl.UInt64, pl.Int128, pl.UInt128, pl.Decimal, pl.Categorical, pl.Enum)
_WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.Date, pl.Time, pl.Datetime, pl.Duration)
_SAME = (pl.String, pl.Binary, pl.Boolean, pl.Null)
_UNITS = {"ms": 1, "us": 1_000, "ns": 1_000_000}  # in a millisecond
_YEARS = (-62_135_596_800_000, 253_402_300_799_999)  # ms of the years 1 to 9999, which are what Python's dates can say


def field(name: str) -> str:
    """Return the name of a column as a field: dots, ``$`` at the beginning, nothing at all and our own are written ``%2E``."""
    if name in OWN or name.startswith("$"):
        return f"%{ord(name[0]):02X}{_escaped(name[1:])}"
    return _escaped(name) or "%"


def _escaped(name: str) -> str:
    return re.sub(r"[%.\0]", lambda found: f"%{ord(found[0]):02X}", name)


def column(name: str) -> str:
    """Return the column that ``field`` made a field of."""
    return "" if name == "%" else re.sub(r"%(..)", lambda found: chr(int(found[1], 16)), name)


@dataclass(frozen=True, slots=True)
class Form:
    """How a piece's rows are stored.

    ``dates`` are the columns that are stored as dates of MongoDB, as all their values are whole milliseconds. ``nans``
    are those with a NaN, which PyMongoArrow takes for null: a field beside each says where.
    """

    schema: pl.Schema
    dates: tuple[str, ...] = ()
    nans: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pl.LazyFrame) -> Form:
        """Look through the values of a frame and return the form that suits them."""
        schema = frame.collect_schema()
        whole = [_fits_date(name, dtype).alias(f"d{name}") for name, dtype in schema.items() if dtype in (pl.Date, pl.Datetime)]
        broken = [_column(name).is_nan().any().alias(f"n{name}") for name, dtype in schema.items() if dtype.is_float()]
        if not whole and not broken:
            return cls(schema)
        found = frame.select(*whole, *broken).collect(engine="streaming").row(0, named=True)
        dates, nans = ([name[1:] for name, yes in found.items() if yes and name[0] == letter] for letter in "dn")
        return cls(schema, tuple(dates), tuple(nans))

    @property
    def nested(self) -> list[str]:
        """The columns that PyMongoArrow can not read exactly: in its lists and structs a null is not always one."""
        return [name for name, dtype in self.schema.items() if dtype.is_nested()]

    def documents(self, frame: pl.DataFrame) -> list[dict[str, Any]]:
        """Return the rows of a frame as documents, without our own fields."""
        columns = [self._stored(name).alias(field(name)) for name in self.schema]
        marks = [_column(name).is_nan().alias(_mark(name)) for name in self.nans]
        rows = frame.select(*columns, *marks).to_dicts()
        for name in self.nested:
            if _has_odd_names(self.schema[name]):
                key = field(name)
                for row in rows:
                    row[key] = _renamed(row[key], field)
        return rows

    def _stored(self, name: str) -> pl.Expr:
        dtype, value = self.schema[name], _column(name)
        if name in self.dates:
            return _milliseconds(value, dtype).cast(pl.Datetime("ms"))
        return value if dtype == _stored(dtype) else value.cast(_stored(dtype))

    def arrow_schema(self) -> Schema:
        """Return what PyMongoArrow is to read: all but the nested columns."""
        import pyarrow as pa
        from pymongoarrow.api import Schema
        from pymongoarrow.types import BinaryType

        kinds: dict[Any, Any] = {
            pl.Int64: pa.int64(),
            pl.Float64: pa.float64(),
            pl.String: pa.large_string(),
            pl.Boolean: pa.bool_(),
            pl.Binary: BinaryType(0),
            pl.Null: pa.null(),
        }
        flat = {name: _stored(dtype) for name, dtype in self.schema.items() if not dtype.is_nested()}
        types = {field(name): pa.timestamp("ms") if name in self.dates else kinds[type(dtype)] for name, dtype in flat.items()}
        return Schema({"_row": pa.int64(), **types, **{_mark(name): pa.bool_() for name in self.nans}})

    def frame(self, table: Table, nested: Sequence[dict[str, Any]]) -> pl.DataFrame:
        """Return the rows that PyMongoArrow read, in any order, and the nested columns of documents, in that of the rows.

        Raises ``polars.exceptions.PolarsError``, ``TypeError`` or ``ValueError`` where values are none of their types.
        """
        rows = pl.DataFrame(pl.from_arrow(_without_extensions(table)))
        if not rows["_row"].is_sorted():  # along the index they are; sorting them is quicker here than on a server
            rows = rows.sort("_row")
        if self.nested:
            rows = rows.with_columns(self._nested(name, nested) for name in self.nested)
        return rows.select(self._restored(name).alias(name) for name in self.schema)

    def _nested(self, name: str, documents: Sequence[dict[str, Any]]) -> pl.Series:
        key, dtype = field(name), self.schema[name]
        values = [document[key] for document in documents]
        if _has_odd_names(dtype):
            values = [_renamed(value, column) for value in values]
        return pl.Series(key, values, dtype=_stored(dtype), strict=True)

    def _restored(self, name: str) -> pl.Expr:
        dtype, value = self.schema[name], _column(field(name))
        if name in self.dates and isinstance(dtype, pl.Datetime):
            return (value.cast(pl.Int64) * _UNITS[dtype.time_unit]).cast(dtype)
        if name in self.nans:
            value = pl.when(pl.col(_mark(name)) & value.is_null()).then(float("nan")).otherwise(value)
        return value if dtype == _stored(dtype) and name not in self.dates else value.cast(dtype)


def _mark(name: str) -> str:
    return f"{field(name)}%nan"  # no column's name is written so


def _stored(dtype: pl.DataType) -> Any:
    """Return the type whose values Python hands to MongoDB, and that is read again."""
    if dtype in _TEXT:
        return pl.String()
    if dtype in _WHOLE:
        return pl.Int64()
    if dtype.is_float():
        return pl.Float64()
    match dtype:
        case pl.List():
            return pl.List(_stored(_instance(dtype.inner)))
        case pl.Array():
            return pl.Array(_stored(_instance(dtype.inner)), dtype.size)
        case pl.Struct():
            return pl.Struct({one.name: _stored(_instance(one.dtype)) for one in dtype.fields})
    if dtype in _SAME:
        return dtype
    raise DataError(f"MongoDB can not keep a column of type {dtype}", hint="cast it in prepare, or use store=local")


def _instance(dtype: Any) -> pl.DataType:
    found: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return found


def _column(name: str) -> pl.Expr:
    """Return the column of this name, which ``pl.col`` would take for a pattern if it is ``*`` or ``^...$``."""
    return cs.by_name(name).as_expr()


def _milliseconds(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return value.cast(pl.Int64) // _UNITS[dtype.time_unit]
    return value.cast(pl.Int64) * 86_400_000


def _fits_date(name: str, dtype: pl.DataType) -> pl.Expr:
    value = _milliseconds(_column(name), dtype)
    exact = value.is_between(*_YEARS)
    if isinstance(dtype, pl.Datetime):
        exact &= _column(name).cast(pl.Int64) % _UNITS[dtype.time_unit] == 0
    return exact.all()  # nulls do not count


def _has_odd_names(dtype: pl.DataType) -> bool:
    match dtype:
        case pl.Struct():
            return any(field(one.name) != one.name or _has_odd_names(_instance(one.dtype)) for one in dtype.fields)
        case pl.List() | pl.Array():
            return _has_odd_names(_instance(dtype.inner))
    return False


def _renamed(value: Any, rename: Any) -> Any:
    if isinstance(value, dict):
        return {rename(name): _renamed(inner, rename) for name, inner in value.items()}
    return [_renamed(inner, rename) for inner in value] if isinstance(value, list) else value


def _without_extensions(table: Table) -> Table:
    """Return a table whose binary columns are plain: PyMongoArrow has a type of its own for them."""
    import pyarrow as pa

    for number, one in enumerate(table.schema):
        if isinstance(one.type, pa.ExtensionType):
            chunks = [chunk.storage for chunk in table.column(number).chunks]
            table = table.set_column(number, one.name, pa.chunked_array(chunks, one.type.storage_type))
    return table


def content_digest(schema: pl.Schema, slices: Iterable[pl.DataFrame]) -> str:
    """Return the digest of what rows say: names, types, values and nulls in their order, however they come in pieces.

    It depends neither on what lies under a null nor on how Polars keeps a value. All NaN are one; 0.0 and -0.0 are two.
    """
    columns = [_Leaf(_instance(dtype)) for dtype in schema.values()]
    rows = 0
    for piece in slices:
        rows += piece.height
        for one, series in zip(columns, piece.iter_columns(), strict=True):
            one.update(series)
    return digest.of_value([list(columns_of(schema)), rows, [list(one.digests()) for one in columns]])


class _Leaf:
    """The digests of a column as it is read: which values are there, how long they are, their bytes, what is inside."""

    def __init__(self, dtype: pl.DataType) -> None:
        from blake3 import blake3

        self._dtype = dtype
        self._there: blake3 = blake3()
        self._lengths: blake3 = blake3()
        self._bytes: blake3 = blake3()
        match dtype:
            case pl.List() | pl.Array():
                self._inner = [_Leaf(_instance(dtype.inner))]
            case pl.Struct():
                self._inner = [_Leaf(_instance(one.dtype)) for one in dtype.fields]
            case _:
                self._inner = []

    def digests(self) -> Iterator[str]:
        """Yield the digests so far, of the inner ones too."""
        for one in (self._there, self._lengths, self._bytes):
            yield one.hexdigest()[:32]
        for inner in self._inner:
            yield from inner.digests()

    def update(self, series: pl.Series) -> None:
        """Take the next values."""
        series = series.alias("value")  # Polars' own methods take some names for patterns
        self._there.update(_memory(series.is_null()))
        dtype = self._dtype
        match dtype:
            case pl.Null():
                pass
            case pl.List():
                self._lengths.update(_memory(series.list.len().fill_null(0)))
                self._inner[0].update(series.filter(series.list.len() > 0).explode())
            case pl.Array():
                if dtype.size:
                    self._inner[0].update(series.drop_nulls().explode())
            case pl.Struct():
                there = series.drop_nulls()
                for one, inner in zip(dtype.fields, self._inner, strict=True):
                    inner.update(there.struct.field(one.name))
            case pl.Binary():
                self._update_text(series.fill_null(b""))
            case _ if dtype == pl.String or dtype in _TEXT:
                self._update_text(series.cast(pl.String).fill_null(""))
            case _:
                series = series.fill_nan(float("nan")) if dtype.is_float() else series.to_physical()
                self._bytes.update(_memory(series.fill_null(False if dtype == pl.Boolean else 0)))  # a value

    def _update_text(self, series: pl.Series) -> None:
        import numpy as np

        text = series.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        _, offsets, content = text.buffers()
        if not len(text) or offsets is None:
            return
        ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
        self._lengths.update(np.diff(ends).tobytes())
        if content is not None and ends[-1] > ends[0]:
            self._bytes.update(memoryview(content)[ends[0] : ends[-1]])


def _memory(series: pl.Series) -> Any:
    """Return the bytes of a series without nulls; booleans are a byte each."""
    import numpy as np

    return np.ascontiguousarray(series.to_numpy()).view(np.uint8)
