"""Values that a parameter names, in the type of a column; and refusals that show the values they are about."""

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import AfterValidator

from engine.errors import DataError


def _is_finite(value: bool | float | str) -> bool | int | float | str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no value that could be compared or written down")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError(f"{value} is more than 64 bits hold")
    return value


Value: TypeAlias = Annotated[bool | int | float | str, AfterValidator(_is_finite)]
"""A value in YAML. Dates and times are text in ISO 8601."""

_TEXTS = (pl.String, pl.Categorical, pl.Enum)


def is_text(dtype: pl.DataType) -> bool:
    """Say whether a column holds text, whatever way it is kept."""
    return dtype in _TEXTS


def literal(value: Value, dtype: pl.DataType, column: str) -> pl.Expr:
    """Return a value as a literal of a column's type; ``DataError`` when the type can not hold it exactly."""
    fitting = fit(value, dtype)
    if fitting is None:
        raise DataError(
            f"{value!r} is no value for column '{column}'",
            expected=f"a value of the column's type, {dtype}",
            hint="write a step for each type of column, or cast the column first",
        )
    return pl.lit(fitting, dtype=pl.String() if is_text(dtype) else dtype)


def fit(value: Value, dtype: pl.DataType) -> object | None:
    """Return a value as one of a type, None when the type can not hold it exactly."""
    if dtype == pl.Boolean or isinstance(value, bool):
        return value if dtype == pl.Boolean and isinstance(value, bool) else None
    if is_text(dtype):
        return value if isinstance(value, str) else None
    if isinstance(value, str):
        return _time(value, dtype)
    if dtype.is_integer():
        whole = int(value)
        low, high = limits(dtype)
        return whole if whole == value and low <= whole <= high else None
    if dtype.is_float():
        return float(value)
    return _decimal(Decimal(str(value)), dtype) if isinstance(dtype, pl.Decimal) else None


def read(text: str, dtype: pl.DataType) -> object | None:
    """Return what a text means as a value of a type, None when it means none."""
    if dtype == pl.Boolean:
        return {"true": True, "false": False}.get(text.lower())
    if not dtype.is_numeric():
        return fit(text, dtype)
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return fit(int(text), dtype)
    try:
        number = float(text)
    except ValueError:
        return None
    return fit(number, dtype) if math.isfinite(number) else None


def limits(dtype: pl.DataType) -> tuple[int, int]:
    """Return the smallest and the largest number of an integer type."""
    low, high = pl.select(low=dtype.min(), high=dtype.max()).row(0)  # type: ignore[attr-defined]  # integers have both
    return low, high


def _decimal(value: Decimal, dtype: pl.Decimal) -> Decimal | None:
    scaled = value.scaleb(dtype.scale)
    return value if scaled == scaled.to_integral_value() and abs(scaled) < 10 ** (dtype.precision or 38) else None


def _time(text: str, dtype: pl.DataType) -> date | datetime | None:
    try:
        if dtype == pl.Date:
            return date.fromisoformat(text)
        if dtype == pl.Datetime:
            time, zone = datetime.fromisoformat(text), getattr(dtype, "time_zone", None)
            if zone is None:
                return time if time.tzinfo is None else None
            return time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return None
    return None


def strictly(value: pl.Expr, given: pl.Expr, dtype: pl.DataType, what: str, *, expected: str = "", hint: str = "") -> pl.Expr:
    """Return ``value``, of type ``dtype``; when collected, ``DataError`` if it is null where ``given`` is not.

    The error shows some of what was given: rows come in pieces, and the first piece that is wrong speaks.
    """

    def check(pair: pl.Series) -> pl.Series:
        rows = pair.struct.unnest()
        lost = rows.filter(pl.col("value").is_null() & pl.col("given").is_not_null())["given"]
        if len(lost):
            shown = ", ".join(_shown(one) for one in lost.unique(maintain_order=True).head(3).to_list())
            raise DataError(what, expected=expected, found=f"such as {shown}", hint=hint)
        return rows["value"]

    return pl.struct(value=value, given=given).map_batches(check, return_dtype=dtype, is_elementwise=True)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
