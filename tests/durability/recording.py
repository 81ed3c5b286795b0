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


class _Seam:
    """The functions of ``engine.stores.files``, each of which also writes down what it did."""

    def __init__(self, log: _Log, root: Path) -> None:
        self._log, self._root = log, root
        self._inner = {name: getattr(files, name) for name in ("make", "write", "sync", "rename", "remove", "remove_folder")}

    def install(self) -> None:
        for name in self._inner:
            setattr(files, name, getattr(self, name))

    def make(self, folder: Path) -> None:
        with self._log.one_at_a_time():
            new = [one for one in (folder, *folder.parents) if one.is_relative_to(self._root) and not one.exists()]
            self._inner["make"](folder)
            for one in reversed(new):
                self._log.add("make", one)

    def write(self, path: Path, fill: Callable[[Path], Any]) -> Any:
        before = _looks(path.parent)
        try:
            return self._inner["write"](path, fill)
        finally:
            with self._log.one_at_a_time():
                for file, looks in _looks(path.parent).items():
                    if before.get(file) != looks:
                        self._log.add("write", file, blob=self._log.blob(file))

    def sync(self, path: Path) -> None:
        with self._log.one_at_a_time():
            self._inner["sync"](path)
            if path.is_relative_to(self._root.parent):
                self._log.add("sync", path, folder=path.is_dir())

    def rename(self, old: Path, new: Path) -> None:
        with self._log.one_at_a_time():
            self._inner["rename"](old, new)
            self._log.add("rename", old, new=new.relative_to(self._root.parent).as_posix())

    def remove(self, path: Path) -> None:
        with self._log.one_at_a_time():
            self._inner["remove"](path)
            self._log.add("remove", path)

    def remove_folder(self, folder: Path) -> None:
        with self._log.one_at_a_time():
            self._inner["remove_folder"](folder)
            self._log.add("remove_folder", folder)


def record(folder: Path, root: Path) -> Callable[[], AbstractContextManager[None]]:
    """Have this process record, into a folder, what it does to the store at a root; returns the lock of the log.

    Folders that are there when the recording begins are taken for made and not synced.
    """
    log = _Log(folder, root.parent)
    with log.one_at_a_time():
        if root.exists() and not (folder / "log").exists():
            for one in (root, *sorted(root.rglob("*"))):
                log.add("make", one)
    _Seam(log, root).install()
    commit = SqliteCatalog.commit

    def reached(point: str) -> None:
        if point == "catalog.committed":
            with log.one_at_a_time():
                log.add("commit", blob=log.catalog(root))

    def committing(self: SqliteCatalog, batch: Any) -> Any:
        done = commit(self, batch)
        with log.one_at_a_time():
            log.add("ack", id=done.id)
        return done

    files.watch = reached
    SqliteCatalog.commit = committing  # type: ignore[method-assign]  # to be told of each call
    return log.one_at_a_time


def _looks(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return how the files of a folder look from outside."""
    found = {}
    for file in folder.glob("*"):
        if file.is_file():
            status = file.stat()
            found[file] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found
