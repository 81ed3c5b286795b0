"""The catalog in a MongoDB: the networked implementation. No transaction is needed: whatever must be whole is one document.

A batch, or a version of features, and the event that announces it are one document. Numbers without gaps (of a dataset's
batches, of the log) are the largest plus one, and a unique index lets only one of two writers have it: the other one looks
again. So a number is not there before all the smaller ones are, and who reads in their order misses none.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine import digest
from engine.errors import Corrupt, HostError
from engine.names import Secret, new_id
from engine.stores import files, mongo
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

if TYPE_CHECKING:
    from engine.stores.mongo import Document

_VERSION = 2
_ATTEMPTS = 400  # of one of many writers that want the same number; the last ones wait 20 ms each
_MANY = 10_000  # recipes or memories in one call

_INDEXES: dict[str, dict[str, dict[str, Any]]] = {
    "memos": {
        "recipe": {"keys": ["recipe"]},
        "digest": {"keys": ["digest"]},
        "contents": {"keys": ["contents"]},
        "label": {"keys": ["label", "created"]},
    },
    "batches": {
        "id": {"keys": ["id"], "unique": True},
        "fingerprint": {"keys": ["dataset", "fingerprint"], "unique": True},
        "sequence": {"keys": ["dataset", "sequence"], "unique": True},
        "announced": {"keys": ["announced"], "partialFilterExpression": {"announced": False}},
    },
    "reservations": {"id": {"keys": ["id"], "unique": True}},
    "features": {
        "id": {"keys": ["id"], "unique": True},
        "view": {"keys": ["view", "created", "id"]},
        "announced": {"keys": ["announced"], "partialFilterExpression": {"announced": False}},
    },
    "aliases": {"pipeline": {"keys": ["pipeline", "name"], "unique": True}},
    "sightings": {"dataset": {"keys": ["dataset"]}},
    "log": {"offset": {"keys": ["offset"], "unique": True}, "topic": {"keys": ["topic", "offset"]}},
    "readers": {},
    "runs": {"started": {"keys": ["started"]}},
}
_UNSEALED = ("seal", "announced")
_NEWEST: Any = [("sequence", -1)]


class MongoCatalog(Catalog):
    """The catalog in one database of a MongoDB, a single server or a replica set; any number of processes use it.

    A write returns once a majority has it on disk. Every document carries a digest of its own, so that one which was
    changed by others is noticed.
    """

    def __init__(self, uri: Secret, database: str) -> None:
        """Connect, and make the indexes of a database that is new."""
        self._uri, self._name = uri, database
        self._db = mongo.database(uri, database)
        with mongo.explained(uri, "opening the catalog"):
            self._prepare()

    def _prepare(self) -> None:
        version = self._db["catalog"].find_one({"_id": "version"})
        if version is None:
            self._make_indexes()
            self._put("catalog", {"_id": "version", "version": _VERSION})
        elif version["version"] != _VERSION:
            newer = version["version"] > _VERSION
            raise HostError(
                f"{self} was written by {'a newer' if newer else 'an older'} Levada",
                expected=f"version {_VERSION}",
                found=f"version {version['version']}",
                hint="upgrade Levada, or name another store.database" if newer else "name another store.database",
            )

    def _make_indexes(self) -> None:
        from pymongo import IndexModel

        for collection, indexes in _INDEXES.items():
            models = []
            for name, index in indexes.items():
                options = {option: value for option, value in index.items() if option != "keys"}
                models.append(IndexModel([(key, 1) for key in index["keys"]], name=name, **options))
            if models:
                self._db[collection].create_indexes(models)

    def __str__(self) -> str:
        return f"the catalog in the database {self._name} at {mongo.shown(self._uri)}"

    def _put(self, collection: str, document: Document) -> None:
        """Insert or replace a document; of two that insert it at once the server may refuse one, once."""
        from pymongo.errors import DuplicateKeyError

        query, sealed = {"_id": document["_id"]}, _sealed(document)
        try:
            self._db[collection].replace_one(query, sealed, upsert=True)
        except DuplicateKeyError:
            self._db[collection].replace_one(query, sealed, upsert=True)

    def _find(self, collection: str, query: Document, **options: Any) -> list[Document]:
        """Return documents whose seals are right."""
        with mongo.explained(self._uri, "reading the catalog"):
            found = list(self._db[collection].find(query, **options))
        if any(one.get("seal") != _seal(one) for one in found):
            raise self._damaged(collection)
        return found

    def known(self, recipes: Iterable[str]) -> Known:
        found: dict[str, dict[str, Artifact]] = {}
        wanted = sorted(set(recipes))
        fields = {"recipe": 1, "artifact": 1, "digest": 1}
        with mongo.explained(self._uri, "reading the catalog"):
            for first in range(0, len(wanted), _MANY):
                for one in self._db["memos"].find({"recipe": {"$in": wanted[first : first + _MANY]}}, fields):
                    found.setdefault(one["recipe"], {})[one["_id"]] = self._artifact(one)
        return found

    def _artifact(self, document: Document) -> Artifact:
        """Return an artifact that was written down; its digest, which covers all of it, says whether it still is that."""
        try:
            artifact = Artifact.from_json(document["artifact"])
        except (ValueError, TypeError, KeyError):
            artifact = None
        if artifact is None or artifact.digest != document.get("digest"):
            raise self._damaged("memos")
        return artifact

    def _damaged(self, collection: str) -> Corrupt:
        what = f"a document in the collection {collection} of {self} is not what was written"
        return Corrupt(what, hint="restore it from a backup")

    def remember(self, memories: Sequence[Memory]) -> None:
        from pymongo import ReplaceOne
        from pymongo.errors import BulkWriteError

        changes = [ReplaceOne({"_id": one.memo}, _remembered(one), upsert=True) for one in memories]
        with mongo.explained(self._uri, "writing the catalog"):
            for first in range(0, len(changes), _MANY):
                some = changes[first : first + _MANY]
                try:
                    self._db["memos"].bulk_write(some, ordered=False)
                except BulkWriteError as error:
                    if not mongo.only_duplicates(error):
                        raise
                    self._db["memos"].bulk_write(some, ordered=False)  # another one made some of them at this moment

    def history(self, label: str) -> list[Memory]:
        return self._memories({"label": label}, [("created", -1), ("_id", 1)])

    def origin(self, content: str) -> Memory | None:
        found = self._memories({"digest": _beginning(content)}, [("created", 1)], limit=1)
        return found[0] if found else None

    def uses(self, content: str) -> list[Memory]:
        return self._memories({"contents": content}, [("created", 1)])

    def remembered(self) -> Iterator[Memory]:
        return iter(self._memories({}, None))

    def _memories(self, query: Document, order: list[tuple[str, int]] | None, limit: int = 0) -> list[Memory]:
        return [self._memory(one) for one in self._find("memos", query, sort=order, limit=limit)]

    def _memory(self, one: Document) -> Memory:
        rest = (one[name] for name in ("label", "index", "code", "params", "run", "created"))
        return Memory(one["recipe"], tuple(one["contents"]), self._artifact(one), *rest)

    def forget(self, memos: Iterable[str]) -> None:
        gone = list(memos)
        with mongo.explained(self._uri, "writing the catalog"):
            for first in range(0, len(gone), _MANY):
                self._db["memos"].delete_many({"_id": {"$in": gone[first : first + _MANY]}})

    def reserve(self, dataset: str, key: str, new_id: str) -> str:
        identity, reservations = digest.of_text(dataset, key), self._db["reservations"]
        with mongo.explained(self._uri, f"reserving a batch of {dataset}"):
            for _ in _attempts():
                for found in self._find("reservations", {"_id": identity}):
                    if self._db["batches"].find_one({"id": found["id"]}, {"_id": 1}) is None:
                        now = _sealed({**found, "created": time.time()})
                        if reservations.replace_one({"_id": identity, "id": found["id"]}, now).matched_count:
                            return str(found["id"])
                        break  # it was given up in between
                    reservations.delete_one({"_id": identity, "id": found["id"]})  # left by one that ended while committing
                fresh = {"_id": identity, "id": new_id, "dataset": dataset, "key": key, "created": time.time()}
                self._insert("reservations", [fresh])
        raise self._busy()

    def release(self, identity: str, *, before: float | None = None) -> bool:
        query = {"id": identity} if before is None else {"id": identity, "created": {"$lt": before}}
        with mongo.explained(self._uri, "writing the catalog"):
            return self._db["reservations"].delete_one(query).deleted_count == 1

    def reservations(self) -> list[Reservation]:
        found = self._find("reservations", {}, sort=[("created", 1), ("id", 1)])
        with mongo.explained(self._uri, "reading the catalog"):
            used = set(self._db["batches"].distinct("id", {"id": {"$in": [one["id"] for one in found]}}))
        return [Reservation(one["id"], one["dataset"], one["created"]) for one in found if one["id"] not in used]

    def commit(self, batch: Batch) -> Batch:
        from pymongo.errors import DuplicateKeyError

        with mongo.explained(self._uri, f"committing a batch of {batch.dataset}"):
            for _ in _attempts():
                try:
                    done = self._commit(batch)
                except DuplicateKeyError:  # another one took the number or the id, or committed this fingerprint
                    continue
                self._db["reservations"].delete_one({"id": batch.id})
                return done
        raise self._busy()

    def _commit(self, batch: Batch) -> Batch:
        reserved = self._renewed(batch.id)  # before it is looked whether the id is taken: who takes it gives this up later
        for there in self._find("batches", {"dataset": batch.dataset, "fingerprint": batch.fingerprint}):
            return Batch.model_validate_json(there["record"])
        batches = self._db["batches"]
        taken = batches.find_one({"id": batch.id}, {"_id": 1}) is not None
        if not reserved and not taken:
            raise given_up(batch)
        last = batches.find_one({"dataset": batch.dataset}, {"sequence": 1}, sort=_NEWEST)
        own = {
            "id": new_id() if taken else batch.id,
            "sequence": last["sequence"] + 1 if last else 1,
            "created": round(time.time(), 3),
        }
        done = batch.model_copy(update=own)
        files.reached("catalog.begun")
        batches.insert_one(_written(done))
        files.reached("catalog.committed")
        return done

    def _renewed(self, identity: str) -> bool:
        """Make a reservation young, so that nobody gives it up for its age, and say whether there is one."""
        renewed = (_sealed({**found, "created": time.time()}) for found in self._find("reservations", {"id": identity}))
        replace = self._db["reservations"].replace_one
        return any(replace({"_id": one["_id"], "id": identity}, one).matched_count == 1 for one in renewed)

    def batches(self, dataset: str | None = None) -> list[Batch]:
        query = {} if dataset is None else {"dataset": dataset}
        # Along this index a batch that is committed meanwhile lies behind all that were read: none is left out in between.
        found = self._find("batches", query, sort=[("dataset", 1), ("sequence", 1)], hint="sequence")
        return [Batch.model_validate_json(one["record"]) for one in found]

    def commit_features(self, version: FeatureVersion) -> FeatureVersion:
        from pymongo.errors import DuplicateKeyError

        done = version.model_copy(update={"created": round(time.time(), 3)})
        document = {"_id": done.identity, "id": done.id, "view": done.view, "created": done.created}
        event = {"event": new_id(), "announced": False}
        with mongo.explained(self._uri, f"committing features of {version.view}"):
            for there in self._find("features", {"_id": done.identity}):
                return self._restored(there)
            files.reached("catalog.begun")
            try:
                self._db["features"].insert_one(_sealed({**document, "record": done.model_dump_json(), **event}))
            except DuplicateKeyError:  # another one has just committed the same
                return self._restored(self._find("features", {"_id": done.identity})[0])
            files.reached("catalog.committed")
        return done

    def _restored(self, document: Document) -> FeatureVersion:
        found = FeatureVersion.model_validate_json(document["record"])
        return found if found.retired is None else self._retired(document, found, None)

    def _retired(self, document: Document, version: FeatureVersion, when: float | None) -> FeatureVersion:
        """Change when a version was retired, and nothing that may have changed meanwhile."""
        done = version.model_copy(update={"retired": when})
        record = {"record": done.model_dump_json()}
        changed = {**record, "seal": _seal({**document, **record})}
        self._db["features"].update_one({"_id": document["_id"]}, {"$set": changed})
        return done

    def find_features(self, identity: str) -> FeatureVersion | None:
        found = self._find("features", {"_id": identity})
        return FeatureVersion.model_validate_json(found[0]["record"]) if found else None

    def features(self, view: str | None = None) -> list[FeatureVersion]:
        query = {} if view is None else {"view": view}
        found = self._find("features", query, sort=[("view", 1), ("created", 1), ("id", 1)])
        return [FeatureVersion.model_validate_json(one["record"]) for one in found]

    def retire(self, versions: Iterable[str]) -> None:
        found = self._find("features", {"id": {"$in": list(versions)}})
        with mongo.explained(self._uri, "writing the catalog"):
            for one in found:
                self._retired(one, FeatureVersion.model_validate_json(one["record"]), round(time.time(), 3))

    def move_alias(self, alias: Alias) -> Alias:
        from pymongo.errors import DuplicateKeyError

        done = alias.model_copy(update={"changed": round(time.time(), 3)})
        key = {"_id": digest.of_text(done.pipeline, done.name)}
        names = {"pipeline": done.pipeline, "name": done.name, "version": done.version}
        new, aliases = _sealed({**key, **names, "record": done.model_dump_json()}), self._db["aliases"]
        with mongo.explained(self._uri, "writing the catalog"):
            try:
                if alias.before is None:
                    aliases.insert_one(new)
                    return done
                if aliases.replace_one({**key, "version": alias.before}, new).matched_count == 1:
                    return done
            except DuplicateKeyError:  # there is one by now
                pass
        found = self._find("aliases", key)
        raise moved_meanwhile(alias, found[0]["version"] if found else None)

    def aliases(self, pipeline: str | None = None) -> list[Alias]:
        query = {} if pipeline is None else {"pipeline": pipeline}
        found = self._find("aliases", query, sort=[("pipeline", 1), ("name", 1)])
        return [Alias.model_validate_json(one["record"]) for one in found]

    def see(self, dataset: str, source: str, fingerprint: str, content: str) -> None:
        values = {"dataset": dataset, "source": source, "fingerprint": fingerprint, "digest": content}
        with mongo.explained(self._uri, "writing the catalog"):
            self._put("sightings", {"_id": digest.of_text(dataset, source), **values})

    def seen(self, dataset: str) -> dict[str, tuple[str, str]]:
        return {one["source"]: (one["fingerprint"], one["digest"]) for one in self._find("sightings", {"dataset": dataset})}

    def outbox(self) -> list[Event]:
        batches, versions = (self._find(name, {"announced": False}) for name in ("batches", "features"))
        events = [
            *(committed_event(Batch.model_validate_json(one["record"]), one["event"]) for one in batches),
            *(available_event(FeatureVersion.model_validate_json(one["record"]), one["event"]) for one in versions),
        ]
        return sorted(events, key=lambda event: (event.created, event.id))

    def announced(self, events: Iterable[str]) -> None:
        query = {"announced": False, "event": {"$in": list(events)}}
        with mongo.explained(self._uri, "writing the catalog"):
            for name in ("batches", "features"):
                self._db[name].update_many(query, {"$unset": {"announced": ""}})

    def log(self, events: Sequence[Event]) -> None:
        log, by_id = self._db["log"], {event.id: event for event in events}
        with mongo.explained(self._uri, "writing the log"):
            for _ in _attempts():
                for one in log.find({"_id": {"$in": list(by_id)}}, {"_id": 1}):
                    del by_id[one["_id"]]
                if not by_id:
                    return
                last = log.find_one({}, {"offset": 1}, sort=[("offset", -1)])
                first = last["offset"] + 1 if last else 1
                self._insert("log", [_logged(event, offset) for offset, event in enumerate(by_id.values(), first)])
        raise self._busy()

    def logged(self, topic: str, after: int, limit: int) -> list[tuple[int, Event]]:
        if limit < 1:  # which MongoDB takes for no limit
            return []
        found = self._find("log", {"topic": topic, "offset": {"$gt": after}}, sort=[("offset", 1)], limit=limit)
        return [(one["offset"], _event(one)) for one in found]

    def offset(self, group: str, topic: str) -> int:
        found = self._find("readers", {"_id": digest.of_text(group, topic)})
        return int(found[0]["offset"]) if found else 0

    def save_offset(self, group: str, topic: str, offset: int) -> None:
        from pymongo.errors import DuplicateKeyError

        new = _sealed({"_id": digest.of_text(group, topic), "group": group, "topic": topic, "offset": offset})
        readers, query = self._db["readers"], {"_id": new["_id"], "offset": {"$lt": offset}}
        with mongo.explained(self._uri, "writing the catalog"):
            try:
                readers.replace_one(query, new, upsert=True)
            except DuplicateKeyError:  # it is there: as far as this at least, or since just now
                readers.replace_one(query, new)

    def check(self) -> list[str]:
        return list(self._unsound())

    def _unsound(self) -> Iterator[str]:
        with mongo.explained(self._uri, "reading the catalog"):
            for collection, indexes in _INDEXES.items():
                there = self._db[collection].index_information()
                lost = [name for name in indexes if name not in there]
                if lost:
                    yield f"{self}: the collection {collection} has no index {', '.join(lost)}"
                sound = [one.get("seal") == _seal(one) for one in self._db[collection].find()]
                if not all(sound):
                    count = f"{sound.count(False)} of {len(sound)} documents of the collection {collection}"
                    yield f"{self}: {count} are not what was written"

    def save_run(self, record: RunRecord) -> None:
        values = {**asdict(record), "summary": json.dumps(record.summary)}
        with mongo.explained(self._uri, "writing the catalog"):
            self._put("runs", {"_id": values.pop("id"), **values})

    def runs(self, limit: int = 50) -> list[RunRecord]:
        return [_run(one) for one in self._find("runs", {}, sort=[("started", -1)], limit=limit)]

    def run(self, identity: str) -> RunRecord | None:
        found = self._find("runs", {"_id": _beginning(identity)}, sort=[("_id", 1)], limit=2)
        return _run(found[0]) if len(found) == 1 or (found and found[0]["_id"] == identity) else None

    def close(self) -> None:
        """Nothing is held: the connection belongs to the process, for whoever opens the same address next."""

    def _busy(self) -> HostError:
        return HostError(f"{self} is too busy: others were quicker {_ATTEMPTS} times", hint="run again when fewer others write")

    def _insert(self, collection: str, documents: list[Document]) -> None:
        """Insert in this order, up to the first that is there already."""
        from pymongo.errors import BulkWriteError

        try:
            self._db[collection].insert_many([_sealed(one) for one in documents], ordered=True)
        except BulkWriteError as error:
            if not mongo.only_duplicates(error):
                raise


def _attempts() -> Iterator[int]:
    """Count attempts, and wait a little between them, at random: writers that met once should not meet again."""
    for attempt in range(_ATTEMPTS):
        yield attempt
        time.sleep(random.uniform(0, 0.002 * 2 ** min(attempt, 4)))  # noqa: S311  # no secret


def _seal(document: Document) -> str:
    """Return the digest of what a document says, but for what may change."""
    return digest.of_value({name: value for name, value in document.items() if name not in _UNSEALED})


def _sealed(document: Document) -> Document:
    return {**document, "seal": _seal(document)}


def _remembered(one: Memory) -> Document:
    values = {name: getattr(one, name) for name in ("recipe", "label", "index", "code", "params", "run", "created")}
    artifact = {"artifact": one.artifact.to_json(), "digest": one.artifact.digest}
    return _sealed({"_id": one.memo, **values, **artifact, "contents": list(one.contents)})


def _written(batch: Batch) -> Document:
    """Return a batch as it is committed, with the event that waits to be announced."""
    values = {name: getattr(batch, name) for name in ("id", "dataset", "fingerprint", "sequence", "created")}
    identity = digest.of_text(batch.dataset, batch.fingerprint)
    return _sealed({"_id": identity, **values, "record": batch.model_dump_json(), "event": new_id(), "announced": False})


def _logged(event: Event, offset: int) -> Document:
    values = {**asdict(event), "payload": json.dumps(event.payload), "offset": offset}
    return {"_id": values.pop("id"), **values}


def _event(one: Document) -> Event:
    return Event(one["_id"], one["topic"], one["key"], json.loads(one["payload"]), one["created"])


def _run(one: Document) -> RunRecord:
    return RunRecord(one["_id"], one["pipeline"], one["status"], one["started"], one["ended"], json.loads(one["summary"]))


def _beginning(text: str) -> Document:
    """Return the condition of all texts that begin so."""
    return {"$gte": text, "$lt": text + "\uffff"}
