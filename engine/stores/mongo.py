"""The connection to a MongoDB that the catalog and the raw store share, and what its errors mean to people."""

from __future__ import annotations

import atexit
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError, DataError, HostError, LevadaError
from engine.names import Secret

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.collection import Collection
    from pymongo.database import Database

    Document = dict[str, Any]
    Rows = Collection[Document]

DUPLICATE = 11000
"""The server's code for a document that a unique index already has."""

_REFUSED = (13, 18, 8000)  # not authorised, authentication failed, and how a hosted server says either
_TOO_LARGE = (10334, 17419, 17420)  # a document beyond 16 MB, also one that an update would make so
_SCHEMES = ("mongodb", "mongodb+srv")
_OPTIONS = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 120_000,  # a server that hangs is given up, not waited for without end
    "maxPoolSize": 8,
}


def database(uri: Secret, name: str) -> Database[Document]:
    """Return a database through this process's client of a server.

    What is written through it is on the disks of a majority when a call returns; what is read has been. One client, with
    a small pool, a process and address: connecting costs 4 MB and some milliseconds. Nothing is sent before it is used.
    """
    try:
        from pymongo import errors
        from pymongo.read_concern import ReadConcern
        from pymongo.read_preferences import ReadPreference
        from pymongo.write_concern import WriteConcern
    except ImportError as error:
        raise missing() from error
    if find_spec("pymongoarrow") is None:  # said now, and not after rows were written
        raise missing()
    try:
        client = _client(uri.get_secret_value(), os.getpid())
    except (errors.ConfigurationError, ValueError, TypeError):  # what they say may hold the password
        raise ConfigError(
            "the address of the MongoDB can not be understood",
            where="store.uri",
            expected="mongodb://host:27017, or mongodb://user:password@host:27017",
            hint="write @ : / ? % in a user's name or a password as %40 %3A %2F %3F %25",
        ) from None
    return client.get_database(
        name,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority", j=True),
    )


def missing() -> HostError:
    """Return the error of a Levada that was installed without what this needs."""
    return HostError("a store in MongoDB needs PyMongo and PyMongoArrow", hint="pip install 'levada[mongo]'")


@cache
def _client(uri: str, _pid: int) -> MongoClient[Document]:
    """Return the client of an address. A client does not survive a fork, so the process is part of what is asked."""
    from pymongo import MongoClient

    if uri.partition("://")[0] not in _SCHEMES:  # the driver would take all of it for the name of a host
        raise ValueError
    given = uri.partition("?")[2].lower()
    options: dict[str, Any] = {name: value for name, value in _OPTIONS.items() if f"{name.lower()}=" not in given}
    client: MongoClient[Document] = MongoClient(uri, appname="levada", **options)
    atexit.register(client.close)
    return client


def shown(uri: Secret) -> str:
    """Return an address without user, password and options, as messages may show it."""
    scheme, _, rest = uri.get_secret_value().partition("://")
    user, _, place = rest.rpartition("@")
    hosts = place.partition("?")[0]
    if scheme not in _SCHEMES:
        return "***"
    if not re.fullmatch(r"[\w.:,\[\]/-]*", hosts):  # a stray @ or ? and it may be a piece of the password
        hosts = "***"
    return f"{scheme}://{'***@' if user else ''}{hosts}"


@contextmanager
def explained(uri: Secret, what: str) -> Iterator[None]:
    """Turn whatever the driver raises into an error for people; ``what`` names what could not be read or written."""
    from pymongo import errors

    try:
        yield
    except errors.PyMongoError as error:
        raise _explained(error, uri, what) from error


def _explained(error: Exception, uri: Secret, what: str) -> LevadaError:
    from pymongo import errors

    where = f"the MongoDB at {shown(uri)}"
    code, said = _said(error)
    if isinstance(error, errors.DocumentTooLarge) or code in _TOO_LARGE:
        return DataError(f"{what} does not fit into {where}", expected="at most 16 MB in one document", found=said)
    if code in _REFUSED:
        return HostError(
            f"{where} refused {what}: {said}", hint="are the user and the password in store.uri right, and allowed to?"
        )
    if isinstance(error, errors.ConnectionFailure):
        return HostError(
            f"{where} can not be reached: {what} had to wait in vain", hint="is it running, and is store.uri right?"
        )
    return HostError(f"{where} could not do this: {what}: {said}")


def _said(error: Exception) -> tuple[int | None, str]:
    """Return the code of an error and its message, without the documents that a driver may put into it."""
    details: dict[str, Any] = getattr(error, "details", None) or {}
    for one in (*details.get("writeErrors", ()), *details.get("writeConcernErrors", ()), details):
        if "errmsg" in one:
            return one.get("code"), str(one["errmsg"])
    return getattr(error, "code", None), type(error).__name__ if details else str(error)


def only_duplicates(error: Any) -> bool:
    """Say whether all that went wrong with a bulk of writes is that documents were there already."""
    details = error.details or {}
    return not details.get("writeConcernErrors") and all(one["code"] == DUPLICATE for one in details["writeErrors"])
