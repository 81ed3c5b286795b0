"""Writes down every change of the file system and every commit of the catalog, in the one order in which they took place.

Each change is made under a lock that all recording processes share, so that a log of several processes has one order.
What a file held and what the catalog held is kept as a blob, by its digest.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from engine import digest
from engine.stores import files
from engine.stores.sqlite import SqliteCatalog


class _Log:
    def __init__(self, folder: Path, base: Path) -> None:
        self._folder, self._base = folder, base
        (folder / "blobs").mkdir(parents=True, exist_ok=True)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def add(self, op: str, path: Path | None = None, **more: object) -> None:
        where = None if path is None else path.relative_to(self._base).as_posix()
        with (self._folder / "log").open("a") as log:
            log.write(json.dumps({"op": op, "path": where, **more}) + "\n")

    def blob(self, file: Path) -> str:
        content = digest.of_file(file)
        if not (self._folder / "blobs" / content).exists():
            shutil.copyfile(file, self._folder / "blobs" / content)
        return content

    def catalog(self, root: Path) -> str:
        copy = self._folder / uuid4().hex
        with closing(sqlite3.connect(root / "catalog.sqlite")) as there, closing(sqlite3.connect(copy)) as here:
            there.backup(here)
            here.execute("PRAGMA journal_mode=DELETE")  # one file that holds all of it
        name = self.blob(copy)
        copy.unlink()
        return name


def record(folder: Path, root: Path) -> Callable[[], AbstractContextManager[None]]:
    """Have this process record, into a folder, what it does to the store at a root; returns the lock of the log."""
    log = _Log(folder, root.parent)
    make, write, sync, rename, remove, remove_folder = (
        *(files.make, files.write, files.sync),
        *(files.rename, files.remove, files.remove_folder),
    )

    def making(one: Path) -> None:
        with log.one_at_a_time():
            new = [above for above in (one, *one.parents) if above.is_relative_to(root) and not above.exists()]
            make(one)
            for made in reversed(new):
                log.add("make", made)

    def writing(path: Path, fill: Callable[[Path], Any]) -> Any:
        before = _looks(path.parent)
        try:
            return write(path, fill)
        finally:
            with log.one_at_a_time():
                for file, looks in _looks(path.parent).items():
                    if before.get(file) != looks:
                        log.add("write", file, blob=log.blob(file))

    def syncing(path: Path) -> None:
        with log.one_at_a_time():
            sync(path)
            if path.is_relative_to(root) or path == root.parent:
                log.add("sync", path, folder=path.is_dir())

    def renaming(old: Path, new: Path) -> None:
        with log.one_at_a_time():
            rename(old, new)
            log.add("rename", old, new=new.relative_to(root.parent).as_posix())

    def removing(path: Path) -> None:
        with log.one_at_a_time():
            remove(path)
            log.add("remove", path)

    def removing_folder(path: Path) -> None:
        with log.one_at_a_time():
            remove_folder(path)
            log.add("remove_folder", path)

    for name, function in zip(
        ("make", "write", "sync", "rename", "remove", "remove_folder"),
        (making, writing, syncing, renaming, removing, removing_folder),
        strict=True,
    ):
        setattr(files, name, function)

    def reached(point: str) -> None:
        if point == "catalog.committed":
            with log.one_at_a_time():
                log.add("commit", blob=log.catalog(root))

    files.watch = reached
    commit = SqliteCatalog.commit

    def committing(self: SqliteCatalog, batch: Any) -> Any:
        done = commit(self, batch)
        with log.one_at_a_time():
            log.add("ack", id=done.id)
        return done

    SqliteCatalog.commit = committing  # type: ignore[method-assign]
    return log.one_at_a_time


def _looks(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return how the files of a folder look from outside."""
    found = {}
    for file in folder.glob("*"):
        if file.is_file():
            status = file.stat()
            found[file] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found
