"""The catalog in one SQLite file: the embedded implementation."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from engine import digest
from engine.errors import Corrupt, HostError
from engine.names import new_id
from engine.stores import files
from engine.stores.aliases import Alias, moved_meanwhile
from engine.stores.artifacts import Artifact
from engine.stores.batches import Batch
from engine.stores.catalog import (
    Catalog,
    Event,
    Known,
    Memory,
    Reservation,
    RunRecord,
    available_event,
    committed_event,
    given_up,
)
from engine.stores.features import FeatureVersion

_SCHEMA = """
CREATE TABLE memo (
    memo TEXT PRIMARY KEY, recipe TEXT NOT NULL, contents TEXT NOT NULL, digest TEXT NOT NULL, artifact TEXT NOT NULL,
    label TEXT NOT NULL, idx INTEGER NOT NULL, code TEXT NOT NULL, params TEXT NOT NULL, run TEXT NOT NULL,
    created REAL NOT NULL, seal TEXT NOT NULL);
CREATE INDEX memo_recipe ON memo (recipe);
CREATE INDEX memo_digest ON memo (digest);
CREATE INDEX memo_label ON memo (label, idx, created);
CREATE TABLE edge (source TEXT NOT NULL, memo TEXT NOT NULL, PRIMARY KEY (source, memo)) WITHOUT ROWID;
CREATE TABLE batch (
    id TEXT PRIMARY KEY, dataset TEXT NOT NULL, fingerprint TEXT NOT NULL, sequence INTEGER NOT NULL, created REAL NOT NULL,
    record TEXT NOT NULL, seal TEXT NOT NULL, UNIQUE (dataset, fingerprint), UNIQUE (dataset, sequence));
CREATE TABLE reservation (
    id TEXT PRIMARY KEY, dataset TEXT NOT NULL, key TEXT NOT NULL, created REAL NOT NULL, seal TEXT NOT NULL,
    UNIQUE (dataset, key));
CREATE TABLE features (
    id TEXT PRIMARY KEY, view TEXT NOT NULL, identity TEXT NOT NULL UNIQUE, created REAL NOT NULL, record TEXT NOT NULL,
    seal TEXT NOT NULL);
CREATE TABLE alias (
    pipeline TEXT NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL, seal TEXT NOT NULL,
    PRIMARY KEY (pipeline, name)) WITHOUT ROWID;
CREATE TABLE sighting (
    dataset TEXT NOT NULL, source TEXT NOT NULL, fingerprint TEXT NOT NULL, digest TEXT NOT NULL, seal TEXT NOT NULL,
    PRIMARY KEY (dataset, source)) WITHOUT ROWID;
CREATE TABLE outbox (
    id TEXT PRIMARY KEY, topic TEXT NOT NULL, key TEXT NOT NULL, payload TEXT NOT NULL, created REAL NOT NULL,
    seal TEXT NOT NULL);
CREATE TABLE log (
    "offset" INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, key TEXT NOT NULL,
    payload TEXT NOT NULL, created REAL NOT NULL, seal TEXT NOT NULL);
CREATE INDEX log_topic ON log (topic, "offset");
CREATE TABLE reader (
    grp TEXT NOT NULL, topic TEXT NOT NULL, "offset" INTEGER NOT NULL, seal TEXT NOT NULL,
    PRIMARY KEY (grp, topic)) WITHOUT ROWID;
CREATE TABLE run (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL, ended REAL,
    summary TEXT NOT NULL, seal TEXT NOT NULL);
