"""Learns the types of text columns and reads text as them, so that no value changes without a word.

A learned type keeps every value exactly: the text can be told from it, but for how a number is written. A column with
one value that it would change (``007``, a number with more digits than it can hold) stays text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

import polars as pl
from polars.datatypes import DataType, DataTypeClass

Type: TypeAlias = DataType | DataTypeClass

_NAMED: dict[str, Type] = {
    **{dtype.__name__: dtype for dtype in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)},
    **{dtype.__name__: dtype for dtype in (pl.Float32, pl.Float64, pl.String, pl.Boolean, pl.Date)},
    "Datetime": pl.Datetime("us"),
}
_ZONED = re.compile(r"Datetime\[(?P<zone>[\w/+-]+)\]")

_LEARNED: Sequence[Type] = (pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.Datetime("us"), pl.Datetime("us", "UTC"))
"""What is tried, in this order."""

_FIRST = 1_000  # rows
_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORDS = ("nan", "NaN", "inf", "-inf", "Inf", "-Inf", "Infinity", "-Infinity")

_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.FRACTION)?)?"
_TO_THE_MICROSECOND = _CLOCK.replace("FRACTION", "[0-9]{1,6}0*")
_ROUNDED = _CLOCK.replace("FRACTION", "[0-9]+")
_OFFSET = r"(?:Z|[+-](?:0[0-9]|1[0-8]):?[0-5][0-9])"


def dtype_of(name: str) -> Type:
    """Return the type with this name; ``ValueError`` lists the known ones."""
    if zoned := _ZONED.fullmatch(name):
        return pl.Datetime("us", zoned["zone"])
    if name not in _NAMED:
        raise ValueError(f"unknown type '{name}': one of {', '.join(_NAMED)}, Datetime[zone]")
    return _NAMED[name]


def article(dtype: Type) -> str:
    """Return the name of a type with ``a`` or ``an`` before it, for messages."""
    zone = isinstance(dtype, pl.Datetime) and dtype.time_zone
    name = f"Datetime[{zone}]" if zone else str(dtype.base_type())
    return f"an {name}" if name.startswith("I") else f"a {name}"


def learn(text: pl.LazyFrame, rows: int | None) -> dict[str, Type]:
    """Return the narrowest type that keeps every value of each text column in the first ``rows``, or in all.

    ``Null`` where no value was seen.
    """
    first = text.head(_FIRST if rows is None else rows).collect(engine="streaming")
    found: dict[str, list[Type]] = {column: [] for column in first.columns}
    left = list(found)
    for dtype in (pl.Null, *_LEARNED):
        kept = first.select(_keeps(column, dtype) for column in left).row(0, named=True) if left else {}
        for column in left:
            found[column] += [dtype] if kept[column] else []
        if rows is not None:  # the first type will do; where all rows are to be seen, they may rule it out
            left = [column for column in left if not kept[column]]
    if rows is None:
        tests = [_keeps(column, dtype).alias(f"{dtype}:{column}") for column, fit in found.items() for dtype in fit]
        keeps = text.select(tests).collect(engine="streaming").row(0, named=True) if tests else {}
        found = {column: [dtype for dtype in fit if keeps[f"{dtype}:{column}"]] for column, fit in found.items()}
    return {column: fit[0] if fit else pl.String for column, fit in found.items()}


def _keeps(column: str, dtype: Type) -> pl.Expr:
    text = pl.col(column)
    if dtype == pl.Null:
        return text.is_null().all()
    return (exactly(text, dtype).is_not_null() | text.is_null()).all().alias(column)


def typed(column: str, dtype: Type, *, declared: bool) -> pl.Expr:
    """Return a column of text as a type; ``ComputeError`` when collected if the type can not hold one of its values."""
    text = pl.col(column)
    if dtype == pl.String:
        return text
    decimal = dtype == pl.Float64 and not declared
    value = text.cast(dtype, strict=False) if decimal else held(text, dtype) if declared else exactly(text, dtype)

    def convert(texts: pl.Series) -> pl.Series:
        values = (_each if dtype.is_numeric() else _each_once)(texts, value)
        odd = _odd(texts, values) if decimal else ()
        if values.null_count() > texts.null_count() or not all(map(_is_exact, odd)):
            raise pl.exceptions.ComputeError(f"a value of {column} is not {article(dtype)}")
        return values

    return text.map_batches(convert, return_dtype=dtype, is_elementwise=True)


def _each(texts: pl.Series, value: pl.Expr) -> pl.Series:
    return texts.to_frame().select(value).to_series()


def _each_once(texts: pl.Series, value: pl.Expr) -> pl.Series:
    """Return the value of each text, equal ones read once: to read a time takes longer than to find one that was read."""
    different = texts.unique()
    few = len(different) * 4 < len(texts)
    return texts.replace_strict(different, _each(different, value)) if few else _each(texts, value)


def _odd(texts: pl.Series, values: pl.Series) -> pl.Series:
    """Return the texts, each once, that are neither surely exact nor what Polars prints. They are few."""
    text, value = pl.col("text"), pl.col("value")
    rows = pl.DataFrame({"text": texts, "value": values}).filter(~_is_plain(text, value).fill_null(value=False))
    return rows.filter(value.cast(pl.String) != text)["text"].unique()


def held(text: pl.Expr, dtype: Type) -> pl.Expr:
    """Read text as a declared type, null where it can not be: rounded as the type does, spaces around it left out.

    A time without an offset is local to the zone of its type; one that the zone had twice or never is not held.
    """
    if dtype == pl.String:
        return text
    text = text.str.strip_chars()
    if dtype == pl.Boolean:
        lower = text.str.to_lowercase()
        return pl.when(lower == "true").then(statement=True).when(lower == "false").then(statement=False)
    if dtype == pl.Date:
        return _date(text)
    if isinstance(dtype, pl.Datetime):
        local = _local(text, _ROUNDED).fill_null(_date(text).cast(pl.Datetime("us")))
        if dtype.time_zone is None:
            return local
        here = local.dt.replace_time_zone(dtype.time_zone, ambiguous="null", non_existent="null")
        return here.fill_null(_offset(text, _ROUNDED).dt.convert_time_zone(dtype.time_zone))
    values = text.cast(dtype, strict=False)
    if dtype.is_float():
        return pl.when(values.is_infinite() & text.str.contains("[0-9]")).then(None).otherwise(values)
    return values


def exactly(text: pl.Expr, dtype: Type) -> pl.Expr:
    """Read text as one of the learned types, null where the type would not keep the value."""
    if dtype == pl.Int64:
        return pl.when(_as_written(text)).then(text).cast(pl.Int64, strict=False)
    if dtype == pl.Float64:
        return _float(text)
    if dtype == pl.Boolean:
        return pl.when(text.is_in(["true", "false"])).then(text == "true")
    if dtype == pl.Date:
        return _date(text)
    if isinstance(dtype, pl.Datetime):
        return _offset(text, _TO_THE_MICROSECOND) if dtype.time_zone else _local(text, _TO_THE_MICROSECOND)
    return text


def _as_written(text: pl.Expr) -> pl.Expr:
    """Say of a text which may be a whole number whether it has neither a plus nor zeros before it.

    By the order of characters, which is quick to compare: + comes before -, - before 0, and : after 9.
    """
    return (text >= "1") | (text == "0") | ((text >= "-1") & (text < "-:"))


def _float(text: pl.Expr) -> pl.Expr:
    values = text.cast(pl.Float64, strict=False)
    same = _is_plain(text, values) | (values.cast(pl.String) == text)
    rest = pl.when(~same & values.is_not_null()).then(text)
    same |= rest.map_batches(_are_exact, return_dtype=pl.Boolean, is_elementwise=True)
    return pl.when(same).then(values)


def _is_plain(text: pl.Expr, values: pl.Expr) -> pl.Expr:
    """Say of numbers whether they are surely exact: up to 15 digits, which a Float64 gives back, no plus, no zeros before."""
    bare = (text >= "-") & ~((text >= "00") & (text < "0:")) & ~((text >= "-00") & (text < "-0:"))
    return (text.str.len_bytes() <= 15) & values.abs().is_between(1e-300, 1e300) & bare


def _are_exact(text: pl.Series) -> pl.Series:
    return text.is_in([value for value in text.drop_nulls().unique() if _is_exact(value)])


def _is_exact(text: str) -> bool:
    """Say of a number whether a Float64, written with as few or as many digits, is that number again. It is slow."""
    if not _NUMBER.fullmatch(text):
        return text in _WORDS
    number, value = Decimal(text), float(text)
    digits = len(number.as_tuple().digits)
    # the shortest text that is read as the value need not be the value rounded: 5.960464477539063e-08 lies between two
    return abs(value) != float("inf") and number in (Decimal(repr(value)), Decimal(f"{value:.{digits - 1}e}"))


def _date(text: pl.Expr, rest: str = "") -> pl.Expr:
    """Read ISO 8601 dates that are followed by ``rest``, a pattern; no year 0, which Python can not hold."""
    iso = text.str.contains(_DATE + rest + "$") & (text >= "0001")
    return pl.when(iso).then(text.str.slice(0, 10)).str.to_date("%Y-%m-%d", strict=False)


def _local(text: pl.Expr, clock: str) -> pl.Expr:
    """Read ISO 8601 times without an offset, which may be written in several ways within one column."""
    return _moment(text, _date(text, clock))


def _offset(text: pl.Expr, clock: str) -> pl.Expr:
    """Read ISO 8601 times with an offset, as UTC."""
    local = _moment(text, _date(text, clock + _OFFSET))
    sign = pl.when(text.str.contains(r"-[0-9:]{4,5}$")).then(-1).otherwise(1)
    offset = text.str.extract(r"[+-]([0-9:]{4,5})$")
    minutes = _whole(offset.str.slice(0, 2)) * 60 + _whole(offset.str.slice(-2))
    return (local.cast(pl.Int64) - sign * minutes * 60_000_000).cast(pl.Datetime("us", "UTC"))


def _moment(text: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Join a day and the hour, minute, second and microsecond that follow it, null where there is no such moment."""
    hour, minute = (_whole(text.str.slice(start, 2)) for start in (11, 14))
    second = _whole(pl.when(text.str.slice(16, 1) == ":").then(text.str.slice(17, 2)))
    fraction = _whole(text.str.extract(r"\.([0-9]{1,6})").str.pad_end(6, "0"))
    since = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    return pl.when(hour < 24).then((day.cast(pl.Datetime("us")).cast(pl.Int64) + since).cast(pl.Datetime("us")))


def _whole(digits: pl.Expr) -> pl.Expr:
    return digits.cast(pl.Int64, strict=False).fill_null(0)
