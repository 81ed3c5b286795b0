"""What every catalog promises, as one list of named checks, and what only the embedded one does."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from engine import digest
from engine.errors import HostError
from engine.graph import Task
from engine.names import new_id
from engine.stores.artifacts import Artifact
from engine.stores.catalog import BatchPartition, Catalog, Memory, RunRecord, SqliteCatalog
from engine.stores.commit import StoredFile

Open = Callable[[], Catalog]
"""Opens the catalog of a test once more, as another process would."""

CLOCK = count(1)


def memory(recipe: str = "r", contents: tuple[str, ...] = (), value: str = "1", label: str = "a", index: int = 0) -> Memory:
    return Memory(recipe, contents, Artifact(value), label, index, "code", "{}", "run", float(next(CLOCK)))


def partition(source: str, content: str = "x", rows: int = 10) -> BatchPartition:
    return BatchPartition(source, "f", f"raw/{source}-{content}.parquet", content, rows, 100, 1)


def check_a_new_catalog_knows_nothing(opened: Open) -> None:
    catalog = opened()
    assert catalog.known(["r"]) == {}
    assert catalog.history("a") == []
    assert (catalog.origin("0"), catalog.uses("0")) == (None, [])
    assert (catalog.batches(), catalog.runs(), catalog.run("0")) == ([], [], None)


def check_asking_for_nothing_is_answered(opened: Open) -> None:
    catalog = opened()
    catalog.remember([])
    assert catalog.known([]) == {}


def check_what_is_remembered_is_known_by_recipe_and_memo(opened: Open) -> None:
    one, two, other = memory("r", ("x",), "1"), memory("r", ("y",), "2"), memory("s", (), "3")
    catalog = opened()
    catalog.remember([one, two, other])
    assert catalog.known(["r", "absent"]) == {"r": {one.memo: one.artifact, two.memo: two.artifact}}


def check_a_memory_comes_back_as_it_was(opened: Open) -> None:
    kept = Memory(
        *(
            "r",
            ("x", "y"),
            Artifact('{"a":"é"}', StoredFile("a/ü.parquet", "d", 9), 3),
            "stage",
            7,
            "code",
            '{"p":1}',
            "run",
            1.5,
        )
    )
    catalog = opened()
    catalog.remember([kept])
    assert catalog.history("stage") == [kept]


def check_a_task_is_found_by_its_memo(opened: Open) -> None:
    task = Task("merge", "{}", ("key of an input",), "code", "stage", 2)
    catalog = opened()
    catalog.remember([Memory.of(task, ("content",), Artifact("1"), "run")])
    assert list(catalog.known([task.recipe])[task.recipe]) == [task.memo(["content"])]


def check_many_recipes_are_asked_for_at_once(opened: Open) -> None:
    many = [memory(f"r{number}") for number in range(2_345)]
    catalog = opened()
    catalog.remember(many)
    assert set(catalog.known(one.recipe for one in many)) == {one.recipe for one in many}


def check_what_was_lost_and_made_anew_replaces_what_was_remembered(opened: Open) -> None:
    old = memory("r", ("x",), "1")
    new = replace(memory("r", ("x",), "1"), artifact=Artifact("1", StoredFile("elsewhere", "d", 1)))
    catalog = opened()
    catalog.remember([old])
    catalog.remember([new])
    assert catalog.known(["r"]) == {"r": {old.memo: new.artifact}}


def check_remembering_twice_is_remembering_once(opened: Open) -> None:
    kept = memory("r", ("x",))
    catalog = opened()
    catalog.remember([kept, kept])
    catalog.remember([kept])
    assert (catalog.history("a"), catalog.uses("x")) == ([kept], [kept])


def check_the_history_of_a_stage_is_newest_first_and_of_that_stage_alone(opened: Open) -> None:
    old, new, other = memory("r", label="a"), memory("s", label="a", index=1), memory("t", label="b")
    catalog = opened()
    catalog.remember([new, other, old])
    assert catalog.history("a") == [new, old]


def check_the_origin_of_a_content_is_the_oldest_memory_of_it_also_by_the_beginning_of_its_digest(opened: Open) -> None:
    old, new = memory("r", value='"same"'), memory("s", value='"same"')
    catalog = opened()
    catalog.remember([new])
    catalog.remember([old])
    content = old.artifact.digest
    assert catalog.origin(content) == catalog.origin(content[:12]) == old
    assert catalog.origin(content + "0") is None


def check_the_uses_of_a_content_are_what_was_made_of_it(opened: Open) -> None:
    one, two, other = memory("r", ("x", "y")), memory("s", ("y", "y")), memory("t", ("z",))
    catalog = opened()
    catalog.remember([one, two, other])
    assert (catalog.uses("x"), catalog.uses("y"), catalog.uses("none")) == ([one], [one, two], [])


def check_a_batch_stays_open_until_something_is_committed(opened: Open) -> None:
    catalog, ids = opened(), [new_id() for _ in range(4)]
    assert [catalog.open_batch("d", ids[0]), catalog.open_batch("d", ids[1])] == [ids[0]] * 2
    assert catalog.open_batch("other", ids[2]) == ids[2]
    assert catalog.batches() == []
    catalog.commit_batch("d", [partition("a")], "run")
    assert catalog.open_batch("d", ids[3]) == ids[3]


def check_a_batch_takes_the_open_id_and_holds_its_partitions_in_order(opened: Open) -> None:
    catalog, batch_id = opened(), new_id()
    catalog.open_batch("d", batch_id)
    batch = catalog.commit_batch("d", [partition("b", rows=3), partition("a", rows=4)], "run")
    assert batch is not None
    assert (batch.id, batch.dataset, batch.sequence, batch.run, batch.rows) == (batch_id, "d", 1, "run", 7)
    assert catalog.batches() == catalog.batches("d") == [batch]
    assert [part.source for part in batch.partitions] == ["b", "a"]
    assert catalog.batches("other") == []


def check_committing_again_changes_nothing(opened: Open) -> None:
    catalog = opened()
    catalog.open_batch("d", new_id())
    first = catalog.commit_batch("d", [partition("a"), partition("b")], "run")
    assert catalog.commit_batch("d", [partition("a"), partition("b")], "other") is None
    catalog.open_batch("d", new_id())
    assert catalog.commit_batch("d", [partition("b"), partition("a")], "other") is None
    assert catalog.batches() == [first]


def check_a_batch_holds_only_what_no_batch_before_it_has(opened: Open) -> None:
    catalog = opened()
    for present in (["a"], ["a", "b"], ["a", "b", "c", "d"]):
        catalog.open_batch("d", new_id())
        catalog.commit_batch("d", [partition(source) for source in present], "run")
    found = [(batch.sequence, [part.source for part in batch.partitions]) for batch in catalog.batches("d")]
    assert found == [(1, ["a"]), (2, ["b"]), (3, ["c", "d"])]


def check_a_source_with_other_content_is_a_new_partition(opened: Open) -> None:
    catalog = opened()
    for content in "xyyx":
        catalog.open_batch("d", new_id())
        catalog.commit_batch("d", [partition("a", content)], "run")
    assert [[part.digest for part in batch.partitions] for batch in catalog.batches("d")] == [["x"], ["y"], ["x"]]


def check_datasets_do_not_share_partitions_nor_numbers(opened: Open) -> None:
    catalog = opened()
    for dataset in ("d", "e"):
        catalog.open_batch(dataset, new_id())
        catalog.commit_batch(dataset, [partition("a")], "run")
    assert [(batch.dataset, batch.sequence) for batch in catalog.batches()] == [("d", 1), ("e", 1)]


def check_of_two_that_commit_the_same_partitions_at_once_one_wins(opened: Open) -> None:
    catalogs, together = [opened() for _ in range(4)], threading.Barrier(4)
    ids = [catalog.open_batch("d", new_id()) for catalog in catalogs]
    assert len(set(ids)) == 1

    def commit(catalog: Catalog) -> object:
        together.wait(timeout=20)
        return catalog.commit_batch("d", [partition("a"), partition("b")], "run")

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(commit, catalogs))
    (won,) = (batch for batch in batches if batch is not None)
    assert all(catalog.batches() == [won] for catalog in catalogs)


def check_what_one_writes_another_sees(opened: Open) -> None:
    one, other = opened(), opened()
    kept = memory()
    one.remember([kept])
    assert other.history("a") == [kept]


def check_it_survives_being_closed(opened: Open) -> None:
    catalog, kept, batch_id = opened(), memory("r", ("x",)), new_id()
    catalog.remember([kept])
    catalog.open_batch("d", batch_id)
    batch = catalog.commit_batch("d", [partition("a")], "run")
    catalog.open_batch("d", left := new_id())
    catalog.save_run(RunRecord("1", "p", "done", 1.0, 2.0, {"a": [1, None]}))
    catalog.close()
    catalog.close()
    again = opened()
    assert (again.known(["r"]), again.uses("x")) == ({"r": {kept.memo: kept.artifact}}, [kept])
    assert (again.batches(), again.open_batch("d", new_id())) == ([batch], left)
    assert again.runs() == [RunRecord("1", "p", "done", 1.0, 2.0, {"a": [1, None]})]


def check_runs_are_listed_newest_first_and_found_by_the_beginning_of_their_id(opened: Open) -> None:
    catalog = opened()
    records = [RunRecord(name, "p", "running", started) for name, started in (("aab", 1.0), ("aac", 3.0), ("b", 2.0))]
    for record in records:
        catalog.save_run(record)
    assert [record.id for record in catalog.runs()] == ["aac", "b", "aab"]
    assert [record.id for record in catalog.runs(limit=1)] == ["aac"]
    assert (catalog.run("b"), catalog.run("aab"), catalog.run("aa"), catalog.run("c")) == (records[2], records[0], None, None)


def check_saving_a_run_again_replaces_it(opened: Open) -> None:
    catalog = opened()
    catalog.save_run(RunRecord("1", "p", "running", 1.0))
    catalog.save_run(RunRecord("1", "p", "done", 1.0, 2.0, {"answer": 0.5}))
    assert catalog.runs() == [RunRecord("1", "p", "done", 1.0, 2.0, {"answer": 0.5})]


def check_text_is_text_whatever_is_in_it(opened: Open) -> None:
    hostile = "'; DROP TABLE memo; -- \" ? é \U0001f427 \\ %"
    kept = memory(hostile, (hostile,), digest.canonical(hostile), hostile)
    catalog = opened()
    catalog.remember([kept])
    catalog.open_batch(hostile, new_id())
    catalog.commit_batch(hostile, [partition(hostile, hostile)], hostile)
    assert (catalog.history(hostile), catalog.uses(hostile)) == ([kept], [kept])
    assert catalog.batches(hostile)[0].partitions[0].source == hostile


def check_threads_may_write_through_one_catalog(opened: Open) -> None:
    catalog = opened()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: catalog.remember([memory(f"r{number}", (f"c{number}",))]), range(40)))
    assert len(catalog.history("a")) == 40
    assert len(catalog.known(f"r{number}" for number in range(40))) == 40


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


@pytest.fixture(params=["sqlite"])
def open_(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens an implementation; another one is another parameter."""
    makers: dict[str, Open] = {"sqlite": lambda: SqliteCatalog(tmp_path / "store" / "catalog.sqlite")}
    all_of_them: list[Catalog] = []

    def open_one() -> Catalog:
        all_of_them.append(makers[request.param]())
        return all_of_them[-1]

    yield open_one
    for catalog in all_of_them:
        catalog.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_catalog_keeps_its_promises(open_, check):
    check(open_)


