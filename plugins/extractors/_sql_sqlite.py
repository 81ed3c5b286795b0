"""SQLite's columns, whose values may each be of another type: types are counted by SQLite over all rows that are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from engine.errors import DataError
from plugins.extractors._sql_types import EXACT, TIME, Field, mixed

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

_NORMAL = "+0 days"
"""Without a change SQLite would take the 30th of February for a day."""

_TYPES: dict[str, Any] = {"integer": pl.Int64, "real": pl.Float64, "text": pl.String, "blob": pl.Binary}


def affinity(declared: str) -> str:
    """Return which type SQLite prefers for a column declared so; an empty text when none is."""
    word = declared.upper()
    if "INT" in word:
        return "integer"
    if any(part in word for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if not word or "BLOB" in word:
        return "blob" if word else ""
    return "real" if any(part in word for part in ("REAL", "FLOA", "DOUB")) else "numeric"


def _counts(name: str, declared: str) -> list[ColumnElement[Any]]:
    """Return the aggregates that ``_field`` decides by, in its order."""
    from sqlalchemy import and_, case, column, func, not_

    value: ColumnElement[Any] = column(name)
    kind = func.typeof(value)

    def count(*conditions: Any) -> ColumnElement[Any]:
        return func.count(case((and_(*conditions), 1)))

    found = [count(kind == "integer"), count(kind == "real"), count(kind == "text"), count(kind == "blob")]
    found.append(count(kind == "integer", not_(value.between(-EXACT, EXACT))))
    if "BOOL" in declared.upper():
        return [*found, count(kind == "integer", value.in_([0, 1]))]
    if "DATE" in declared.upper() or "TIMESTAMP" in declared.upper():
        day, second = func.date(value, _NORMAL), func.substr(value, 1, 19)
        fraction = func.substr(value, 20)
        whole = func.replace(second, "T", " ") == func.datetime(second, _NORMAL)
        tail = (fraction == "") | (fraction.like(".%") & not_(func.substr(fraction, 2).op("GLOB")("*[^0-9]*")))
        return [
            *found,
            count(kind == "text", value == day),
            count(kind == "text", whole, tail, func.length(fraction) != 1, func.length(fraction) <= 7),
        ]
    return found


def aggregates(names: Sequence[str], declared: Mapping[str, str]) -> list[ColumnElement[Any]]:
    """Return what is to be counted over all rows so that ``fields`` can decide."""
    return [
        count.label(f"{number}:{place}")
        for number, name in enumerate(names)
        for place, count in enumerate(_counts(name, declared.get(name, "")))
    ]


def fields(names: Sequence[str], declared: Mapping[str, str], counts: Mapping[str, int]) -> list[Field]:
    """Return the columns by what was counted. ``DataError`` where nothing tells which of several types is meant."""
    found = []
    for number, name in enumerate(names):
        mine = [count for label, count in counts.items() if label.split(":")[0] == str(number)]
        found.append(_field(name, declared.get(name, ""), mine))
    return found


def _field(name: str, declared: str, counts: Sequence[int]) -> Field:
    present = [kind for kind, count in zip(_TYPES, counts, strict=False) if count]
    if len(present) <= 1 and len(counts) > 5:
        special = _special(name, declared, present, counts)
        if special is not None:
            return special
    if len(present) == 1:
        return Field(name, _TYPES[present[0]]())
    preferred = affinity(declared)
    if not present:
        return Field(name, _TYPES.get(preferred, pl.Float64 if preferred else pl.String)())
    numbers = [kind for kind in present if kind in {"integer", "real"}]
    if len(numbers) == len(present) or preferred in {"integer", "real", "numeric"}:
        if numbers == ["integer"] or (not numbers and preferred == "integer"):
            return Field(name, pl.Int64())
        if counts[4] and len(numbers) > 1:
            raise DataError(
                f"column '{name}' holds fractions and whole numbers of more than 15 digits, which one type can not tell apart",
                hint=f"read its text with a query: SELECT CAST({name} AS TEXT) AS {name}, ... FROM ...",
            )
        return Field(name, pl.Float64())
    if preferred in {"text", "blob"}:
        return Field(name, _TYPES[preferred]())
    raise mixed(name, [f"{counts[list(_TYPES).index(kind)]:,} {kind}" for kind in present])


def _special(name: str, declared: str, present: Sequence[str], counts: Sequence[int]) -> Field | None:
    """Return what SQLite has no type for and the declaration names, if every value is of it."""
    if "BOOL" in declared.upper():
        return Field(name, pl.Boolean(), parse="boolean") if counts[5] == counts[0] and present in ([], ["integer"]) else None
    if present in ([], ["text"]) and counts[5] == counts[2]:
        if not present and declared.upper() != "DATE":
            return Field(name, TIME, parse="time")
        return Field(name, pl.Date(), parse="date")
    return Field(name, TIME, parse="time") if present == ["text"] and counts[6] == counts[2] else None


def state(file: Path) -> str:
    """Return what changes whenever a database file is written: its counter of transactions, and when it and its log were."""
    with file.open("rb") as opened:
        counter = opened.read(28)[24:].hex()
    log = file.with_name(file.name + "-wal")
    found = [
        (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for place in (file, log)
        if place.exists()
        for status in [place.stat()]
    ]
    return "-".join(str(part) for part in (counter, *(number for numbers in found for number in numbers)))
