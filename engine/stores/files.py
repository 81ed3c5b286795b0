"""Every change that Levada itself makes to the file system, one function each, in the one place that tests can watch.

What is written is not there for good until it is synced, and a name is not there for good until its folder is.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

watch: Callable[[str], None] | None = None
"""Is told the name of every crash point that is passed. None but in tests, which end the process there."""


def reached(point: str) -> None:
    """Pass a crash point: a place at which a process may end without harm. ``docs/durability.md`` lists them."""
    if watch is not None:
        watch(point)


def make(folder: Path) -> None:
    """Make a folder and those above it; it is no fault if it is there. Durable once the folders above are synced."""
    folder.mkdir(parents=True, exist_ok=True)


def make_folder(folder: Path, root: Path) -> None:
    """Make a folder and those above it, up to ``root`` itself, durable: one is only there for good once its parent is synced.

    That a folder is there does not say so: whoever made it may have ended before its parent was synced, or not be so far.
    """
    chain = [folder, *(above for above in folder.parents if above.is_relative_to(root))]
    chain += [above for above in root.parents if not above.is_dir()]
    for one in reversed(chain):
        if one in _durable and one.is_dir():
            continue
        make(one)
        if one != root or os.access(one.parent, os.R_OK):  # a user need not be able to read what their folder is in
            sync(one.parent)
        _durable.add(one)


_durable: set[Path] = set()
"""Folders whose names this process has synced."""


def write(path: Path, fill: Callable[[Path], T]) -> T:
    """Have ``fill`` make a file, or several in its folder, and return what it returns. They are not durable yet."""
    return fill(path)


def sync(path: Path) -> None:
    """Make the contents of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(old: Path, new: Path) -> None:
    """Give a file its name, in place of whatever has it. Durable once the folder is synced."""
    old.replace(new)


def remove(path: Path) -> None:
    """Remove a file; it is no fault if it is gone."""
    path.unlink(missing_ok=True)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder unless there is something in it, or somebody else was quicker."""
    with suppress(OSError):
        folder.rmdir()


def remove_folder(folder: Path) -> None:
    """Remove a temporary folder and what is in it.

    A sink of Polars that has failed may open its file after it has raised. Where the folder is gone it can not.
    """
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