def test_a_catalog_in_memory_is_empty_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    catalog = SqliteCatalog(None)
    assert catalog.history("a") == []
    catalog.close()
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path):
    file = tmp_path / "catalog.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(HostError) as caught:
        SqliteCatalog(file)
    assert "was written by a newer Levada" in caught.value.what
    assert (caught.value.expected, caught.value.found) == ("version 1 or older", "version 2")
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()
    assert len(before) <= file.stat().st_size


@pytest.mark.parametrize("content", [b"nothing of the kind" * 100, None], ids=["a file that is none", "a folder"])
def test_what_is_no_catalog_is_named(tmp_path, content):
    file = tmp_path / "catalog.sqlite"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(HostError, match=r"cannot open the catalog .*catalog\.sqlite"):
        SqliteCatalog(file)


def test_what_can_not_be_written_is_not_there_in_part(tmp_path):
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    pages = catalog._connection.execute("PRAGMA page_count").fetchone()[0]
    catalog._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(HostError, match="could not be written: database or disk is full"):
        catalog.remember([memory(f"r{number}", (f"c{number}",)) for number in range(500)])
    catalog._connection.execute("PRAGMA max_page_count=100000")
    assert (catalog.history("a"), catalog.uses("c0")) == ([], [])
    catalog.remember([memory("r")])
    assert len(catalog.history("a")) == 1
    catalog.close()


