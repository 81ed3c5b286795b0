"""The connection to a MongoDB, and what only the catalog in one does."""

from __future__ import annotations

import builtins
import pickle
from urllib.parse import urlsplit

import pytest

from engine.errors import ConfigError, Corrupt, HostError
from engine.names import Secret, new_id
from engine.stores import mongo
from engine.stores.catalog import RunRecord
from engine.stores.mongo_catalog import MongoCatalog
from engine.stores.mongo_raw import MongoRaw
from tests.engine.stores.examples import batch, committed, event, memory

PASSWORD = "pa55:w0rd"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://127.0.0.1:27017", "mongodb://127.0.0.1:27017"),
        ("mongodb://me:pa55w0rd@a.org:27017,b.org/x?authSource=admin", "mongodb://***@a.org:27017,b.org/x"),
        ("mongodb+srv://me:pa55w0rd@a.org", "mongodb+srv://***@a.org"),
        ("mongodb://me:pa55@w0rd@a.org", "mongodb://***@a.org"),
        ("mongodb://me:pa55w0rd?@a.org", "mongodb://***@a.org"),
        ("mongodb://me:pa55w0rd@a.org/?password=x@pa55w0rd&b=c", "mongodb://***@***"),
        ("mongodb://[::1]:27017/", "mongodb://[::1]:27017/"),
        ("pa55w0rd", "***"),
    ],
)
def test_an_address_is_shown_without_user_and_password(uri, shown):
    assert mongo.shown(Secret(uri)) == shown


@pytest.mark.parametrize(
    "uri", ["mongodb://me:pa55@w0rd:x@a.org:1", "pa55w0rd", "mongodb://me:pa55w0rd@a.org:many", "mongodb://"]
)
def test_an_address_that_is_none_is_refused_without_saying_it(uri):
    with pytest.raises(ConfigError) as caught:
        MongoCatalog(Secret(uri), "levada")
    assert caught.value.where == "store.uri"
    assert "pa55" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_without_the_extra_it_is_said_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **more):
        if name.partition(".")[0] in ("pymongo", "pymongoarrow"):
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(HostError) as caught:
        MongoCatalog(Secret("mongodb://127.0.0.1"), "levada")
    assert caught.value.hint == "pip install 'levada[mongo]'"


def test_a_process_has_one_small_client_for_an_address(mongo_uri):
    one, other = (mongo.database(mongo_uri, name).client for name in ("a", "b"))
    assert one is other
    assert one.options.pool_options.max_pool_size == 8


def test_what_an_address_says_of_waiting_is_heeded():
    uri = Secret("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
    with pytest.raises(HostError, match=r"the MongoDB at mongodb://127\.0\.0\.1:1/ can not be reached") as caught:
        MongoCatalog(uri, "levada")
    assert caught.value.hint == "is it running, and is store.uri right?"
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), HostError)


def test_a_server_that_is_gone_is_the_machines_fault_and_is_used_again_when_it_is_back(start_mongo, database):
    with start_mongo() as server:
        uri, port = Secret(server.address), urlsplit(server.address).port
        catalog = MongoCatalog(uri, database)
        done = committed(catalog, batch())
        server.kill()
        calls = [
            catalog.batches,
            catalog.outbox,
            catalog.check,
            lambda: committed(catalog, batch("f2")),
            lambda: catalog.known(["r"]),
        ]
        for call in calls:
            with pytest.raises(HostError, match="can not be reached"):
                call()
    with start_mongo(port):
        assert catalog.batches() == [done]
        assert committed(catalog, batch("f2")).sequence == 2


def test_a_wrong_password_is_refused_without_saying_it(start_mongo, database):
    with start_mongo(0, "--auth") as server:
        uri = server.address.replace("//", f"//levada:{PASSWORD.replace(':', '%3A')}@").replace("/?", "/?authSource=admin&")
        with pytest.raises(HostError) as caught:
            MongoCatalog(Secret(uri), database)
    assert "refused" in caught.value.what
    assert "w0rd" not in f"{caught.value} {caught.value.__cause__!r}"
    assert "mongodb://***@127.0.0.1" in caught.value.what


@pytest.fixture
def catalog(mongo_uri, database):
    return MongoCatalog(mongo_uri, database)


@pytest.fixture
def documents(mongo_uri, database):
    """The collections of the catalog's database, as another program sees them."""
    from pymongo import MongoClient

    with MongoClient(mongo_uri.get_secret_value()) as client:
        yield client[database]


def test_a_catalog_of_another_version_is_refused(documents, mongo_uri, database):
    MongoCatalog(mongo_uri, database)
    documents["catalog"].update_one({}, {"$set": {"version": 99}})
    with pytest.raises(HostError, match="was written by a newer Levada") as caught:
        MongoCatalog(mongo_uri, database)
    assert caught.value.found == "version 99"


def fill(catalog):
    catalog.remember([memory("r", ("c",))])
    committed(catalog, batch())
    catalog.reserve("d", "k", new_id())
    catalog.see("d", "a.csv", "f", "x")
    catalog.log([event("1")])
    catalog.save_offset("g", "t", 7)
    catalog.save_run(RunRecord("1", "p", "done", 1.0))


CHANGES = [
    ("memos", "artifact", lambda catalog: catalog.known(["r"])),
    ("memos", "label", lambda catalog: list(catalog.remembered())),
    ("memos", "code", lambda catalog: catalog.uses("c")),
    ("batches", "record", lambda catalog: catalog.batches()),
    ("batches", "sequence", lambda catalog: catalog.batches()),
    ("batches", "event", lambda catalog: catalog.outbox()),
    ("reservations", "created", lambda catalog: catalog.reservations()),
    ("sightings", "digest", lambda catalog: catalog.seen("d")),
    ("log", "payload", lambda catalog: catalog.logged("t", 0, 10)),
    ("readers", "offset", lambda catalog: catalog.offset("g", "t")),
    ("runs", "summary", lambda catalog: catalog.runs()),
    ("runs", "status", lambda catalog: catalog.run("1")),
]


@pytest.mark.parametrize(("name", "key", "read"), CHANGES, ids=[f"{name}.{key}" for name, key, _ in CHANGES])
def test_a_value_that_was_changed_is_noticed_and_its_place_named(catalog, documents, database, name, key, read):
    fill(catalog)
    read(catalog)
    old = documents[name].find_one({})[key]
    documents[name].update_one({}, {"$set": {key: f"{old[1:]} " if isinstance(old, str) else old + 1}})
    with pytest.raises(Corrupt) as caught:
        read(catalog)
    assert f"in the collection {name} of the catalog in the database {database} at mongodb://" in caught.value.what
    assert f"1 of 1 documents of the collection {name} are not what was written" in catalog.check()[0]


def test_an_index_that_is_lost_is_told(catalog, documents):
    documents["batches"].drop_index("sequence")
    assert "the collection batches has no index sequence" in catalog.check()[0]


def test_a_reservation_that_is_left_by_one_that_ended_while_committing_is_none(catalog, documents):
    catalog.reserve("d", "k", identity := new_id())
    left = documents["reservations"].find_one({})
    done = catalog.commit(batch(id=identity))
    documents["reservations"].insert_one(left)
    assert catalog.reservations() == []
    assert catalog.reserve("d", "k", other := new_id()) == other
    assert catalog.batches() == [done]


def test_rows_that_are_there_do_not_disturb_the_catalog(mongo_uri, database, catalog):
    assert list(MongoRaw(mongo_uri, database).found()) == []
    fill(catalog)
    assert list(MongoRaw(mongo_uri, database).found()) == []
