"""The record of everything: what was computed from what, which batches there are, which runs there were.

The contract is ``Catalog``; ``SqliteCatalog`` is the embedded implementation. Only the coordinator opens it: workers are
sent what they need to know.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import digest
from engine.errors import HostError
from engine.names import new_id
from engine.stores.artifacts import Artifact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.graph import Task


@dataclass(frozen=True, slots=True)
class Memory:
    """One remembered result: what ran (recipe, code, parameters), on what contents, and what came of it."""

    recipe: str
    contents: tuple[str, ...]
    artifact: Artifact
    label: str
    index: int
    code: str
    params: str
    run: str
    created: float

    @property
    def memo(self) -> str:
        """The name under which it is looked up."""
        return digest.of_text(self.recipe, *self.contents)

    @classmethod
    def of(cls, task: Task, contents: tuple[str, ...], artifact: Artifact, run: str) -> Memory:
        """Return the memory of a task that just ended."""
        return cls(task.recipe, contents, artifact, task.label, task.index, task.code, task.params, run, round(time.time(), 3))


@dataclass(frozen=True, slots=True)
class BatchPartition:
    """A file of a batch and the piece of the source that it came from."""

    source: str
    fingerprint: str
    path: str
    digest: str
    rows: int
    bytes: int
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What one ingestion of a dataset committed. ``sequence`` counts a dataset's batches from 1."""

    id: str
    dataset: str
    sequence: int
    run: str
    created: float
    partitions: tuple[BatchPartition, ...] = ()

    @property
    def rows(self) -> int:
        """The rows of all partitions."""
        return sum(partition.rows for partition in self.partitions)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of a pipeline: ``status`` is running, done, failed or interrupted; ``summary`` is plain data."""

    id: str
    pipeline: str
    status: str
    started: float
    ended: float | None = None
    summary: dict[str, Any] = field(default_factory=dict)


Known = Mapping[str, Mapping[str, Artifact]]
"""What is remembered: by recipe, then by memo."""


class Catalog(ABC):
    """The contract. Every method is one transaction: it is wholly there afterwards, or it raised and nothing is."""

    @abstractmethod
    def known(self, recipes: Iterable[str]) -> Known:
        """Return what is remembered of recipes: by recipe, then by memo. A recipe of which nothing is known is absent."""

    @abstractmethod
    def remember(self, memories: Sequence[Memory]) -> None:
        """Remember results. One that is remembered already is replaced: its file was lost, and made anew."""

    @abstractmethod
    def history(self, label: str) -> list[Memory]:
        """Return what is remembered of a stage, newest first: to say what changed since."""

    @abstractmethod
    def origin(self, content: str) -> Memory | None:
        """Return the oldest memory whose artifact has this digest or a digest that begins so."""

    @abstractmethod
    def uses(self, content: str) -> list[Memory]:
        """Return what was computed from an artifact."""

    @abstractmethod
    def open_batch(self, dataset: str, new_id: str) -> str:
        """Return the id under which new partitions of a dataset are written: one that a stopped run left, or ``new_id``."""

    @abstractmethod
    def commit_batch(self, dataset: str, partitions: Sequence[BatchPartition], run: str) -> Batch | None:
        """Make visible, as one batch, those partitions whose newest version is another; None when there are none.

        The batch takes the open id. Two that commit the same partitions at once: one makes the batch, the other gets None.
        """

    @abstractmethod
    def batches(self, dataset: str | None = None) -> list[Batch]:
        """Return the committed batches, oldest first."""

    @abstractmethod
    def save_run(self, record: RunRecord) -> None:
        """Insert or replace a run."""

    @abstractmethod
    def runs(self, limit: int = 50) -> list[RunRecord]:
        """Return runs, newest first."""

    @abstractmethod
    def run(self, identity: str) -> RunRecord | None:
        """Return the run with this id, or the only one whose id begins so."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held. Calling it twice is fine."""


