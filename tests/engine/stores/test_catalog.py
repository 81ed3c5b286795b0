"""What every catalog promises, as one list of named checks that each implementation passes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from engine import digest
from engine.errors import ConflictError
from engine.graph import Task
from engine.names import new_id
from engine.stores.artifacts import Artifact
from engine.stores.batches import Batch
from engine.stores.catalog import Catalog, Memory, RunRecord
from engine.stores.commit import StoredFile
from tests.engine.stores.conftest import Open
from tests.engine.stores.examples import batch, committed, event, memory, version


def check_a_new_catalog_knows_nothing(opened: Open) -> None:
    catalog = opened()
    assert catalog.known(["r"]) == {}
    assert catalog.history("a") == []
    assert (catalog.origin("0"), catalog.uses("0"), list(catalog.remembered())) == (None, [], [])
    assert (catalog.batches(), catalog.batches("d"), catalog.reservations(), catalog.seen("d")) == ([], [], [], {})
    assert (catalog.outbox(), catalog.logged("t", 0, 10), catalog.offset("g", "t")) == ([], [], 0)
    assert (catalog.features(), catalog.features("v")) == ([], [])
    assert (catalog.runs(), catalog.run("0")) == ([], None)
    assert catalog.check() == []


def check_asking_for_nothing_is_answered(opened: Open) -> None:
    catalog = opened()
    catalog.remember([])
    catalog.forget([])
    catalog.announced([])
    catalog.log([])
    catalog.retire([])
    assert catalog.known([]) == {}


def check_what_is_remembered_is_known_by_recipe_and_memo(opened: Open) -> None:
    one, two, other = memory("r", ("x",), "1"), memory("r", ("y",), "2"), memory("s", (), "3")
    catalog = opened()
    catalog.remember([one, two, other])
    assert catalog.known(["r", "absent"]) == {"r": {one.memo: one.artifact, two.memo: two.artifact}}


def check_a_memory_comes_back_as_it_was(opened: Open) -> None:
    artifact = Artifact('{"a":"é"}', StoredFile("a/ü.parquet", "d", 9), 3)
    kept = Memory("r", ("x", "y"), artifact, "stage", 7, "code", '{"p":1}', "run", 1.5)
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


def check_what_is_forgotten_is_not_known_any_more(opened: Open) -> None:
    one, other = memory("r", ("x",)), memory("s", ("x",))
    catalog = opened()
    catalog.remember([one, other])
    catalog.forget([one.memo, "no such memo"])
    assert (catalog.known(["r", "s"]), catalog.uses("x")) == ({"s": {other.memo: other.artifact}}, [other])
    assert list(catalog.remembered()) == [other]


def check_a_reservation_holds_until_it_is_released_or_its_batch_is_committed(opened: Open) -> None:
    catalog, ids = opened(), [new_id() for _ in range(4)]
    assert [catalog.reserve("d", "k", ids[0]), catalog.reserve("d", "k", ids[1])] == [ids[0]] * 2
    assert catalog.reserve("e", "k", ids[2]) == ids[2]
    assert [(one.id, one.dataset) for one in catalog.reservations()] == [(ids[0], "d"), (ids[2], "e")]
    assert abs(catalog.reservations()[0].created - time.time()) < 3600
    assert (catalog.batches(), catalog.outbox()) == ([], [])
    assert [catalog.release(ids[2]), catalog.release(ids[2])] == [True, False]
    catalog.commit(batch(id=ids[0]))
    assert (catalog.reservations(), catalog.release(ids[0])) == ([], False)
    assert catalog.reserve("d", "k", ids[3]) == ids[3]
    assert [one.id for one in catalog.batches()] == [ids[0]]


def check_a_reservation_that_was_made_since_is_spared(opened: Open) -> None:
    catalog, identity = opened(), new_id()
    catalog.reserve("d", "k", identity)
    (held,) = catalog.reservations()
    assert not catalog.release(identity, before=held.created)
    assert catalog.reservations() == [held]
    assert catalog.release(identity, before=held.created + 1)


def check_a_batch_whose_id_another_one_has_gets_a_new_one(opened: Open) -> None:
    catalog = opened()
    first = committed(catalog, batch("f1"))
    second = catalog.commit(batch("f2", id=first.id))
    assert second.id != first.id
    assert (second.sequence, catalog.batches()) == (2, [first, second])


def check_a_batch_that_was_given_up_is_not_committed(opened: Open) -> None:
    catalog, one = opened(), batch()
    catalog.reserve("d", "f", one.id)
    catalog.release(one.id)
    with pytest.raises(ConflictError, match="given it up"):
        catalog.commit(one)
    assert (catalog.batches(), catalog.outbox(), catalog.reservations()) == ([], [], [])
    assert committed(catalog, one).sequence == 1


def check_a_batch_comes_back_as_it_was_committed(opened: Open) -> None:
    catalog, one = opened(), batch(since="2013-01-01", drift=("é\U0001f427",), carried=(("b", 1),))
    done = committed(catalog, one)
    assert done == one.model_copy(update={"sequence": 1, "created": done.created})
    assert abs(done.created - time.time()) < 3600
    assert catalog.batches() == catalog.batches("d") == [done]


def check_batches_of_a_dataset_are_numbered_from_one_in_their_order(opened: Open) -> None:
    catalog = opened()
    for dataset, fingerprint in (("e", "f1"), ("d", "f1"), ("d", "f3"), ("e", "f2"), ("d", "f2")):
        committed(catalog, batch(fingerprint, dataset))
    found = [(one.dataset, one.sequence, one.fingerprint) for one in catalog.batches()]
    assert found == [("d", 1, "f1"), ("d", 2, "f3"), ("d", 3, "f2"), ("e", 1, "f1"), ("e", 2, "f2")]
    assert [one.sequence for one in catalog.batches("d")] == [1, 2, 3]


def check_committing_again_changes_nothing_and_announces_nothing(opened: Open) -> None:
    catalog = opened()
    first = committed(catalog, batch(run="one"))
    assert catalog.commit(batch(run="other")) == first
    assert (catalog.batches(), len(catalog.outbox())) == ([first], 1)


def check_of_many_that_commit_the_same_at_once_one_makes_the_batch(opened: Open) -> None:
    catalogs, together = [opened() for _ in range(4)], threading.Barrier(4)
    (identity,) = {catalog.reserve("d", "f", new_id()) for catalog in catalogs}

    def commit(catalog: Catalog) -> Batch:
        together.wait(timeout=20)
        return catalog.commit(batch(id=identity, run=new_id()))

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(commit, catalogs)
    assert others == [first] * 3
    assert all(catalog.batches() == [first] for catalog in catalogs)
    assert len(catalogs[0].outbox()) == 1


def check_many_that_reserve_the_same_at_once_get_one_id(opened: Open) -> None:
    catalogs, together = [opened() for _ in range(4)], threading.Barrier(4)

    def reserve(catalog: Catalog) -> str:
        together.wait(timeout=20)
        return catalog.reserve("d", "f", new_id())

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(reserve, catalogs))) == 1


def check_a_commit_puts_its_event_into_the_outbox_until_it_is_announced(opened: Open) -> None:
    catalog = opened()
    done = [committed(catalog, batch(fingerprint, run="run-1")) for fingerprint in ("f2", "f1")]
    first, second = catalog.outbox()
    assert (first.topic, first.key, first.created) == ("batch.committed", "d", done[0].created)
    payload = {"batch": done[0].id, "dataset": "d", "sequence": 1, "rows": 9, "quarantined": 1, "partitions": 1, "run": "run-1"}
    assert first.payload == payload
    assert second.payload["sequence"] == 2
    assert opened().outbox() == [first, second]
    catalog.announced([first.id, "no such event"])
    assert catalog.outbox() == [second]
    catalog.announced([first.id, second.id])
    assert catalog.outbox() == []
    assert catalog.batches() == done


def check_what_was_seen_last_of_a_source_is_known(opened: Open) -> None:
    catalog = opened()
    for arguments in (
        ("d", "a.csv", "f1", "x"),
        ("d", "b.csv", "f1", "y"),
        ("e", "a.csv", "f1", "z"),
        ("d", "a.csv", "f2", "x"),
    ):
        catalog.see(*arguments)
    assert opened().seen("d") == {"a.csv": ("f2", "x"), "b.csv": ("f1", "y")}


def check_the_log_gives_events_of_a_topic_in_their_order_from_an_offset(opened: Open) -> None:
    catalog = opened()
    events = [event("3", n=1), event("1", n=[None, 1.5, "é"]), event("2", **{"$a.b": {}})]
    catalog.log(events[:2])
    catalog.log([event("4", "other"), events[2]])
    offsets, found = zip(*catalog.logged("t", 0, 10), strict=True)
    assert list(found) == events
    assert offsets[0] > 0
    assert list(offsets) == sorted(set(offsets))
    assert catalog.logged("t", offsets[0], 1) == [(offsets[1], events[1])]
    assert catalog.logged("t", offsets[2], 10) == []


def check_an_event_is_logged_once(opened: Open) -> None:
    catalog = opened()
    catalog.log([event("1"), event("2")])
    before = catalog.logged("t", 0, 10)
    catalog.log([event("2", later=True), event("3"), event("1"), event("3")])
    assert catalog.logged("t", 0, 10)[:2] == before
    assert [one.id for _, one in catalog.logged("t", 0, 10)] == ["1", "2", "3"]


def check_a_reader_of_the_log_misses_nothing_that_is_written_meanwhile(opened: Open) -> None:
    catalogs, reader = [opened() for _ in range(3)], opened()
    ids = {f"{writer}-{number}" for writer in range(3) for number in range(20)}

    def write(writer: int) -> None:
        for number in range(0, 20, 2):
            catalogs[writer].log([event(f"{writer}-{number}"), event(f"{writer}-{number + 1}")])

    found: list[str] = []
    with ThreadPoolExecutor(3) as pool:
        writing, after = [pool.submit(write, writer) for writer in range(3)], 0
        while ids - set(found):
            ended = all(one.done() for one in writing)
            new = reader.logged("t", after, 7)
            found += [one.id for _, one in new]
            after = new[-1][0] if new else after
            assert new or not ended, "an event came to lie behind the reader"
    assert len(found) == len(ids)


def check_how_far_a_group_has_read_never_goes_back(opened: Open) -> None:
    catalog = opened()
    for offset in (5, 3, 5):
        catalog.save_offset("g", "t", offset)
    catalog.save_offset("other", "t", 1)
    again = opened()
    assert [again.offset("g", "t"), again.offset("other", "t"), again.offset("g", "other")] == [5, 1, 0]


def check_what_one_writes_another_sees(opened: Open) -> None:
    one, other = opened(), opened()
    kept = memory()
    one.remember([kept])
    assert other.history("a") == [kept]


def check_it_survives_being_closed(opened: Open) -> None:
    catalog, kept = opened(), memory("r", ("x",))
    catalog.remember([kept])
    catalog.reserve("d", "left", left := new_id())
    done = committed(catalog, batch())
    features = catalog.commit_features(version())
    catalog.log([event("1")])
    catalog.save_run(record := RunRecord("1", "p", "done", 1.0, 2.0, {"a": [1, None], "$b.c": 0.1}))
    catalog.close()
    catalog.close()
    again = opened()
    assert (again.known(["r"]), again.uses("x")) == ({"r": {kept.memo: kept.artifact}}, [kept])
    assert (again.batches(), [one.id for one in again.reservations()], len(again.outbox())) == ([done], [left], 2)
    assert again.features() == [features]
    assert ([one.id for _, one in again.logged("t", 0, 9)], again.runs()) == (["1"], [record])


def check_runs_are_listed_newest_first_and_found_by_the_beginning_of_their_id(opened: Open) -> None:
    catalog = opened()
    records = [RunRecord(name, "p", "running", started) for name, started in (("aab", 1.0), ("aac", 3.0), ("b", 2.0))]
    for record in records:
        catalog.save_run(record)
    assert [record.id for record in catalog.runs()] == ["aac", "b", "aab"]
    assert [record.id for record in catalog.runs(limit=1)] == ["aac"]
    assert (catalog.run("b"), catalog.run("aab"), catalog.run("aa"), catalog.run("c")) == (records[2], records[0], None, None)
    catalog.save_run(longer := RunRecord("aabb", "p", "done", 4.0))
    assert (catalog.run("aab"), catalog.run("aabb")) == (records[0], longer)


def check_saving_a_run_again_replaces_it(opened: Open) -> None:
    catalog = opened()
    catalog.save_run(RunRecord("1", "p", "running", 1.0))
    catalog.save_run(RunRecord("1", "p", "done", 1.0, 2.0, {"answer": 0.5}))
    assert catalog.runs() == [RunRecord("1", "p", "done", 1.0, 2.0, {"answer": 0.5})]


def check_text_is_text_whatever_is_in_it(opened: Open) -> None:
    hostile = "'; DROP TABLE memo; -- \" ? é \U0001f427 \\ % $ne .a\0b"
    kept = memory(hostile, (hostile,), digest.canonical(hostile), hostile)
    catalog = opened()
    catalog.remember([kept])
    catalog.reserve(hostile, hostile, hostile)
    done = committed(catalog, batch(hostile, hostile, id=hostile))
    catalog.see(hostile, hostile, hostile, hostile)
    features = catalog.commit_features(version(hostile, hostile, id=hostile))
    assert catalog.features(hostile) == [features]
    catalog.log([event(hostile, hostile, **{hostile: hostile})])
    assert (catalog.history(hostile), catalog.uses(hostile)) == ([kept], [kept])
    assert (catalog.batches(hostile), catalog.seen(hostile)) == ([done], {hostile: (hostile, hostile)})
    assert catalog.logged(hostile, 0, 1)[0][1].payload == {hostile: hostile}


def check_a_catalog_that_is_in_use_is_sound(opened: Open) -> None:
    catalog = opened()
    catalog.remember([memory()])
    committed(catalog, batch())
    catalog.commit_features(version())
    catalog.save_run(RunRecord("1", "p", "done", 1.0))
    assert catalog.check() == []


def check_threads_may_write_through_one_catalog(opened: Open) -> None:
    catalog = opened()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: catalog.remember([memory(f"r{number}", (f"c{number}",))]), range(40)))
    assert len(catalog.history("a")) == 40
    assert len(catalog.known(f"r{number}" for number in range(40))) == 40


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_catalog_keeps_its_promises(open_catalog, check):
    check(open_catalog)


WRITER = """
import sys
from pathlib import Path
import polars as pl
from engine.names import Secret, new_id
from engine.stores.artifacts import ArtifactStore
from engine.stores.batches import Batch, BatchPartition, Piece
from engine.stores.raw import Slot
from tests.engine.stores.conftest import open_one
kind, place, database, me, commits = sys.argv[1:]
root = Path(place)
uri = None if kind == "sqlite" else Secret(sys.stdin.readline().strip())
catalog, raw = open_one(kind, root, uri, database), ArtifactStore(root, uri, database).raw
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(commits)):
    identity = catalog.reserve("d", f"{me}-{n}", new_id())
    file = root / f"{me}.parquet"
    pl.DataFrame({"row": [f"{me}-{n}-{row}" for row in range(5)]}).write_parquet(file)
    piece = Piece.of(raw.put(file, Slot("raw", "d", identity, 0)))
    part = BatchPartition(number=0, source=f"{me}-{n}", fingerprint="", rows_in=5, loaded=piece)
    catalog.commit(Batch(id=identity, dataset="d", fingerprint=f"{me}-{n}", definition="", partitions=(part,)))
