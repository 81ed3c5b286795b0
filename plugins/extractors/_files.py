"""What extractors of files share: which files a pattern and a window mean, and when a file may have changed."""

from __future__ import annotations

import glob
import re
from datetime import date
from pathlib import Path

from engine.errors import ConfigError, DataError
from engine.plugin import ALL, SourcePartition, Window

_ISO = re.compile(r"(?<![0-9])(?P<year>[0-9]{4})-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?(?![0-9])")
_COMPACT = re.compile(r"(?<![0-9])(?P<year>(?:19|20)[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})(?![0-9])")
_HIVE = re.compile(r"year=(?P<year>[0-9]{4})(?:/month=(?P<month>[0-9]{1,2})(?:/day=(?P<day>[0-9]{1,2}))?)?(?![0-9])")
_SHAPES = "a date such as 2013-03, 2013-03-01, 20130301 or year=2013/month=03"


def partitions(pattern: str, window: Window = ALL) -> tuple[SourcePartition, ...]:
    """Return a partition for each file that a pattern matches, by name; ``DataError`` when there is none.

    Names are absolute: a worker may stand in another folder. Each file is a unit of its own.

    The bounds of a window are dates, and a file is of the day, month or year that its name says or, failing that, the
    folder nearest to it: it is in the window if this begins within the bounds. None may be left. Raises ``ConfigError``
    for a bound that is no date, and for a file without one. ``Window.after`` means nothing here.

    The fingerprint is made of size, time of modification and time of change of the inode, as build tools do: it changes
    with every write, also with one that keeps size and modification time.
    """
    since, until = _bound("since", window.since), _bound("until", window.until)
    files = sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207  Path.glob takes no absolute pattern
    if not files:
        missing = not glob.has_magic(pattern)
        raise DataError(
            f"no such file: {pattern}" if missing else f"no file matches {pattern}",
            where=str(Path(pattern).absolute()),
            hint="the path is relative to the folder that you stand in",
        )
    names = [str(Path(name).absolute()) for name in files]
    if since or until:
        names = [name for name in names if _is_between(_begin(name), since, until)]
    return tuple(SourcePartition(name, _fingerprint(Path(name)), unit=name) for name in names)


def _fingerprint(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _is_between(begin: date, since: date | None, until: date | None) -> bool:
    return (since is None or begin >= since) and (until is None or begin < until)


def _bound(side: str, text: str | None) -> date | None:
    if text is None:
        return None
    whole = next((found for shape in (_ISO, _COMPACT) if (found := shape.fullmatch(text.strip()))), None)
    bound = _day(whole) if whole else None
    if bound is None:
        raise ConfigError(f"{side} is not a date", expected="a day or a month: 2013-03-01, 20130301 or 2013-03", found=text)
    return bound


def _begin(name: str) -> date:
    """Return the first day of what the name of a file, or the folder nearest to it, says that it holds."""
    path = Path(name).as_posix()
    for part in reversed(path.split("/")):
        for shape in (_ISO, _COMPACT):
            for found in shape.finditer(part):
                if day := _day(found):
                    return day
    for found in reversed(list(_HIVE.finditer(path))):
        if day := _day(found):
            return day
    raise ConfigError(
        f"since and until choose files by the date in their names, and {Path(name).name} has none",
        where=name,
        expected=_SHAPES,
        hint="name the files by date, or leave out since and until",
    )


def _day(found: re.Match[str]) -> date | None:
    try:
        return date(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1))
    except ValueError:
        return None