"""

_SCHEMA_VERSION = 4
_DAMAGED = ("malformed", "not a database", "decode", "unsupported file format", "no such table", "no such column")
_ERRORS = (sqlite3.Error, UnicodeDecodeError)  # the latter for a message that names something spoilt
_TIMEOUT = 30  # seconds that one process waits for another


class SqliteCatalog(Catalog):
    """The catalog in one SQLite file (WAL, ``synchronous=FULL``: a commit survives power loss).

    Thread-safe: one connection, one lock. Several processes may hold the same file open. SQLite does not notice a flipped
    bit in a text or a number, so every row carries a digest of its own.
    """

    def __init__(self, path: Path | None) -> None:
        """Open or create the file; None is a catalog in memory, which is empty."""
        self._path = path
        try:
            if path is not None:
                files.make_folder(path.parent, path.parent)
            self._connection = sqlite3.connect(
                path or ":memory:", check_same_thread=False, isolation_level=None, timeout=_TIMEOUT
            )
            self._lock = threading.RLock()
            self._use_wal()
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA cache_size=-65536")  # KiB; the default is too small for a large transaction
            self._connection.execute("PRAGMA wal_autocheckpoint=10000")  # pages; fewer, larger checkpoints cost less
            self._prepare(str(path))
        except (*_ERRORS, OSError) as error:
            raise self._explained(error, "opened") from error

    def _use_wal(self) -> None:
        """Switch to WAL. Of two that open a new catalog at once one is refused without having been made to wait."""
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _prepare(self, path: str) -> None:
        version = self._version()
        if version == 0:
            with self._transaction():
                if self._version() == 0:  # another process may have been quicker
                    for statement in _SCHEMA.split(";\n"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        elif version != _SCHEMA_VERSION:
            newer = version > _SCHEMA_VERSION
            raise HostError(
                f"the catalog {path} was written by {'a newer' if newer else 'an older'} Levada",
                expected=f"version {_SCHEMA_VERSION}",
                found=f"version {version}",
                hint="upgrade Levada, or point store.root at another folder" if newer else "point store.root at another folder",
            )

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _explained(self, error: Exception, what: str) -> HostError | Corrupt:
        if isinstance(error, UnicodeDecodeError) or any(words in str(error) for words in _DAMAGED):
            return Corrupt(f"the catalog {self._path} is damaged", found=str(error), hint="restore it from a backup")
        return HostError(f"the catalog {self._path} could not be {what}: {error}", hint="is the disk full or read-only?")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    files.reached("catalog.begun")
                    self._connection.execute("COMMIT")
                except BaseException:  # also Ctrl-C: nothing may stay half-written
                    if self._connection.in_transaction:  # a full disk ends it by itself
                        self._connection.execute("ROLLBACK")
                    raise
                files.reached("catalog.committed")
        except _ERRORS as error:
            raise self._explained(error, "written") from error

    def _select(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        try:
            with self._lock, closing(self._connection.execute(query, parameters)) as cursor:
                return cursor.fetchall()
        except _ERRORS as error:
            raise self._explained(error, "read") from error

    def known(self, recipes: Iterable[str]) -> Known:
        found: dict[str, dict[str, Artifact]] = {}
        query = "SELECT recipe, memo, artifact, digest FROM memo WHERE recipe IN (SELECT value FROM json_each(?))"
        for recipe, memo, text, content in self._select(query, (json.dumps(sorted(set(recipes))),)):
            found.setdefault(recipe, {})[memo] = self._artifact(text, content)
        return found

    def _artifact(self, text: str, content: str) -> Artifact:
        """Return an artifact that was written down; its digest, which covers all of it, says whether it still is that."""
        try:
            artifact = Artifact.from_json(text)
        except (ValueError, TypeError, KeyError):
            artifact = None
        if artifact is None or artifact.digest != content:
            raise self._damaged("a result")
        return artifact

    def _damaged(self, what: str) -> Corrupt:
        return Corrupt(f"the catalog {self._path} is damaged: {what} is not what was written", hint="restore it from a backup")

    def remember(self, memories: Sequence[Memory]) -> None:
        rows = [
            (
                *(memory.memo, memory.recipe, digest.canonical(memory.contents), memory.artifact.digest),
                *(memory.artifact.to_json(), memory.label, memory.index, memory.code, memory.params),
                *(memory.run, memory.created),
            )
            for memory in memories
        ]
        sealed = [(*row, _seal(*row)) for row in rows]
        edges = [(source, row[0]) for memory, row in zip(memories, rows, strict=True) for source in memory.contents]
        with self._transaction() as connection:
            connection.executemany(
                f"INSERT INTO memo VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (memo) DO UPDATE SET {_REPLACED}", sealed
            )
            connection.executemany("INSERT OR IGNORE INTO edge VALUES (?,?)", edges)

    def history(self, label: str) -> list[Memory]:
        return [self._memory(row) for row in self._select(f"{_MEMORY} WHERE label = ? ORDER BY created DESC, memo", (label,))]

    def origin(self, content: str) -> Memory | None:
        rows = self._select(f"{_MEMORY} WHERE digest >= ? AND digest < ? ORDER BY created LIMIT 1", _prefix(content))
        return self._memory(rows[0]) if rows else None

    def uses(self, content: str) -> list[Memory]:
        query = f"{_MEMORY} JOIN edge USING (memo) WHERE edge.source = ? ORDER BY created"
        return [self._memory(row) for row in self._select(query, (content,))]

    def remembered(self) -> Iterator[Memory]:
        return (self._memory(row) for row in self._select(_MEMORY))

    def forget(self, memos: Iterable[str]) -> None:
        gone = [(memo,) for memo in memos]
        with self._transaction() as connection:
            connection.executemany("DELETE FROM memo WHERE memo = ?", gone)
            connection.executemany("DELETE FROM edge WHERE memo = ?", gone)

    def reserve(self, dataset: str, key: str, new_id: str) -> str:
        with self._transaction() as connection:
            there = connection.execute("SELECT id FROM reservation WHERE dataset = ? AND key = ?", (dataset, key)).fetchone()
            row = (there[0] if there else new_id, dataset, key, time.time())
            connection.execute("INSERT OR REPLACE INTO reservation VALUES (?,?,?,?,?)", (*row, _seal(*row)))
        return str(row[0])

    def release(self, identity: str, *, before: float | None = None) -> bool:
        with self._transaction() as connection:
            query = "DELETE FROM reservation WHERE id = ?1 AND (?2 IS NULL OR created < ?2)"
            return connection.execute(query, (identity, before)).rowcount == 1

    def reservations(self) -> list[Reservation]:
        rows = self._rows("SELECT * FROM reservation ORDER BY created, id", "a reservation")
        return [Reservation(identity, dataset, created) for identity, dataset, _, created in rows]

    def commit(self, batch: Batch) -> Batch:
        with self._transaction() as connection:
            reserved = connection.execute("DELETE FROM reservation WHERE id = ?", (batch.id,)).rowcount == 1
            query = "SELECT * FROM batch WHERE dataset = ? AND fingerprint = ?"
            there = self._rows(query, "a batch", (batch.dataset, batch.fingerprint))
            if there:
                return Batch.model_validate_json(there[0][-1])
            taken = connection.execute("SELECT 1 FROM batch WHERE id = ?", (batch.id,)).fetchone() is not None
            if not reserved and not taken:
                raise given_up(batch)
            count = "SELECT coalesce(max(sequence), 0) + 1 FROM batch WHERE dataset = ?"
            sequence = connection.execute(count, (batch.dataset,)).fetchone()[0]
            own = {"id": new_id() if taken else batch.id, "sequence": sequence, "created": round(time.time(), 3)}
            done = batch.model_copy(update=own)
            row = (done.id, done.dataset, done.fingerprint, sequence, done.created, done.model_dump_json())
            connection.execute("INSERT INTO batch VALUES (?,?,?,?,?,?,?)", (*row, _seal(*row)))
            _insert(connection, "outbox", [committed_event(done, new_id())])
        return done

    def batches(self, dataset: str | None = None) -> list[Batch]:
        query = "SELECT * FROM batch WHERE ?1 IS NULL OR dataset = ?1 ORDER BY dataset, sequence"
        return [Batch.model_validate_json(row[-1]) for row in self._rows(query, "a batch", (dataset,))]

    def commit_features(self, version: FeatureVersion) -> FeatureVersion:
        with self._transaction() as connection:
            found = self.find_features(version.identity)
            if found is not None:
                if found.retired is None:
                    return found
                done = found.model_copy(update={"retired": None})
            else:
                done = version.model_copy(update={"created": round(time.time(), 3)})
                _insert(connection, "outbox", [available_event(done, new_id())])
            _write_features(connection, done)
        return done

    def find_features(self, identity: str) -> FeatureVersion | None:
        rows = self._rows("SELECT * FROM features WHERE identity = ?", "a version of features", (identity,))
        return FeatureVersion.model_validate_json(rows[0][-1]) if rows else None

    def features(self, view: str | None = None) -> list[FeatureVersion]:
        query = "SELECT * FROM features WHERE ?1 IS NULL OR view = ?1 ORDER BY view, created, id"
        return [FeatureVersion.model_validate_json(row[-1]) for row in self._rows(query, "a version of features", (view,))]

    def retire(self, versions: Iterable[str]) -> None:
        with self._transaction() as connection:
            for identity in versions:
                for row in self._rows("SELECT * FROM features WHERE id = ?", "a version of features", (identity,)):
                    found = FeatureVersion.model_validate_json(row[-1])
                    _write_features(connection, found.model_copy(update={"retired": round(time.time(), 3)}))

    def move_alias(self, alias: Alias) -> Alias:
        with self._transaction() as connection:
            found = [one for one in self.aliases(alias.pipeline) if one.name == alias.name]
            now = found[0].version if found else None
            if now != alias.before:
                raise moved_meanwhile(alias, now)
            done = alias.model_copy(update={"changed": round(time.time(), 3)})
            row = (done.pipeline, done.name, done.model_dump_json())
            connection.execute("INSERT OR REPLACE INTO alias VALUES (?,?,?,?)", (*row, _seal(*row)))
        return done

    def aliases(self, pipeline: str | None = None) -> list[Alias]:
        query = "SELECT * FROM alias WHERE ?1 IS NULL OR pipeline = ?1 ORDER BY pipeline, name"
        return [Alias.model_validate_json(row[-1]) for row in self._rows(query, "an alias", (pipeline,))]

    def _rows(self, query: str, what: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return rows without their seals, which come last and must be right."""
        rows = self._select(query, parameters)
        if any(row[-1] != _seal(*row[:-1]) for row in rows):
            raise self._damaged(what)
        return [row[:-1] for row in rows]

    def see(self, dataset: str, source: str, fingerprint: str, content: str) -> None:
        with self._transaction() as connection:
            row = (dataset, source, fingerprint, content)
            connection.execute("INSERT OR REPLACE INTO sighting VALUES (?,?,?,?,?)", (*row, _seal(*row)))

    def seen(self, dataset: str) -> dict[str, tuple[str, str]]:
        rows = self._rows("SELECT * FROM sighting WHERE dataset = ?", "a sighting", (dataset,))
        return {source: (fingerprint, content) for _, source, fingerprint, content in rows}

    def outbox(self) -> list[Event]:
        return [_event(row) for row in self._rows("SELECT * FROM outbox ORDER BY created, id", "an event")]

    def announced(self, events: Iterable[str]) -> None:
        with self._transaction() as connection:
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(identity,) for identity in events])

    def log(self, events: Sequence[Event]) -> None:
        with self._transaction() as connection:
            _insert(connection, "log", events)

    def logged(self, topic: str, after: int, limit: int) -> list[tuple[int, Event]]:
        columns = '"offset", id, topic, key, payload, created, seal'
        query = f'SELECT {columns} FROM log WHERE topic = ? AND "offset" > ? ORDER BY "offset" LIMIT ?'
        rows = self._select(query, (topic, after, limit))
        if any(row[-1] != _seal(*row[1:-1]) for row in rows):
            raise self._damaged("an event")
        return [(row[0], _event(row[1:-1])) for row in rows]

    def offset(self, group: str, topic: str) -> int:
        rows = self._rows("SELECT * FROM reader WHERE grp = ? AND topic = ?", "a reader's offset", (group, topic))
        return int(rows[0][2]) if rows else 0

    def save_offset(self, group: str, topic: str, offset: int) -> None:
        row = (group, topic, offset)
        with self._transaction() as connection:
            connection.execute(
                'INSERT INTO reader VALUES (?,?,?,?) ON CONFLICT (grp, topic) DO UPDATE SET "offset" = excluded."offset", '
                'seal = excluded.seal WHERE excluded."offset" > "offset"',
                (*row, _seal(*row)),
            )

    def check(self) -> list[str]:
        found = [f"{self._path}: {row[0]}" for row in self._select("PRAGMA integrity_check") if row[0] != "ok"]
        return found or list(self._unsound())

    def _unsound(self) -> Iterator[str]:
        """Yield what SQLite does not notice: changed texts and numbers, and what does not belong together."""
        schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
        with closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(_SCHEMA)
            if self._select(schema) != fresh.execute(schema).fetchall():
                yield f"{self._path}: its tables are not those that were made"
                return
        changed = False
        for table in ("memo", "batch", "reservation", "features", "alias", "sighting", "outbox", "log", "reader", "run"):
            start = 1 if table == "log" else 0  # the offset comes before what is sealed
            rows = self._select(f"SELECT * FROM {table}")
            broken = sum(row[-1] != _seal(*row[start:-1]) for row in rows)
            if broken:
                changed = True
                yield f"{self._path}: {broken} of {len(rows)} rows of the table {table} are not what was written"
        made = set() if changed else {(source, one.memo) for one in self.remembered() for source in one.contents}
        if not changed and made != set(self._select("SELECT source, memo FROM edge")):
            yield f"{self._path}: what was made from what is not what was written"

    def save_run(self, record: RunRecord) -> None:
        values = (record.id, record.pipeline, record.status, record.started, record.ended, json.dumps(record.summary))
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO run VALUES (?,?,?,?,?,?,?)", (*values, _seal(*values)))

    def runs(self, limit: int = 50) -> list[RunRecord]:
        return [_run(row) for row in self._rows("SELECT * FROM run ORDER BY started DESC LIMIT ?", "a run", (limit,))]

    def run(self, identity: str) -> RunRecord | None:
        rows = self._rows("SELECT * FROM run WHERE id >= ? AND id < ? ORDER BY id LIMIT 2", "a run", _prefix(identity))
        return _run(rows[0]) if len(rows) == 1 or (rows and rows[0][0] == identity) else None

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _memory(self, row: Sequence[Any]) -> Memory:
        if row[-1] != _seal(*row[:-1]):
            raise self._damaged("a result")
        _, recipe, contents, content, artifact, *rest, _ = row
        return Memory(recipe, tuple(json.loads(contents)), self._artifact(artifact, content), *rest)