catalog.close()
"""


@pytest.mark.service
@pytest.mark.parametrize(
    ("writers", "commits"), [pytest.param(4, 5, id="few"), pytest.param(8, 50, id="many", marks=pytest.mark.soak)]
)
def test_processes_that_commit_at_once_lose_nothing_and_double_nothing(open_catalog, open_raw, writers, commits):
    catalog, raw, arguments = open_catalog(), open_raw(), open_catalog.arguments
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, *arguments, f"w{number}", str(commits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(writers)
    ]
    for process in processes:
        process.stdin.write(open_catalog.secret)
        process.stdin.flush()
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    looked = 0
    while any(process.poll() is None for process in processes):
        seen = catalog.batches("d")
        assert [one.sequence for one in seen] == list(range(1, len(seen) + 1))
        assert all(raw.holds(one.partitions[0].loaded.artifact()) for one in seen[looked:])
        looked = len(seen)
    for process in processes:
        process.communicate()
    done = catalog.batches("d")
    rows = [row for one in done for row in raw.scan(one.partitions[0].loaded.artifact()).collect()["row"]]
    wanted = [f"w{writer}-{number}-{row}" for writer in range(writers) for number in range(commits) for row in range(5)]
    assert [process.returncode for process in processes] == [0] * writers
    assert [one.sequence for one in done] == list(range(1, writers * commits + 1))
    assert sorted(rows) == sorted(wanted)
    assert {one.payload["batch"] for one in catalog.outbox()} == {one.id for one in done}
