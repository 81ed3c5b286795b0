"""``levada fsck`` says what is wrong with a store; ``levada gc`` clears away what nothing names, and nothing else."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from engine.config.spec import Store
from engine.errors import ConfigError, Corrupt
from engine.intake import ingest_pipeline
from engine.opened import opened
from engine.stores.sqlite import _seal
from engine.upkeep import DAY, fsck, gc, seconds_of
from tests.durability.harbour import Harbour
from tests.durability.nursery import Nursery


@pytest.fixture
def harbour(tmp_path: Path, nursery: Nursery) -> Harbour:
    """A harbour of which everything is ingested and whose pipeline has run."""
    harbour = Harbour.create(tmp_path)
    for job in ("ingest", "run"):
        ended = nursery.one(folder=str(tmp_path), do=job)
        assert ended.code == 0, ended.said
    return harbour


def make_old(harbour: Harbour, hours: float = 48) -> None:
    """Let a store look as if nothing had happened to it for some time."""
    then = time.time() - hours * 3600
    for path in harbour.root.rglob("*"):
        if "catalog" not in path.name:
            os.utime(path, (then, then))
    with closing(sqlite3.connect(harbour.root / "catalog.sqlite", isolation_level=None)) as catalog:
        for *row, _ in catalog.execute("SELECT id, dataset, key, created FROM reservation").fetchall():
            query = "UPDATE reservation SET created = ?, seal = ? WHERE id = ?"
            catalog.execute(query, (then, _seal(*row, then), row[0]))


def files(harbour: Harbour) -> set[str]:
    found = (path for path in harbour.root.rglob("*") if path.is_file() and "catalog" not in path.name)
    return {path.relative_to(harbour.root).as_posix() for path in found}


def a_piece(harbour: Harbour) -> Path:
    return harbour.root / harbour.batches()[0].partitions[0].loaded.path


def test_fsck_of_a_sound_store_says_how_much_it_has_checked(harbour):
    found = fsck(harbour.store)
    assert (found["findings"], found["errors"]) == ([], 0)
    assert found["checked"]["batches"] == len(harbour.batches())
    assert found["checked"]["files"] == len(files(harbour))
    assert found["checked"]["bytes"] == sum((harbour.root / name).stat().st_size for name in files(harbour))


@pytest.mark.parametrize("problem", ["missing", "size", "digest"])
def test_fsck_says_what_is_wrong_with_the_rows_of_a_batch(problem, harbour):
    piece = a_piece(harbour)
    content = piece.read_bytes()
    if problem == "missing":
        piece.unlink()
    else:
        piece.write_bytes(content[:-1] if problem == "size" else content[:-1] + bytes([content[-1] ^ 1]))
    (finding,) = harbour.findings()
    assert (finding["severity"], finding["problem"], finding["path"]) == ("error", problem, str(piece))
    assert "batch 1 of " in finding["what"]


def test_a_result_whose_file_is_gone_is_only_a_note_and_is_made_anew(harbour, nursery):
    feature = min((harbour.root / "features").rglob("*.parquet"))
    feature.unlink()
    (finding,) = harbour.findings()
    assert (finding["severity"], finding["path"]) == ("note", str(feature))
    assert fsck(harbour.store)["errors"] == 0
    assert nursery.one(folder=str(harbour.folder), do="run").code == 0
    assert harbour.findings() == []


def test_a_catalog_that_can_not_be_read_is_a_finding(harbour):
    (harbour.root / "catalog.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    (finding,) = harbour.findings()
    assert (finding["problem"], finding["path"]) == ("damaged", str(harbour.root / "catalog.sqlite"))
    with pytest.raises(Corrupt):
        gc(harbour.store, 0, delete=True)


def test_gc_has_nothing_to_do_in_a_sound_store(harbour):
    before = files(harbour)
    make_old(harbour)
    found = gc(harbour.store, delete=True)
    assert [found[key] for key in ("files", "temporary", "reservations", "memories")] == [[], [], [], []]
    assert files(harbour) == before
    assert harbour.problems() == []


def test_gc_lists_and_then_removes_what_nothing_names_once_it_is_old(harbour):
    before = files(harbour)
    junk = ["raw/trips/batch=gone/part-0000-x.parquet", "quarantine/a", "features/b/c.parquet", "artifacts/d", "tmp/e/new"]
    for name in junk:
        (harbour.root / name).parent.mkdir(parents=True, exist_ok=True)
        (harbour.root / name).write_text("x")
    assert gc(harbour.store, delete=True)["files"] == []  # too young
    make_old(harbour)
    listed = gc(harbour.store)
    assert sorted(one["path"] for one in listed["files"]) == sorted(junk[:-1])
    assert (listed["temporary"], listed["deleted"], files(harbour)) == (["tmp/e"], False, before | set(junk))
    assert gc(harbour.store, delete=True)["files"] == listed["files"]
    assert files(harbour) == before
    assert not (harbour.root / "raw/trips/batch=gone").exists()


def test_gc_gives_up_what_a_process_that_ended_had_begun(nursery, tmp_path: Path):
    harbour = Harbour.create(tmp_path)
    ended = nursery.one(folder=str(tmp_path), do="ingest", at="file.kept", kill_at=3)
    assert (ended.code, harbour.problems(ended.acknowledged)) == (-9, [])
    assert gc(harbour.store)["reservations"] == []
    make_old(harbour)
    found = gc(harbour.store, delete=True)
    assert len(found["reservations"]) >= 4
    named = {piece.path for batch in harbour.batches() for part in batch.partitions for piece in part.pieces}
    assert files(harbour) == named
    ingest_pipeline(harbour.spec()).raise_failure()
    assert harbour.incomplete() == []


def test_gc_forgets_results_whose_files_are_gone(harbour):
    min((harbour.root / "features").rglob("*.parquet")).unlink()
    (memory,) = gc(harbour.store, delete=True)["memories"]
    assert memory["label"].endswith(".features")
    assert gc(harbour.store)["memories"] == []


def test_gc_does_not_believe_a_catalog_that_knows_nothing(harbour):
    for name in ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"):
        (harbour.root / name).unlink(missing_ok=True)
    make_sure = files(harbour)
    with pytest.raises(ConfigError, match="knows nothing"):
        gc(harbour.store, 0, delete=True)
    assert files(harbour) == make_sure


@pytest.mark.parametrize("times", [2, pytest.param(40, marks=pytest.mark.soak)])
def test_gc_beside_an_ingestion_that_goes_on_with_old_leftovers_takes_nothing_from_it(times, nursery, dice, tmp_path: Path):
    with Nursery() as other, ThreadPoolExecutor(1) as pool:
        for number in range(times):
            harbour, done = Harbour.create(tmp_path / str(number)), tmp_path / f"done-{number}"
            nursery.one(folder=str(harbour.folder), do="ingest", at="file.kept", kill_at=dice.randrange(2, 8))
            make_old(harbour)
            job = {"folder": str(harbour.folder), "until": str(done)}
            clearing = pool.submit(other.one, **job, do="clear", grace=3600)
            ended = nursery.one(**job, do="ingest", then=str(done))
            cleared = clearing.result()
            assert (ended.code, cleared.code) == (0, 0), ended.said + cleared.said
            assert harbour.problems(ended.acknowledged) == []
            assert harbour.incomplete() == []


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", DAY), ("1h30m", 5400)])
def test_a_duration_is_numbers_with_units(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2", "-1h", "2 weeks", "nan h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="no duration"):
        seconds_of(text)


def test_the_commands_say_what_they_found(harbour, nursery):
    def levada(*arguments: str) -> tuple[int, str]:
        ended = nursery.one(folder=str(harbour.folder), do="cli", arguments=list(arguments))
        return ended.code, ended.said

    store = f"store.root={harbour.root}"
    code, said = levada("fsck", store)
    assert (code, "all is as it was written" in said) == (0, True)
    assert levada("gc", store)[1].strip() == "nothing to clear away"
    piece = a_piece(harbour)
    piece.unlink()
    code, said = levada("fsck", store)
    assert (code, str(piece) in said, "1 errors, 0 notes" in said) == (3, True, True)
    code, said = levada("fsck", store, "--json")
    assert (code, json.loads(said)["errors"]) == (3, 1)
    (harbour.root / "tmp/left").mkdir()
    make_old(harbour)
    assert "1 temporary folders" in levada("gc", store, "--grace", "2h")[1]
    assert json.loads(levada("gc", store, "--delete", "--json")[1])["temporary"] == ["tmp/left"]
    code, said = levada("gc", store, "--grace", "soon")
    assert (code, "'soon' is no duration" in said) == (2, True)
    with opened(harbour.store) as stores:
        assert stores.catalog.check() == []


@pytest.mark.service
def test_rows_in_a_mongodb_are_checked_and_cleared_away_too(mongo_uri: str, tmp_path: Path):
    pymongo = pytest.importorskip("pymongo")
    harbour = Harbour.create(tmp_path)
    database = f"upkeep_{uuid4().hex[:12]}"
    store = Store(kind="mongo", root=str(harbour.root), uri=mongo_uri, database=database)
    ingest_pipeline(harbour.spec().model_copy(update={"store": store})).raise_failure()
    assert (fsck(store)["findings"], fsck(store)["checked"]["batches"]) == ([], 6)
    with pymongo.MongoClient(mongo_uri) as client:
        rows = client[database]["raw.tides"]
        left = {"_batch": "gone", "_partition": "0000-x", "_row": 1}
        rows.insert_one(dict(left))
        assert [one["path"] for one in gc(store, -5)["files"]] == ["mongodb/raw/tides/batch=gone/0000-x"]
        assert gc(store, DAY, delete=True)["files"] == []
        gc(store, -5, delete=True)
        assert (rows.count_documents(left), fsck(store)["findings"]) == (0, [])
        one = rows.find_one({"_row": 2})
        rows.update_one({"_id": one["_id"]}, {"$set": {"cargo": 99}})
        (changed,) = fsck(store)["findings"]
        rows.delete_one({"_id": one["_id"]})
        (gone,) = fsck(store)["findings"]
    place = f"mongodb/raw/tides/batch={one['_batch']}/{one['_partition']}"
    assert [(found["severity"], found["problem"], found["path"]) for found in (changed, gone)] == [
        ("error", "digest", place),
        ("error", "missing", place),
    ]
