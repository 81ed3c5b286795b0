"""Ranges of a key that never overlap and leave nothing out, and the texts in which partitions and watermarks carry keys."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from engine.errors import ConfigError

if TYPE_CHECKING:
    from bson import ObjectId

Key: TypeAlias = "int | float | Decimal | str | date | datetime | ObjectId"
"""What rows can be ordered and cut by. A ``bool`` is none, nor are bytes."""


@dataclass(frozen=True, slots=True)
class Range:
    """Rows whose key lies between two bounds; a bound that is None is open.

    ``nulls`` says what becomes of rows without a key: they are not in it, in it as well, or all that is in it.
    """

    low: Key | None = None
    high: Key | None = None
    low_included: bool = True
    high_included: bool = True
    nulls: Literal["without", "also", "only"] = "without"

    @property
    def is_open(self) -> bool:
        """Whether it has no bound."""
        return self.low is None and self.high is None and self.nulls != "only"

    def words(self, column: str, *, both: bool = False) -> str:
        """Return the range as people name it: by its lower bound, since the upper one moves as rows arrive, or by both."""
        if self.nulls == "only":
            return f"{column} is empty"
        low = "" if self.low is None else f"{'from' if self.low_included else 'over'} {written(self.low)}"
        high = "" if self.high is None or not both else f"{'up to' if self.high_included else 'before'} {written(self.high)}"
        return " ".join([column, *filter(None, [low, high])]) if low or high else ""

    def to_json(self) -> list[Any]:
        """Return plain data that ``from_json`` takes."""
        return [_tagged(self.low), _tagged(self.high), self.low_included, self.high_included, self.nulls]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Range:
        """Return the range that ``to_json`` described."""
        low, high, low_included, high_included, nulls = data
        return cls(_untagged(low), _untagged(high), low_included, high_included, nulls)


def cut(firsts: Sequence[Key], within: Range, *, nulls: bool) -> tuple[Range, ...]:
    """Cut a range in pieces that begin at ``firsts``, distinct keys in the database's own order; the first is not needed.

    Together the pieces are ``within``, whose bounds they keep. ``nulls`` adds a piece for rows without a key.
    """
    starts = firsts[1:]
    lows = [(within.low, within.low_included), *((start, True) for start in starts)]
    highs = [*((start, False) for start in starts), (within.high, within.high_included)]
    pieces = [Range(low, high, keeps_low, keeps_high) for (low, keeps_low), (high, keeps_high) in zip(lows, highs, strict=True)]
    return (*pieces, Range(nulls="only")) if nulls else tuple(pieces)


def _id(text: str) -> ObjectId:
    from bson import ObjectId

    if not _HEX.fullmatch(text):
        raise ValueError(f"'{text}' is no id of 24 hexadecimal digits")
    return ObjectId(text)


_HEX = re.compile("[0-9a-fA-F]{24}")


_READ: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "str": str,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "ObjectId": _id,
}


def is_key(value: object) -> bool:
    """Say whether rows can be cut by such values."""
    return type(value).__name__ in _READ


def family(key: Key) -> str:
    """Return what a key can be compared with: ``number``, ``str``, ``date``, ``datetime``, ``ObjectId``."""
    return "number" if isinstance(key, int | float | Decimal) else type(key).__name__


def written(key: Key) -> str:
    """Return a key as text, which ``read_as`` gives back exactly."""
    return key.isoformat(sep=" ") if isinstance(key, datetime) else str(key)


def read_as(like: Key, text: str, what: str) -> Key:
    """Return a text, written by a person or by ``written``, as a key of the same kind as ``like``.

    Times without a zone are UTC where the column has one. ``ConfigError`` calls the text ``what``.
    """
    try:
        if family(like) == "number":
            return _number(text)
        if isinstance(like, datetime):
            return _time(text, zoned=like.tzinfo is not None)
        if family(like) == "ObjectId":
            return _id(text) if _HEX.fullmatch(text) else type(like).from_datetime(_time(text, zoned=True))  # type: ignore[union-attr]  # family says so
        return date.fromisoformat(text) if isinstance(like, date) else text
    except (ValueError, InvalidOperation):
        kind = _KINDS.get(family(like), "a number")
        raise ConfigError(f"{what} '{text}' is not like the column's values", expected=f"{kind}, such as {like}") from None


_KINDS = {
    "datetime": "a time (2013-01-31 12:00:00)",
    "date": "a date (2013-01-31)",
    "ObjectId": "an id or a time (2013-01-31 12:00:00)",
}


def _number(text: str) -> Key:
    try:
        return int(text)
    except ValueError:
        number = Decimal(text)
        return float(text) if float(text) == number or not number.is_finite() else number


def _time(text: str, *, zoned: bool) -> datetime:
    time = datetime.fromisoformat(text)
    if zoned:
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    if time.tzinfo:
        raise ValueError
    return time


def behind(key: Key, lag: float, column: str) -> Key:
    """Return the key that lies ``lag`` before another: in its own unit, for times and ids in seconds, for dates in days."""
    if lag == 0:
        return key
    if isinstance(key, datetime):
        return key - timedelta(seconds=lag)
    if isinstance(key, date):
        return key - timedelta(days=math.ceil(lag))
    if family(key) == "ObjectId":
        return type(key).from_datetime(key.generation_time - timedelta(seconds=lag))  # type: ignore[union-attr]  # as above
    if isinstance(key, str):
        raise ConfigError(f"lag can not be taken from '{column}', which holds text", found=key)
    if isinstance(key, Decimal):
        return key - Decimal(str(lag))
    assert isinstance(key, int | float), "all other kinds of keys have been dealt with"
    return key - (math.ceil(lag) if isinstance(key, int) else lag)


def _tagged(key: Key | None) -> list[str] | None:
    return None if key is None else [type(key).__name__, written(key)]


def _untagged(data: Sequence[str] | None) -> Any:
    return None if data is None else _READ[data[0]](data[1])
