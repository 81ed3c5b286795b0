"""Brings rows to the types of a schema, whatever they come as; what does not fit is told by column and row.

In: a frame, often of texts. Out: the frame with the schema's columns and types.
"""

from __future__ import annotations

import polars as pl

from engine.errors import DataError

_TRUE, _FALSE = ("true", "1"), ("false", "0")
_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_TOLD = 5  # rows that a message names


def as_schema(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return rows with the columns of a schema in its order; a column that is not there is null in all rows.

    An empty text is a missing value where no text is wanted. A number with a fraction does not fit a whole number. Raises
    ``DataError`` that names the column, the rows (from 1) and a value.
    """
    return pl.DataFrame([_column(frame, name, dtype) for name, dtype in schema.items()])


def _column(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    if name not in frame.columns:
        return pl.Series(name, [None], dtype=dtype).new_from_index(0, frame.height)
    given = frame[name]
    if given.dtype == dtype:
        return given
    if given.dtype == pl.String:
        stripped = given.str.strip_chars()
        given = stripped.set(stripped == "", None)
    try:
        found = _cast(given, dtype)
        misfits = found.is_null() & given.is_not_null()
        if given.dtype.is_float() and dtype.is_integer():
            misfits |= (found.cast(pl.Float64) != given.cast(pl.Float64)).fill_null(False)
    except pl.exceptions.PolarsError:
        misfits = given.is_not_null()
        found = pl.Series(name, [None], dtype=dtype).new_from_index(0, frame.height)
    rows = misfits.arg_true()
    if rows.len():
        named = ", ".join(str(row + 1) for row in rows.head(_TOLD))
        more = f" and {rows.len() - _TOLD:,} more" if rows.len() > _TOLD else ""
        raise DataError(
            f"the column '{name}' has values of another type than in training",
            where=f"row {named}{more}",
            expected=str(dtype),
            found=f"{given[int(rows[0])]!r} ({given.dtype})",
        )
    return found.alias(name)


def _cast(given: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return values in a type, null where they do not fit."""
    if given.dtype == pl.String and dtype == pl.Boolean:
        words = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
        return given.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
    if given.dtype == pl.String and isinstance(dtype, pl.Datetime):
        return _moments(given, dtype)
    if given.dtype == pl.String and dtype == pl.Date:
        return given.str.to_date("%Y-%m-%d", strict=False)
    if given.dtype == pl.String and dtype == pl.Time:
        return given.str.to_time("%H:%M:%S%.f", strict=False)
    if isinstance(given.dtype, pl.Datetime) and isinstance(dtype, pl.Datetime):
        return _zoned(given, dtype)
    return given.cast(dtype, strict=False)


def _moments(texts: pl.Series, dtype: pl.Datetime) -> pl.Series:
    """Return ISO 8601 texts as times; one without an offset is of the column's zone, one with 00:00 fits a column without."""
    plain = texts.str.replace("T", " ", literal=True).str.replace("Z$", "+00:00")
    if dtype.time_zone is None:
        plain = plain.str.replace(r"[+-]00:?00$", "")
    column, found = pl.col("text"), []
    for text_format in _FORMATS:
        local = column.str.to_datetime(text_format, time_unit=dtype.time_unit, strict=False)
        found.append(local.dt.replace_time_zone(dtype.time_zone, ambiguous="null", non_existent="null"))
        if dtype.time_zone is not None:
            world = column.str.to_datetime(f"{text_format}%z", time_unit=dtype.time_unit, strict=False)
            found.append(world.dt.convert_time_zone(dtype.time_zone))
    return pl.DataFrame({"text": plain}).select(pl.coalesce(found)).to_series()


def _zoned(times: pl.Series, dtype: pl.Datetime) -> pl.Series:
    if getattr(times.dtype, "time_zone", None) is None:
        times = times.dt.replace_time_zone(dtype.time_zone, ambiguous="null", non_existent="null")
    elif dtype.time_zone is None:
        return times.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(dtype)
    return times.cast(dtype)