_SCHEMA = """
CREATE TABLE IF NOT EXISTS memo (
    memo TEXT PRIMARY KEY, recipe TEXT NOT NULL, contents TEXT NOT NULL, digest TEXT NOT NULL, artifact TEXT NOT NULL,
    label TEXT NOT NULL, idx INTEGER NOT NULL, code TEXT NOT NULL, params TEXT NOT NULL, run TEXT NOT NULL,
    created REAL NOT NULL);
CREATE INDEX IF NOT EXISTS memo_recipe ON memo (recipe);
CREATE INDEX IF NOT EXISTS memo_digest ON memo (digest);
CREATE INDEX IF NOT EXISTS memo_label ON memo (label, idx, created);
CREATE TABLE IF NOT EXISTS edge (source TEXT NOT NULL, memo TEXT NOT NULL, PRIMARY KEY (source, memo)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
    id TEXT PRIMARY KEY, dataset TEXT NOT NULL, sequence INTEGER, run TEXT, created REAL,
    UNIQUE (dataset, sequence));
CREATE UNIQUE INDEX IF NOT EXISTS one_open_batch ON batch (dataset) WHERE sequence IS NULL;
CREATE TABLE IF NOT EXISTS partition (
    dataset TEXT NOT NULL, batch TEXT NOT NULL REFERENCES batch (id), number INTEGER NOT NULL, source TEXT NOT NULL,
    fingerprint TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
    quarantined INTEGER NOT NULL, UNIQUE (batch, number));
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL, ended REAL,
    summary TEXT NOT NULL);
"""

_SCHEMA_VERSION = 1


