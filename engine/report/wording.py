"""Numbers and times as people read them. What is not known is a dash, never an empty cell."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

UNKNOWN = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def count(number: float | None) -> str:
    """Write a whole number with separators: ``336,776``."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def compact(number: int) -> str:
    """Write a whole number in at most five characters: ``980``, ``12k``, ``1.3M``."""
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= limit:
            scaled = number / (1000 if unit == "k" else limit)
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"
    return f"{number:,}"


def share(fraction: float | None) -> str:
    """Write a fraction of 1 in percent: ``2.8 %``."""
    return UNKNOWN if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.1f} %"


def size(number: int | None) -> str:
    """Write bytes in powers of 1000, as disks and networks are sold: ``5.5 MB``."""
    if number is None:
        return UNKNOWN
    scaled = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(scaled) < 999.5:
            return f"{scaled:.0f} {unit}" if unit == "B" or scaled >= 99.95 else f"{scaled:.1f} {unit}"
        scaled /= 1000
    return f"{scaled:,.1f} TB"


def duration(seconds: float | None) -> str:
    """Write a length of time in one or two units: ``4 ms``, ``0.42 s``, ``12.3 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"


def interval(ends: tuple[float, float] | None) -> str:
    """Write the ends of an interval; nothing where there is none."""
    return "" if ends is None else f"[{score(ends[0])}, {score(ends[1])}]"


def score(number: float | None, *, digits: int = 3) -> str:
    """Write a metric: ``digits`` decimals where it is about 1, fewer where large, powers of ten where tiny."""
    if number is None or math.isnan(number):
        return UNKNOWN
    if math.isinf(number):
        return "∞" if number > 0 else f"{_MINUS}∞"
    magnitude = abs(number)
    if magnitude >= 10 and number == round(number):
        text = f"{number:,.0f}"
    elif 0 < magnitude < 0.5 * 10**-digits:
        text = f"{number:.1e}"
    else:
        decimals = max(0, digits - max(0, len(f"{magnitude:.0f}") - 1))
        text = f"{number:,.{decimals}f}"
    return text.replace("-", _MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def measured(value: object) -> str:
    """Write a number that was measured in four digits; of lists and mappings each value, anything else as it is."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {measured(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(measured, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UNKNOWN if value is None else parameter(value)
    if not math.isfinite(value):
        return UNKNOWN
    return count(value) if value == round(value) else f"{value:.4g}".replace("-", _MINUS)


def goal(number: float) -> str:
    """Write a goal as it was set, with two decimals at least: ``0.70``, ``0.955``."""
    text = repr(number)
    decimals = len(text.partition(".")[2])
    return text if "e" in text or decimals >= 2 else f"{number:.2f}"


def moment(text: str) -> str:
    """Write an ISO 8601 time to the minute, in UTC if it has a zone; what is no time is returned as it is."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text or UNKNOWN
    if time.tzinfo is not None:
        return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{time:%Y-%m-%d %H:%M}" if "T" in text or ":" in text else f"{time:%Y-%m-%d}"


def parameter(value: object) -> str:
    """Write a parameter as YAML has it: ``false`` and ``null``, not ``False`` and ``None``."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
