"""Bugs, each of which the tests of durability must find: a name, and what makes our own code have it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from engine import bus, digest
from engine.ingestion import admission
from engine.names import new_id
from engine.stores import commit, files, raw, sqlite
from engine.stores.artifacts import Artifact
from engine.stores.batches import Batch
from engine.stores.catalog import Catalog, Event, committed_event
from engine.stores.commit import NAME_LENGTH, StoredFile


def _commit_before_the_files_are_kept() -> None:
    parked: list[tuple[Path, Path, Path]] = []

    def put(self: Any, file: Path, slot: raw.Slot) -> Artifact:
        root = self._store.root
        files.sync(file)
        content, size = digest.of_file(file), file.stat().st_size
        rows = pl.scan_parquet(file).select(pl.len()).collect().item()
        aside = root / "tmp" / f"{uuid4().hex}.parquet"
        files.rename(file, aside)
        final = root / slot.place / f"{slot.stem}-{content[:NAME_LENGTH]}.parquet"
        parked.append((aside, final, root))
        return Artifact("null", StoredFile(final.relative_to(root).as_posix(), content, size), rows)

    inner = sqlite.SqliteCatalog.commit

    def committing(self: Any, batch: Any) -> Any:
        done = inner(self, batch)
        while parked:
            aside, final, root = parked.pop()
            files.make_folder(final.parent, root)
            files.rename(aside, final)
            files.sync(final.parent)
        return done

    raw.ParquetRaw.put = put  # type: ignore[method-assign]  # a bug is planted there
    sqlite.SqliteCatalog.commit = committing  # type: ignore[method-assign]  # a bug is planted there


def _write_in_place() -> None:
    def keep(root: Path, place: str, stem: str, temporary: Path) -> StoredFile:
        content = digest.of_file(temporary)
        final = root / place / f"{stem}-{content[:NAME_LENGTH]}{temporary.suffix}"
        files.make_folder(final.parent, root)
        files.write(final, lambda path: shutil.copyfile(temporary, path))
        files.sync(final)
        files.sync(final.parent)
        return StoredFile(final.relative_to(root).as_posix(), content, final.stat().st_size)

    _keep_with(keep)


def _keep_with(keep: Callable[[Path, str, str, Path], StoredFile]) -> None:
    raw.keep_file = commit.keep_file = keep  # type: ignore[attr-defined]  # a bug is planted there


def _sync_no_file() -> None:
    inner = files.sync
    files.sync = lambda path: inner(path) if path.is_dir() else None


def _sync_no_folder() -> None:
    inner = files.sync
    files.sync = lambda path: None if path.is_dir() else inner(path)


def _take_a_folder_that_is_there_for_durable() -> None:
    def make_folder(folder: Path, _root: Path) -> None:
        missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
        for one in reversed(missing):
            files.make(one)
            files.sync(one.parent)

    files.make_folder = make_folder


def _digest_half_of_a_file() -> None:
    inner = commit.keep_file

    def keep(root: Path, place: str, stem: str, temporary: Path) -> StoredFile:
        half = temporary.with_name("half")
        half.write_bytes(temporary.read_bytes()[: temporary.stat().st_size // 2])
        kept = inner(root, place, stem, temporary)
        return StoredFile(kept.path, digest.of_file(half), kept.bytes)

    _keep_with(keep)


def _announce_apart_from_the_commit() -> None:
    inner, insert = sqlite.SqliteCatalog.commit, sqlite._insert

    def inserting(connection: Any, table: str, events: Sequence[Event]) -> None:
        if table != "outbox":
            insert(connection, table, events)

    def committing(self: Any, batch: Any) -> Any:
        done = inner(self, batch)
        self.log([committed_event(done, new_id())])
        return done

    sqlite._insert = inserting
    sqlite.SqliteCatalog.commit = committing  # type: ignore[method-assign]  # a bug is planted there


def _empty_the_outbox_first() -> None:
    def announce(catalog: Catalog, to: bus.Bus) -> int:
        events = catalog.outbox()
        catalog.announced([event.id for event in events])
        to.publish(events)
        return len(events)

    admission.announce = announce  # type: ignore[attr-defined]  # a bug is planted there


def _make_a_batch_each_time() -> None:
    inner = sqlite.SqliteCatalog.commit

    reserving = sqlite.SqliteCatalog.reserve

    def reserve(self: Any, dataset: str, _key: str, new_id: str) -> str:
        return reserving(self, dataset, new_id, new_id)

    def committing(self: Any, batch: Any) -> Any:
        return inner(self, batch.model_copy(update={"fingerprint": uuid4().hex}))

    sqlite.SqliteCatalog.reserve = reserve  # type: ignore[method-assign]  # a bug is planted there
    sqlite.SqliteCatalog.commit = committing  # type: ignore[method-assign]  # a bug is planted there


def _commit_a_part_of_a_batch() -> None:
    def half(**values: Any) -> Batch:
        return Batch(**{**values, "partitions": values["partitions"][:1]})

    admission.Batch = half  # type: ignore[assignment,misc]  # a bug is planted there


def _ignore_a_sync_that_fails() -> None:
    inner = files.sync

    def sync(path: Path) -> None:
        with suppress(OSError):
            inner(path)

    files.sync = sync


def _leave_temporary_folders() -> None:
    files.remove_folder = lambda _folder: None


PLANTED: dict[str, Callable[[], None]] = {
    "commit before the files are kept": _commit_before_the_files_are_kept,
    "write in place": _write_in_place,
    "sync no file": _sync_no_file,
    "sync no folder": _sync_no_folder,
    "take a folder that is there for durable": _take_a_folder_that_is_there_for_durable,
    "digest half of a file": _digest_half_of_a_file,
    "announce apart from the commit": _announce_apart_from_the_commit,
    "empty the outbox first": _empty_the_outbox_first,
    "make a batch each time": _make_a_batch_each_time,
    "commit a part of a batch": _commit_a_part_of_a_batch,
    "ignore a sync that fails": _ignore_a_sync_that_fails,
    "leave temporary folders": _leave_temporary_folders,
}
"""What makes the code have each bug; for a child process, which ends with it."""
