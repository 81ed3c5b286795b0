"""Sorts rows out one by one: those of which every value is of its column's type, and the others as text with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from engine.plugin import CHECK, RAW, ROW, Salvaged
from plugins.extractors._sql_types import INSTANT, TIME, Field, named

if TYPE_CHECKING:
    from sqlalchemy import Connection

_REJECTED = {ROW: pl.UInt32, CHECK: pl.String, RAW: pl.String}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_FROM_TEXT: dict[Any, Any] = {
    pl.Date(): date.fromisoformat,
    pl.Time(): time.fromisoformat,
    TIME: datetime.fromisoformat,
    INSTANT: _instant,
}


def asked(field: Field, driver: str) -> Field:
    """Return how to ask for a column so that no value of it can fail in the driver: PostgreSQL's times can be infinite."""
    listed = isinstance(field.dtype, pl.List)
    inner = field.dtype.inner if isinstance(field.dtype, pl.List) else field.dtype
    if driver != "psycopg" or inner not in _FROM_TEXT:
        return field
    return replace(field, asked="texts" if listed else "text")


def lenient(connection: Connection) -> None:
    """Let SQLite hand over text that is no text as bytes, instead of failing."""
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.text_factory = _text_or_bytes  # type: ignore[union-attr]  # it is sqlite3's


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def sorted_out(fields: Sequence[Field], batches: Iterator[Sequence[Any]], folder: Path) -> Salvaged:
    """Write both kinds of rows to files in ``folder``, a pair for each batch, and return them."""
    first, rows_files, rejected_files = 1, [], []
    schema: dict[str, Any] = {ROW: pl.UInt32, **{field.name: field.dtype for field in fields}}
    for number, rows in enumerate([[], *batches]):
        kept, rejected = _sorted(fields, rows, first)
        first += len(rows)
        rows_files.append(folder / f"rows-{number}.parquet")
        rejected_files.append(folder / f"rejected-{number}.parquet")
        kept.select(pl.col(name).cast(dtype) for name, dtype in schema.items()).write_parquet(rows_files[-1])
        rejected.write_parquet(rejected_files[-1])
    return Salvaged(pl.scan_parquet(rows_files, glob=False), pl.scan_parquet(rejected_files, glob=False))


def _sorted(fields: Sequence[Field], rows: Sequence[Any], first: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that fit and those that do not; ``first`` is the number of the first row."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in fields)
    fitted, reasons = [], dict[int, str]()
    for field, values in zip(fields, columns, strict=True):
        made, misfits = _fitted(field, values)
        fitted.append(made)
        for number in misfits:
            reasons.setdefault(number, f"{field.name} is {named(field.dtype)}")
    kept = [number for number in range(len(rows)) if number not in reasons]
    series = [field.series([made[number] for number in kept]) for field, made in zip(fields, fitted, strict=True)]
    numbers = pl.Series(ROW, [first + number for number in kept], pl.UInt32)
    names = [field.name for field in fields]
    aside = [
        (first + number, reasons[number], _text(dict(zip(names, rows[number], strict=True)))) for number in sorted(reasons)
    ]
    return pl.DataFrame([numbers, *series]), pl.DataFrame(aside, schema=_REJECTED, orient="row")


def _fitted(field: Field, values: Sequence[Any]) -> tuple[Sequence[Any], list[int]]:
    """Return values that the column can be made of, and the places of those that it can not."""
    try:
        field.series(values)
    except pl.exceptions.ComputeError:
        pass
    else:
        return values, []
    made, misfits = [], []
    for number, value in enumerate(values):
        try:
            read = _read(field, value)
            field.series([read])
        except (ValueError, pl.exceptions.ComputeError):
            misfits.append(number)
            read = None
        made.append(read)
    return made, misfits


def _read(field: Field, value: Any) -> Any:
    """Return a value of a column that was asked for as text, as what the driver would have made of it."""
    if isinstance(value, list):
        inner = _FROM_TEXT.get(field.dtype.inner) if isinstance(field.dtype, pl.List) else None
        return [inner(part) if isinstance(part, str) else part for part in value] if inner else value
    known = _FROM_TEXT.get(field.dtype) if field.parse == "" else None
    return known(value) if known and isinstance(value, str) else value


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, default=str, ensure_ascii=False)