class SqliteCatalog(Catalog):
    """The catalog in one SQLite file (WAL, ``synchronous=FULL``: a commit survives power loss).

    Thread-safe: one connection, one lock. Several processes may hold the same file open.
    """

    def __init__(self, path: Path | None) -> None:
        """Open or create the file; None is a catalog in memory, which is empty."""
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=30)
            self._lock = threading.RLock()
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA cache_size=-65536")  # KiB; the default is too small for a large transaction
            self._connection.execute("PRAGMA wal_autocheckpoint=10000")  # pages; fewer, larger checkpoints cost less
            self._prepare(str(path))
        except (sqlite3.Error, OSError) as error:
            raise HostError(f"cannot open the catalog {path}: {error}") from error

    def _prepare(self, path: str) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            raise HostError(
                f"the catalog {path} was written by a newer Levada",
                expected=f"version {_SCHEMA_VERSION} or older",
                found=f"version {version}",
                hint="upgrade Levada, or point store.root at another folder",
            )
        if version < _SCHEMA_VERSION:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_SCHEMA_VERSION}; COMMIT;")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:  # also Ctrl-C: nothing may stay half-written
                    if self._connection.in_transaction:  # a full disk ends it by itself
                        self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise HostError(f"the catalog could not be written: {error}", hint="is the disk full or read-only?") from error

    def _select(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        with self._lock, closing(self._connection.execute(query, parameters)) as cursor:
            return cursor.fetchall()

    def known(self, recipes: Iterable[str]) -> Known:
        found: dict[str, dict[str, Artifact]] = {}
        query = "SELECT recipe, memo, artifact FROM memo WHERE recipe IN (SELECT value FROM json_each(?))"
        for recipe, memo, artifact in self._select(query, (json.dumps(sorted(set(recipes))),)):
            found.setdefault(recipe, {})[memo] = Artifact.from_json(artifact)
        return found

    def remember(self, memories: Sequence[Memory]) -> None:
        rows = [
            (
                *(memory.memo, memory.recipe, digest.canonical(memory.contents), memory.artifact.digest),
                *(memory.artifact.to_json(), memory.label, memory.index, memory.code, memory.params),
                *(memory.run, memory.created),
            )
            for memory in memories
        ]
        edges = [(source, row[0]) for memory, row in zip(memories, rows, strict=True) for source in memory.contents]
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO memo VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (memo) DO UPDATE SET "
                "artifact = excluded.artifact, digest = excluded.digest",
                rows,
            )
            connection.executemany("INSERT OR IGNORE INTO edge VALUES (?,?)", edges)

    def history(self, label: str) -> list[Memory]:
        return [_memory(row) for row in self._select(f"{_MEMORY} WHERE label = ? ORDER BY created DESC, memo", (label,))]

    def origin(self, content: str) -> Memory | None:
        rows = self._select(f"{_MEMORY} WHERE digest >= ? AND digest < ? ORDER BY created LIMIT 1", _prefix(content))
        return _memory(rows[0]) if rows else None

    def uses(self, content: str) -> list[Memory]:
        query = f"{_MEMORY} JOIN edge USING (memo) WHERE edge.source = ? ORDER BY created"
        return [_memory(row) for row in self._select(query, (content,))]

    def open_batch(self, dataset: str, new_id: str) -> str:
        rows = self._select(_OPEN_BATCH, (dataset,))
        if not rows:
            with self._transaction() as connection:
                connection.execute("INSERT OR IGNORE INTO batch (id, dataset) VALUES (?, ?)", (new_id, dataset))
            rows = self._select(_OPEN_BATCH, (dataset,))
        return str(rows[0][0])

    def commit_batch(self, dataset: str, partitions: Sequence[BatchPartition], run: str) -> Batch | None:
        newest = self._newest(dataset)
        if all(newest.get(partition.source) == partition.digest for partition in partitions):
            return None  # the usual case, for which nobody need wait for a lock
        with self._transaction() as connection:
            newest = self._newest(dataset)
            new = [partition for partition in partitions if newest.get(partition.source) != partition.digest]
            if not new:
                return None
            row = connection.execute(_OPEN_BATCH, (dataset,)).fetchone()
            identity = str(row[0]) if row is not None else new_id()  # another process may have just used the open one
            connection.execute("INSERT OR IGNORE INTO batch (id, dataset) VALUES (?, ?)", (identity, dataset))
            count = "SELECT coalesce(max(sequence), 0) + 1 FROM batch WHERE dataset = ?"
            sequence = connection.execute(count, (dataset,)).fetchone()[0]
            batch = Batch(identity, dataset, sequence, run, round(time.time(), 3), tuple(new))
            connection.execute(
                "UPDATE batch SET sequence = ?, run = ?, created = ? WHERE id = ?", (sequence, run, batch.created, batch.id)
            )
            connection.executemany(
                "INSERT INTO partition VALUES (?,?,?,?,?,?,?,?,?,?)",
                [
                    (dataset, batch.id, number, p.source, p.fingerprint, p.path, p.digest, p.rows, p.bytes, p.quarantined)
                    for number, p in enumerate(new)
                ],
            )
            return batch

    def _newest(self, dataset: str) -> dict[str, str]:
        """Return the digest of the newest version of each source that a dataset has."""
        query = "SELECT source, digest FROM partition JOIN batch ON id = batch WHERE batch.dataset = ? ORDER BY sequence"
        return dict(self._select(query, (dataset,)))

    def batches(self, dataset: str | None = None) -> list[Batch]:
        files: dict[str, list[BatchPartition]] = {}
        columns = "batch, source, fingerprint, path, digest, rows, bytes, quarantined"
        for batch, *rest in self._select(f"SELECT {columns} FROM partition ORDER BY batch, number"):
            files.setdefault(batch, []).append(BatchPartition(*rest))
        rows = self._select(
            "SELECT id, dataset, sequence, run, created FROM batch WHERE sequence IS NOT NULL "
            "AND (?1 IS NULL OR dataset = ?1) ORDER BY dataset, sequence",
            (dataset,),
        )
        return [
            Batch(batch, name, sequence, run, created, tuple(files.get(batch, ())))
            for batch, name, sequence, run, created in rows
        ]

    def save_run(self, record: RunRecord) -> None:
        values = (record.id, record.pipeline, record.status, record.started, record.ended, json.dumps(record.summary))
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO run VALUES (?,?,?,?,?,?)", values)

    def runs(self, limit: int = 50) -> list[RunRecord]:
        return [_run(row) for row in self._select("SELECT * FROM run ORDER BY started DESC LIMIT ?", (limit,))]

    def run(self, identity: str) -> RunRecord | None:
        rows = self._select("SELECT * FROM run WHERE id >= ? AND id < ? LIMIT 2", _prefix(identity))
        return _run(rows[0]) if len(rows) == 1 else None

    def close(self) -> None:
        with self._lock:
            self._connection.close()


_OPEN_BATCH = "SELECT id FROM batch WHERE dataset = ? AND sequence IS NULL"
_MEMORY = "SELECT recipe, contents, artifact, label, idx, code, params, run, created FROM memo"


def _memory(row: Sequence[Any]) -> Memory:
    recipe, contents, artifact, *rest = row
    return Memory(recipe, tuple(json.loads(contents)), Artifact.from_json(artifact), *rest)


def _run(row: Sequence[Any]) -> RunRecord:
    identity, pipeline, status, started, ended, summary = row
    return RunRecord(identity, pipeline, status, started, ended, json.loads(summary))


def _prefix(text: str) -> tuple[str, str]:
    """Return the bounds of all texts that begin so."""
    return text, text + "\uffff"
