"""Names that are safe to put into paths, keys and SQL, and text that must never be shown."""

import os
import re
import time
import uuid
from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, SecretStr

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def _check(text: str) -> str:
    if not _SAFE.fullmatch(text):
        raise ValueError("a name starts with a letter and has letters, digits and _ only, 64 at most")
    return text


SafeName = Annotated[str, AfterValidator(_check)]
"""A name of a dataset, view or pipeline: it becomes part of paths, so it holds nothing a path could mean."""


_UNITS = {"us": 1, "ms": 1_000, "s": 10**6, "m": 60 * 10**6, "h": 3_600 * 10**6, "d": 86_400 * 10**6, "w": 7 * 86_400 * 10**6}
_PART = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")


def span(text: str) -> timedelta:
    """Return a duration such as ``90s``, ``2h`` or ``1d12h``; a day has 24 hours. ``ValueError`` for anything else."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"'{text}' is no duration: write a number and us, ms, s, m, h, d or w, such as 90s, 2h or 1d12h")
    try:
        return timedelta(microseconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"'{text}' is longer than a million days") from None


def _checked(text: str) -> str:
    span(text)
    return text


Duration: TypeAlias = Annotated[str, AfterValidator(_checked)]
"""A length of time as text, which Polars reads as well."""


Secret = SecretStr
"""Text that prints as stars: a password, a token, a URI with either. ``get_secret_value()`` hands it to a driver."""


_PASSWORD = re.compile(r"(?<=://)([^/@]*:)[^/]*(?=@)")


def masked(secret: Secret) -> str:
    """Return a secret as it may be shown and kept: an address without its password, else stars."""
    text = secret.get_secret_value()
    return _PASSWORD.sub(r"\1***", text) if "://" in text else "***"


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562): ids sort by the time at which they were made, to a fraction of a millisecond."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000  # the 12 bits after the version, as the RFC's method 3 has it
    tail = int.from_bytes(os.urandom(8), "big") & (2**62 - 1)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | tail))
