"""Ingested rows as documents of a MongoDB: the networked raw store.

A row is a document of the collection ``raw.<dataset>`` or ``quarantine.<dataset>``: its columns, and ``_batch``,
``_partition`` and ``_row`` (from 1). A piece, which is a partition of a batch, is there once the collection ``partitions``
says so: that record is written last. What a writer that was stopped leaves is named by none, and the next one completes it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from engine import digest
from engine.errors import Corrupt, HostError
from engine.names import Secret
from engine.schemas import columns_of, schema_of
from engine.stores import files, mongo
from engine.stores.artifacts import Artifact
from engine.stores.commit import NAME_LENGTH, StoredFile
from engine.stores.mongo_columns import Form, content_digest, field
from engine.stores.raw import Found, RawStore, Slot

if TYPE_CHECKING:
    from pymongo.database import Database

    from engine.stores.mongo import Document, Rows

SLICE = 131_072
"""How many rows are in memory at once while writing or, as documents, while reading."""

INSERT = 10_000
"""How many documents are sent in one call; the driver cuts it further where they are large."""

_SAMPLE = 64  # one document in so many is measured
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece is: its area, dataset and batch, and the name that it has there, ``0003-<digest>``."""

    area: str
    dataset: str
    batch: str
    name: str

    @classmethod
    def parse(cls, path: str) -> _Place:
        _, area, dataset, batch, name = path.split("/")
        return cls(area, dataset, batch.removeprefix("batch="), name)

    @property
    def path(self) -> str:
        return f"mongodb/{self.area}/{self.dataset}/batch={self.batch}/{self.name}"

    @property
    def collection(self) -> str:
        return f"{self.area}.{self.dataset}"

    @property
    def rows(self) -> Document:
        """The query for its rows."""
        return {"_batch": self.batch, "_partition": self.name}

    def __str__(self) -> str:
        return f"partition {self.name} of batch {self.batch} in the collection {self.collection}"


