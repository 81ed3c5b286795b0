"""Opens collections of MongoDB for reading, and says in words what went wrong there, never with a password."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, quote_plus, unquote_plus

from engine.errors import ConfigError, DataError, HostError, LevadaError, nearest
from engine.names import Secret
from plugins.extractors._ranges import Key, Range, family, is_key

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.errors import PyMongoError

Document: TypeAlias = Mapping[str, Any]
Query: TypeAlias = dict[str, Any]

BATCH_DOCUMENTS = 5_000
"""Documents that are in memory at once, as Python's objects."""

CONNECT_MILLISECONDS = 10_000


@contextmanager
def opened(uri: Secret, database: str, collection: str, *, raw: bool = False) -> Iterator[Collection[Any]]:
    """Yield a collection. Documents come as they are stored, undecoded, when they are to be ``raw``.

    Errors of the driver become ours: ``ConfigError`` for a URI that is none, ``HostError`` for what can not be reached.
    """
    try:
        from bson.raw_bson import RawBSONDocument
        from pymongo import MongoClient
        from pymongo.errors import PyMongoError
    except ImportError:
        raise HostError("reading MongoDB needs pymongo", hint="pip install 'levada[mongo]'") from None
    text = uri.get_secret_value()
    options = _options(RawBSONDocument if raw else dict)
    waits: dict[str, Any] = (
        {} if "serverselectiontimeoutms" in text.lower() else {"serverSelectionTimeoutMS": CONNECT_MILLISECONDS}
    )
    try:
        try:
            client: MongoClient[Any] = MongoClient(text, maxPoolSize=2, **waits)
        except ValueError:  # a port that is no number
            raise ConfigError("the uri is none", expected="mongodb://user:password@host:27017/") from None
        try:
            yield client[database].get_collection(collection, codec_options=options)
        finally:
            client.close()
    except PyMongoError as error:
        raise _explained(error, text, f"{database}.{collection}") from None


def _options(document_class: type[Any]) -> Any:
    from bson import CodecOptions
    from bson.binary import UuidRepresentation
    from bson.codec_options import DatetimeConversion

    return CodecOptions(
        document_class=document_class,
        tz_aware=True,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    )


def decoded(raw: Any) -> Document | None:
    """Return an undecoded document's fields, None when it is no valid one."""
    from bson import decode
    from bson.errors import InvalidBSON

    try:
        fields: Document = decode(raw.raw, _options(dict))
    except InvalidBSON:
        return None
    return fields


def _explained(error: PyMongoError, uri: str, where: str) -> LevadaError:
    from pymongo import errors

    found = " ".join(_masked(str(error), uri).split())[:300]
    if isinstance(error, errors.InvalidURI | errors.ConfigurationError | errors.InvalidName):
        return ConfigError("MongoDB can not be asked so", where=where, found=found, hint="mongodb://user:password@host:27017/")
    if isinstance(error, errors.OperationFailure) and error.code not in _HOST_CODES:
        return ConfigError("MongoDB does not do what it is asked", where=where, found=found)
    return HostError("MongoDB can not be reached", where=where, found=found)


_HOST_CODES = frozenset({18, 11600, 11602, 91, 189, 43, 50, 262, 89})
"""Wrong password, shutting down, stepping down, a cursor that is gone, out of time: trying again may help."""


def _masked(text: str, uri: str) -> str:
    """Return a driver's message without the password, in whatever way it may have been written."""
    credentials = uri.partition("://")[2].rpartition("@")[0]
    password = credentials.partition(":")[2]
    for form in filter(None, (password, unquote_plus(password), quote(password, safe=""), quote_plus(password))):
        text = text.replace(form, "***")
    return text


def check(collection: Collection[Any]) -> None:
    """Raise ``DataError`` when there is no such collection: MongoDB itself takes it for an empty one."""
    known = collection.database.list_collection_names()
    if collection.name not in known:
        near = nearest(collection.name, known)
        where = f"the database {collection.database.name}"
        raise DataError(f"no collection '{collection.name}'", where=where, hint=f"did you mean '{near}'?" if near else "")


def condition(field: str, found: Range) -> Query:
    """Return a range as a condition on a field."""
    if found.nulls == "only":
        return {field: None}
    bounds: Query = {}
    if found.low is not None:
        bounds["$gte" if found.low_included else "$gt"] = to_bson(found.low)
    if found.high is not None:
        bounds["$lte" if found.high_included else "$lt"] = to_bson(found.high)
    if found.nulls == "also":
        return {"$or": [{field: bounds}, {field: None}]} if bounds else {}
    return {field: bounds} if bounds else {field: {"$ne": None}}


def extremes(collection: Collection[Any], field: str, query: Query) -> tuple[Key, Key] | None:
    """Return the least and largest value of a field, None when it has none.

    Raises ``DataError`` when they are of different types: MongoDB orders by type first, and ranges would leave rows out.
    """
    filled = {"$and": [query, {field: {"$ne": None}}]}
    ends = []
    for direction in (1, -1):
        cursor = collection.find(filled, {field: 1}).sort(field, direction).limit(1)
        ends += [_key(document, field) for document in cursor]
    if not ends:
        return None
    if not all(is_key(end) for end in ends) or family(ends[0]) != family(ends[1]):
        found = " and ".join(sorted({type(end).__name__ for end in ends}))
        raise DataError(f"the field '{field}' can not tell what is newer", expected="values of one type", found=found)
    return ends[0], ends[1]


def _key(document: Document, field: str) -> Any:
    value: Any = document
    for part in field.split("."):
        value = value[part]
    return from_bson(value)


def from_bson(value: Any) -> Any:
    """Return a number of MongoDB's as Python's own."""
    name = type(value).__name__
    return int(value) if name == "Int64" else value.to_decimal() if name == "Decimal128" else value


def to_bson(key: Key) -> Any:
    """Return a key as MongoDB takes it."""
    if type(key).__name__ == "Decimal":
        from bson.decimal128 import Decimal128

        return Decimal128(str(key))
    return key


def firsts(collection: Collection[Any], query: Query, documents: int) -> list[Any] | None:
    """Return the ids with which every so many documents begin, in order; None when they are of several types.

    Ids are walked along their index: each step begins where the last one ended.
    """
    try:
        ends = extremes(collection, "_id", query)
    except DataError:
        return None
    found: list[Any] = [ends[0]] if ends else []
    while found:
        later = {"$and": [query, {"_id": {"$gte": to_bson(found[-1])}}]}
        step = list(collection.find(later, {"_id": 1}).sort("_id", 1).skip(documents).limit(1))
        if not step:
            break
        found.append(from_bson(step[0]["_id"]))
    return found


def batches(collection: Collection[Any], query: Query, projection: Query | None, limit: int = 0) -> Iterator[Sequence[Any]]:
    """Yield documents by their ids, in batches; the first few only when there is a ``limit``."""
    rows: list[Any] = []
    with collection.find(query, projection, batch_size=BATCH_DOCUMENTS, limit=limit).sort("_id", 1) as cursor:
        for document in cursor:
            rows.append(document)
            if len(rows) == BATCH_DOCUMENTS:
                yield rows
                rows = []
    if rows:
        yield rows