_MEMORY = "SELECT memo.* FROM memo"
_REPLACED = ", ".join(
    f"{column} = excluded.{column}"
    for column in ("artifact", "digest", "label", "idx", "code", "params", "run", "created", "seal")
)


def _seal(*values: object) -> str:
    """Return the digest of a row. Numbers count as SQLite may give them back, whole ones as decimals too."""
    return digest.of_text(*(repr(float(value)) if isinstance(value, int | float) else repr(value) for value in values))


def _insert(connection: sqlite3.Connection, table: str, events: Sequence[Event]) -> None:
    rows = [(event.id, event.topic, event.key, json.dumps(event.payload), event.created) for event in events]
    query = f"INSERT OR IGNORE INTO {table} (id, topic, key, payload, created, seal) VALUES (?,?,?,?,?,?)"
    connection.executemany(query, [(*row, _seal(*row)) for row in rows])


def _write_features(connection: sqlite3.Connection, version: FeatureVersion) -> None:
    row = (version.id, version.view, version.identity, version.created, version.model_dump_json())
    connection.execute("INSERT OR REPLACE INTO features VALUES (?,?,?,?,?,?)", (*row, _seal(*row)))


def _event(row: Sequence[Any]) -> Event:
    identity, topic, key, payload, created = row
    return Event(identity, topic, key, json.loads(payload), created)


def _run(row: Sequence[Any]) -> RunRecord:
    identity, pipeline, status, started, ended, summary = row
    return RunRecord(identity, pipeline, status, started, ended, json.loads(summary))


def _prefix(text: str) -> tuple[str, str]:
    """Return the bounds of all texts that begin so."""
    return text, text + "\uffff"