class MongoRaw(RawStore):
    """Rows as documents, read back through PyMongoArrow with their types as they were.

    Every write waits until a majority has it on disk. Equal rows of a slot have one name, and a unique index keeps each row
    once: any number of writers may keep the same rows at once.
    """

    def __init__(self, uri: Secret, database: str) -> None:
        self._uri, self._database = uri, database
        self._verified: set[tuple[str, str]] = set()

    def __reduce__(self) -> tuple[object, ...]:
        return MongoRaw, (self._uri, self._database)

    def put(self, file: Path, slot: Slot) -> Artifact:
        frame = pl.scan_parquet(file, glob=False)
        schema = frame.collect_schema()
        rows = int(frame.select(pl.len()).collect().item())
        content = content_digest(schema, _slices(frame, rows))
        place = _Place(slot.area, slot.dataset, slot.batch, f"{slot.number:04d}-{content[:NAME_LENGTH]}")
        artifact = self._kept(place, content)
        if artifact is None:
            form = Form.of(frame)
            with mongo.explained(self._uri, f"writing {place}"):
                size = self._insert(place, form, frame, rows)
                files.reached("rows.written")
                artifact = Artifact(digest.canonical(None), StoredFile(place.path, content, size), rows)
                self._finish(place, artifact, form)
                files.reached("rows.kept")
        files.remove(file)
        return artifact

    def _kept(self, place: _Place, content: str) -> Artifact | None:
        """Return what refers to a piece that is there already; what is there and spoilt is removed."""
        with mongo.explained(self._uri, f"reading {place}"):
            record = self._partitions.find_one({"_id": place.path})
        if record is None:
            return None
        artifact = Artifact(digest.canonical(None), StoredFile(place.path, content, record["bytes"]), record["rows"])
        try:
            self.check(artifact)
        except (Corrupt, HostError):
            self.remove(place.path)  # when it is the host that fails, this does too
            return None
        return artifact

    def _insert(self, place: _Place, form: Form, frame: pl.LazyFrame, rows: int) -> int:
        """Write the documents that are not there yet and return the bytes of all of them, more or less."""
        from pymongo import IndexModel

        collection = self._rows(place)
        keys = [("_batch", 1), ("_partition", 1), ("_row", 1)]
        collection.create_indexes([IndexModel(keys, unique=True, name="piece")])
        for _ in range(_ATTEMPTS):
            size, alone = _insert_all(collection, place, form, frame, rows)
            if alone or collection.count_documents(place.rows) == rows:
                return size
        raise HostError(f"{place} does not stay: somebody removes it", hint="is another process cleaning up?")

    def _finish(self, place: _Place, artifact: Artifact, form: Form) -> None:
        assert artifact.file is not None, "it is what was just written"
        record = {
            "_id": place.path,
            "area": place.area,
            "dataset": place.dataset,
            "batch": place.batch,
            "partition": place.name,
            "rows": artifact.rows,
            "bytes": artifact.file.bytes,
            "digest": artifact.file.digest,
            "columns": digest.canonical([list(one) for one in columns_of(form.schema)]),
            "dates": list(form.dates),
            "nans": list(form.nans),
            "created": time.time(),
        }
        self._partitions.replace_one({"_id": place.path}, record, upsert=True)

    def scan(self, artifact: Artifact) -> pl.LazyFrame:
        return self._frame(artifact, known=self._verified).lazy()

    def check(self, artifact: Artifact) -> None:
        self._frame(artifact, known=set())

    def _frame(self, artifact: Artifact, known: set[tuple[str, str]]) -> pl.DataFrame:
        """Return the rows of a piece; its digest is not made where it is known to be right."""
        assert artifact.file is not None, "rows are always kept somewhere"
        place, content = _Place.parse(artifact.file.path), artifact.file.digest
        frame = self._read(place, artifact.rows or 0)
        if (place.path, content) not in known:
            if content_digest(frame.schema, [frame]) != content:
                raise self._spoilt(place, "rows with another digest", f"rows with digest {content}")
            known.add((place.path, content))
        return frame

    def _read(self, place: _Place, rows: int) -> pl.DataFrame:
        with mongo.explained(self._uri, f"reading {place}"):
            record = self._partitions.find_one({"_id": place.path})
            if record is None:
                raise HostError(f"{place} is gone from {self}", hint="run again: what is missing is made anew")
            try:
                form = Form(schema_of(json.loads(record["columns"])), tuple(record["dates"]), tuple(record["nans"]))
                collection = self._rows(place)
                pieces = [self._slice(collection, place, form, start) for start in range(0, rows, SLICE)]
                found = pl.concat(pieces) if pieces else form.schema.to_frame()
            except (pl.exceptions.PolarsError, KeyError, TypeError, ValueError, OverflowError) as error:
                raise self._spoilt(
                    place, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                ) from error
        if found.height != rows:
            raise self._spoilt(place, f"{found.height} rows", f"{rows} rows")
        return found

    def _slice(self, collection: Rows, place: _Place, form: Form, start: int) -> pl.DataFrame:
        """Read the rows after the first ``start``."""
        from pymongoarrow.api import find_arrow_all

        query = {**place.rows, "_row": {"$gt": start, "$lte": start + SLICE}}
        table = find_arrow_all(collection, query, schema=form.arrow_schema())
        nested: list[Document] = []
        if form.nested:
            fields = {"_id": 0, "_row": 1, **dict.fromkeys(map(field, form.nested), 1)}
            nested = sorted(collection.find(query, fields), key=itemgetter("_row"))
        return form.frame(table, nested)

    def _spoilt(self, place: _Place, found: str, expected: str = "") -> Corrupt:
        hint = "remove the rows and run again: they are made anew"
        return Corrupt(f"{place} of {self} is not what was written", expected=expected, found=found, hint=hint)

    def holds(self, artifact: Artifact) -> bool:
        assert artifact.file is not None, "rows are always kept somewhere"
        place = _Place.parse(artifact.file.path)
        with mongo.explained(self._uri, f"reading {place}"):
            record = self._partitions.find_one({"_id": place.path, "digest": artifact.file.digest, "rows": artifact.rows})
            return record is not None and self._rows(place).count_documents(place.rows) == artifact.rows

    def found(self) -> Iterator[Found]:
        with mongo.explained(self._uri, "reading what is kept"):
            now = time.time()
            finished = {one["_id"]: one for one in self._partitions.find({}, {"bytes": 1, "created": 1})}
            for name in sorted(self._db.list_collection_names()):
                area, _, dataset = name.partition(".")
                if area in ("raw", "quarantine") and dataset:
                    for batch, partition in self._pieces(name):
                        place = _Place(area, dataset, batch, partition)
                        if place.path not in finished:
                            yield self._unfinished(place, now)
        for path, record in sorted(finished.items()):
            yield Found(path, record["bytes"], now - record["created"])

    def _pieces(self, collection: str) -> Iterator[tuple[str, str]]:
        """Yield the batches and names of the pieces that a collection has rows of; the index alone is read."""
        rows = self._db[collection]
        for batch in sorted(rows.distinct("_batch")):
            for name in sorted(rows.distinct("_partition", {"_batch": batch})):
                yield batch, name

    def _unfinished(self, place: _Place, now: float) -> Found:
        sums = {"_id": None, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}, "newest": {"$max": "$_id"}}
        (total,) = self._rows(place).aggregate([{"$match": place.rows}, {"$group": sums}])
        return Found(place.path, total["bytes"], now - total["newest"].generation_time.timestamp())

    def remove(self, path: str) -> None:
        place = _Place.parse(path)
        with mongo.explained(self._uri, f"removing {place}"):
            self._partitions.delete_one({"_id": path})  # first: what is half gone must not look whole
            self._rows(place).delete_many(place.rows)

    def __str__(self) -> str:
        return f"the database {self._database} at {mongo.shown(self._uri)}"

    @property
    def _db(self) -> Database[Document]:
        return mongo.database(self._uri, self._database)

    @property
    def _partitions(self) -> Rows:
        return self._db["partitions"]

    def _rows(self, place: _Place) -> Rows:
        return self._db[place.collection]


