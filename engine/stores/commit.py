"""The one way in which a file comes into the store: written aside, made durable, then given its name.

    write to tmp/  ->  fsync  ->  digest  ->  rename to its final name  ->  fsync the folder

Only then is it told to the catalog, which makes it visible. A file's name holds its digest, so two writers of the same
content write the same file, two of different content never collide, and a late finisher can spoil nothing.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from engine import digest
from engine.errors import HostError

_NAME_LENGTH = 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store: path relative to the root, digest of its bytes, size in bytes."""

    path: str
    digest: str
    bytes: int


def commit_file(root: Path, place: str, stem: str, suffix: str, write: Callable[[Path], object]) -> StoredFile:
    """Let ``write`` fill a temporary file, make it durable and move it to ``place/stem-<digest><suffix>``.

    Whatever ``write`` raises is passed on and leaves nothing behind. A full or failing disk raises ``HostError`` that
    names the path. Safe to call from any thread or process, also twice for the same content.
    """
    folder = root / "tmp" / uuid4().hex  # of its own: see _remove
    temporary = folder / f"new{suffix}"
    try:
        folder.mkdir(parents=True)
        write(temporary)
        _fsync(temporary)
        content = digest.of_file(temporary)
        size = temporary.stat().st_size
        final = root / place / f"{stem}-{content[:_NAME_LENGTH]}{suffix}"
        _make_folder(final.parent, root)
        temporary.replace(final)
        _fsync(final.parent)
    except OSError as error:
        source_is_gone = isinstance(error, FileNotFoundError) and folder.is_dir()
        if source_is_gone or not _from_the_machine(error):
            raise
        hint = "free some space, then run again" if "No space" in str(error) else ""
        raise HostError(f"cannot write {root / place}: {error.strerror or error}", hint=hint) from error
    finally:
        _remove(folder)
    return StoredFile(final.relative_to(root).as_posix(), content, size)


def _remove(folder: Path) -> None:
    """Remove a temporary folder and what is in it.

    A sink of Polars that has failed may open its file after it has raised. Where the folder is gone it can not.
    """
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def _from_the_machine(error: OSError) -> bool:
    """Tell a disk that fails from a source that cannot be read: Polars raises OSError without a number for the latter."""
    return error.errno is not None or "os error" in str(error)


def _make_folder(folder: Path, root: Path) -> None:
    """Make a folder and those above it durable: a folder is only there for good once its parent is synced."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
