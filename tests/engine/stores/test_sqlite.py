"""What only the catalog in a file does; what every catalog does is in ``test_catalog``."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from engine.errors import Corrupt, HostError, LevadaError
from engine.names import new_id
from engine.stores.catalog import RunRecord
from engine.stores.sqlite import SqliteCatalog
from tests.engine.stores.examples import batch, committed, event, memory


@pytest.fixture
def file(tmp_path):
    return tmp_path / "catalog.sqlite"


def test_a_catalog_in_memory_is_empty_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(SqliteCatalog(None)) as catalog:
        assert catalog.history("a") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("version", "age"), [(1, "an older"), (99, "a newer")])
def test_a_catalog_of_another_version_is_refused_and_left_as_it_is(file, version, age):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    with pytest.raises(HostError, match=f"was written by {age} Levada") as caught:
        SqliteCatalog(file)
    assert caught.value.found == f"version {version}"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


@pytest.mark.parametrize("content", [b"nothing of the kind" * 100, None], ids=["a file that is none", "a folder"])
def test_what_is_no_catalog_is_named(file, content):
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(LevadaError, match=r"the catalog .*catalog\.sqlite (is damaged|could not be opened)"):
        SqliteCatalog(file)


def test_what_can_not_be_written_is_not_there_in_part(file):
    with closing(SqliteCatalog(file)) as catalog:
        pages = catalog._connection.execute("PRAGMA page_count").fetchone()[0]
        catalog._connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(HostError, match="could not be written: database or disk is full"):
            catalog.remember([memory(f"r{number}", (f"c{number}",)) for number in range(500)])
        catalog._connection.execute("PRAGMA max_page_count=100000")
        assert (catalog.history("a"), catalog.uses("c0")) == ([], [])
        catalog.remember([memory("r")])
        assert len(catalog.history("a")) == 1


def test_a_commit_survives_power_loss_as_far_as_sqlite_can_promise(file):
    with closing(SqliteCatalog(file)) as catalog:
        settings = [catalog._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]


CHANGES = [
    ("memo", "artifact", lambda catalog: catalog.known(["r"])),
    ("memo", "label", lambda catalog: list(catalog.remembered())),
    ("memo", "contents", lambda catalog: catalog.uses("c")),
    ("batch", "record", lambda catalog: catalog.batches()),
    ("batch", "sequence", lambda catalog: catalog.batches()),
    ("reservation", "created", lambda catalog: catalog.reservations()),
    ("sighting", "digest", lambda catalog: catalog.seen("d")),
    ("outbox", "payload", lambda catalog: catalog.outbox()),
    ("log", "payload", lambda catalog: catalog.logged("t", 0, 10)),
    ("reader", "offset", lambda catalog: catalog.offset("g", "t")),
    ("run", "summary", lambda catalog: catalog.runs()),
    ("run", "status", lambda catalog: catalog.run("1")),
]


@pytest.mark.parametrize(("table", "column", "read"), CHANGES, ids=[f"{table}.{column}" for table, column, _ in CHANGES])
def test_a_value_that_was_changed_is_noticed_and_the_catalog_named(file, table, column, read):
    with closing(SqliteCatalog(file)) as catalog:
        catalog.remember([memory("r", ("c",))])
        committed(catalog, batch())
        catalog.reserve("d", "k", new_id())
        catalog.see("d", "a.csv", "f", "x")
        catalog.log([event("1")])
        catalog.save_offset("g", "t", 7)
        catalog.save_run(RunRecord("1", "p", "done", 1.0))
        read(catalog)
        assert catalog.check() == []
        with closing(sqlite3.connect(file)) as connection:
            kind = connection.execute(f'SELECT typeof("{column}") FROM {table}').fetchone()[0]
            change = f"CAST(substr(\"{column}\", 2) || ' ' AS TEXT)" if kind == "text" else f'"{column}" + 1'
            connection.execute(f'UPDATE {table} SET "{column}" = {change}')
            connection.commit()
        with pytest.raises(Corrupt, match=r"the catalog .*catalog\.sqlite is damaged"):
            read(catalog)
        assert f"of the table {table} are not what was written" in catalog.check()[0]
