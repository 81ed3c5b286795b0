"""The tests of durability find the bugs that they are for: each is planted in turn, and a short form of a test must fail."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest

from engine.stores.artifacts import ArtifactStore
from tests.durability.harbour import Harbour
from tests.durability.nursery import Nursery
from tests.durability.planted import PLANTED
from tests.durability.test_bit_rot import unread
from tests.durability.test_faults import COMMAND, look, with_one_batch
from tests.durability.test_power_loss import recorded, replay


def plain(nursery: Nursery, _dice: random.Random, folder: Path, bug: str) -> None:
    """Ingest once, with nothing that goes wrong."""
    harbour = Harbour.create(folder)
    ended = nursery.one(folder=str(folder), do="ingest", planted=bug)
    assert (ended.code, harbour.problems(ended.acknowledged)) == (0, [])


def power_at_once(nursery: Nursery, dice: random.Random, folder: Path, bug: str) -> None:
    replay(*recorded(nursery, folder, dice, "at once", planted=bug), dice, at_most=150, again=0)


def power_again(nursery: Nursery, dice: random.Random, folder: Path, bug: str) -> None:
    replay(*recorded(nursery, folder, dice, "again", planted=bug), dice, at_most=400, again=0)


def power_after_a_kill(nursery: Nursery, dice: random.Random, folder: Path, bug: str) -> None:
    """Ingest where a process that was killed has made folders that it did not come to sync."""
    for name in ("raw/trips", "raw/ports", "raw/tides", "quarantine/trips"):
        (folder / "store" / name).mkdir(parents=True)
    found = recorded(nursery, folder, dice, "at once", planted=bug, run=False)
    replay(*found, dice, at_most=1_000, again=0, shapes=("nothing",))


def kills_at_commits(nursery: Nursery, _dice: random.Random, folder: Path, bug: str) -> None:
    for number in range(8, 40):
        harbour = Harbour.create(folder / str(number))
        job = {"folder": str(harbour.folder), "do": "ingest", "planted": bug, "at": "catalog.committed", "kill_at": number}
        ended = nursery.one(**job)
        assert harbour.problems(ended.acknowledged) == []


def both_at_once(nursery: Nursery, dice: random.Random, folder: Path, bug: str) -> None:
    harbour, _ = recorded(nursery, folder, dice, "again", planted=bug, run=False)
    assert harbour.incomplete() == []


def faults_of_sync(nursery: Nursery, _dice: random.Random, folder: Path, bug: str) -> None:
    _faults("sync", nursery, folder, bug)


def faults_of_write(nursery: Nursery, _dice: random.Random, folder: Path, bug: str) -> None:
    _faults("write", nursery, folder, bug)


def _faults(function: str, nursery: Nursery, folder: Path, bug: str) -> None:
    harbour = with_one_batch(nursery, folder)
    fault = {"function": function, "nth": 1, "error": errno.EIO, "once": False}
    ended = nursery.one(folder=str(folder), do="cli", arguments=COMMAND, fault=fault, planted=bug)
    look(harbour, nursery, ended, "Input/output error")


FOUND_BY = {
    "commit before the files are kept": (power_at_once, "missing"),
    "write in place": (power_again, "size|digest|missing"),
    "sync no file": (power_at_once, "size|digest|missing"),
    "sync no folder": (power_at_once, "missing|lost"),
    "take a folder that is there for durable": (power_after_a_kill, "missing|lost"),
    "digest half of a file": (plain, "digest"),
    "announce apart from the commit": (kills_at_commits, "has 0 events"),
    "empty the outbox first": (kills_at_commits, "has 0 events"),
    "make a batch each time": (both_at_once, "of . files"),
    "commit a part of a batch": (plain, "a snapshot of 1 files"),
    "ignore a sync that fails": (faults_of_sync, "0 == 4"),
    "leave temporary folders": (faults_of_write, "tmp"),
}
"""What finds each bug, and in which words."""


def test_every_planted_bug_has_a_test_that_finds_it():
    assert FOUND_BY.keys() == PLANTED.keys()


QUICK = {finds: bug for bug, (finds, _) in reversed(FOUND_BY.items()) if finds not in (kills_at_commits, power_again)}
"""One bug for most ways of finding them; all bugs are planted in the long tests."""


@pytest.mark.parametrize(
    "bug", [bug if bug in QUICK.values() else pytest.param(bug, marks=pytest.mark.soak) for bug in FOUND_BY]
)
def test_a_planted_bug_is_found(bug, nursery, dice, tmp_path: Path):
    finds, words = FOUND_BY[bug]
    with pytest.raises(AssertionError, match=words):
        finds(nursery, dice, tmp_path, bug)


@pytest.mark.soak
@pytest.mark.parametrize("finds", sorted({finds for finds, _ in FOUND_BY.values()}, key=lambda one: one.__name__))
def test_what_finds_bugs_finds_none_where_there_is_none(finds, nursery, dice, tmp_path: Path):
    finds(nursery, dice, tmp_path, "none")


def test_a_reader_that_checks_nothing_is_found(nursery, dice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    harbour = Harbour.create(tmp_path)
    nursery.one(folder=str(tmp_path), do="ingest")
    monkeypatch.setattr(ArtifactStore, "path", lambda self, artifact: self.root / artifact.file.path)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        unread(harbour, 10, dice)
