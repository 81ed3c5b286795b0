"""What extractors of files share: which files a pattern means, and when a file may have changed."""

import glob
from pathlib import Path

from engine.errors import DataError
from engine.plugin import SourcePartition


def partitions(pattern: str) -> tuple[SourcePartition, ...]:
    """Return a partition for each file that a pattern matches, by name; ``DataError`` when there is none.

    Names are absolute: a worker may stand in another folder.

    The fingerprint is made of size, time of modification and time of change of the inode, as build tools do: it changes
    with every write, also with one that keeps size and modification time.
    """
    files = sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207  Path.glob takes no absolute pattern
    if not files:
        missing = not glob.has_magic(pattern)
        raise DataError(
            f"no such file: {pattern}" if missing else f"no file matches {pattern}",
            where=str(Path(pattern).absolute()),
            hint="the path is relative to the folder that you stand in",
        )
    return tuple(SourcePartition(str(Path(name).absolute()), _fingerprint(Path(name))) for name in files)


def _fingerprint(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def disagreement(first: str, first_columns: tuple[str, ...], other: str, other_columns: tuple[str, ...]) -> DataError:
    """Make the error for two files of one dataset that do not have the same columns."""
    missing = [column for column in first_columns if column not in other_columns]
    more = [column for column in other_columns if column not in first_columns]
    parts = [f"without {', '.join(missing)}" * bool(missing), f"with {', '.join(more)}" * bool(more)]
    return DataError(
        "the header differs between files of one dataset",
        where=other,
        expected=f"the columns of {first}: {', '.join(first_columns)}",
        found=" and ".join(part for part in parts if part) or f"another order: {', '.join(other_columns)}",
        hint="give files with other columns a dataset of their own",
    )