def test_a_commit_survives_power_loss_as_far_as_sqlite_can_promise(tmp_path):
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    settings = [catalog._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    catalog.close()
    assert settings == ["wal", 2]


WRITER = """
import sys
from pathlib import Path
from engine.stores.artifacts import Artifact
from engine.stores.catalog import BatchPartition, Memory, RunRecord, SqliteCatalog
catalog, me = SqliteCatalog(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for n in range(25):
    catalog.remember([Memory(f"{me}-{n}", (f"c{n}",), Artifact("1"), "a", n, "", "{}", me, float(n))])
    catalog.open_batch("d", f"{me}-{n}")
    catalog.commit_batch("d", [BatchPartition(f"{n}", "", "", "x", 1, 1)], me)
catalog.save_run(RunRecord(me, "p", "done", 1.0))
catalog.close()
"""


def test_four_processes_that_write_at_once_lose_nothing_and_double_nothing(tmp_path):
    file = tmp_path / "catalog.sqlite"
    command = [sys.executable, "-c", WRITER, str(file)]
    writers = [
        subprocess.Popen([*command, f"w{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for n in range(4)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    codes = [writer.communicate(timeout=50) and writer.returncode for writer in writers]
    catalog = SqliteCatalog(file)
    sources = [part.source for batch in catalog.batches("d") for part in batch.partitions]
    assert codes == [0] * 4
    assert len(catalog.history("a")) == 100
    assert sorted(sources, key=int) == [str(number) for number in range(25)]
    assert [batch.sequence for batch in catalog.batches("d")] == list(range(1, len(catalog.batches("d")) + 1))
    assert len(catalog.runs()) == 4
    catalog.close()