def _slices(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    for start in range(0, rows, SLICE):
        yield frame.slice(start, SLICE).collect()


def _insert_all(collection: Rows, place: _Place, form: Form, frame: pl.LazyFrame, rows: int) -> tuple[int, bool]:
    """Insert what is not there yet; return about how many bytes all of it has, and whether nothing was there before.

    While the server writes some documents, the next ones are made.
    """
    from bson import encode

    size, alone = 0, True
    with ThreadPoolExecutor(1) as pool:
        writing: Future[bool] | None = None
        for documents in _documents(place, form, frame, rows):
            sample = documents[::_SAMPLE]
            size += sum(len(encode(document)) for document in sample) * len(documents) // len(sample)
            alone = (writing is None or writing.result()) and alone
            writing = pool.submit(_insert, collection, documents)
        return size, (writing is None or writing.result()) and alone


def _documents(place: _Place, form: Form, frame: pl.LazyFrame, rows: int) -> Iterator[list[Document]]:
    for start, piece in zip(range(0, rows, SLICE), _slices(frame, rows), strict=True):
        for first in range(0, piece.height, INSERT):
            documents = form.documents(piece[first : first + INSERT])
            for number, document in enumerate(documents, start + first + 1):
                document["_batch"], document["_partition"], document["_row"] = place.batch, place.name, number
            yield documents


def _insert(collection: Rows, documents: list[Document]) -> bool:
    """Insert documents, and say whether none of them was there before."""
    from pymongo.errors import BulkWriteError

    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if not mongo.only_duplicates(error):
            raise
        return False
    return True
