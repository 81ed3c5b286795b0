"""The disk is full or fails, at any call: the command says so and leaves a store that is whole; afterwards it goes on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.durability.harbour import Harbour
from tests.durability.jobs import SEAM
from tests.durability.nursery import Ended, Nursery

FUNCTIONS = [name for name in SEAM if name not in ("remove", "remove_folder")]
CALLS = {"make": 12, "write": 3, "sync": 10, "rename": 5}
"""How many calls of each an ingestion of two new files has, about: later ones never fail."""

COMMAND = ["ingest", "pipeline=harbour", "datasets=[trips,tides]"]


def with_one_batch(nursery: Nursery, folder: Path) -> Harbour:
    """Make a harbour of which everything is ingested, and two more files."""
    harbour = Harbour.create(folder)
    assert nursery.one(folder=str(folder), do="ingest").code == 0
    harbour.add("trips", 50)
    harbour.add("tides", 51)
    return harbour


def look(harbour: Harbour, nursery: Nursery, ended: Ended, words: str, *, survived: bool = False) -> None:
    """See that a fault was told as the machine's, that nothing is broken, and that the next ingestion brings in all."""
    if not survived or ended.code:
        assert ended.code == 4, ended.said
        assert words in ended.said
        assert "Traceback" not in ended.said
    assert harbour.problems(ended.acknowledged) == []
    assert len(harbour.batches()) >= 6
    assert list((harbour.root / "tmp").glob("*")) == []
    again = nursery.one(folder=str(harbour.folder), do="cli", arguments=COMMAND)
    assert again.code == 0, again.said
    assert harbour.incomplete() == []


ALL = [
    (function, nth, error, once)
    for function in FUNCTIONS
    for nth, error, once in product(range(1, CALLS[function] + 1), (errno.ENOSPC, errno.EIO), (True, False))
]


def check(case: tuple[str, int, int, bool], retries: int, nursery: Nursery, folder: Path) -> None:
    function, nth, error, once = case
    print(f"call {nth} of {function} fails with {os.strerror(error)}, {'once' if once else 'for good'}")
    harbour = with_one_batch(nursery, folder)
    fault = {"function": function, "nth": nth, "error": error, "once": once}
    arguments = [*COMMAND, f"executor.retries={retries}"]
    ended = nursery.one(folder=str(folder), do="cli", arguments=arguments, fault=fault)
    look(harbour, nursery, ended, os.strerror(error), survived=ended.faults == 0 or (once and retries > 0))


def test_a_write_that_fails_once_or_for_good_is_told_and_leaves_the_store_whole(nursery, dice, tmp_path: Path):
    for number, case in enumerate(dice.sample(ALL, 8)):
        check(case, dice.choice((0, 0, 1)), nursery, tmp_path / str(number))


@pytest.mark.soak
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_write_that_fails_once_or_for_good_is_told_and_leaves_the_store_whole(function, nursery, tmp_path: Path):
    for number, case in enumerate(one for one in ALL if one[0] == function):
        check(case, number % 2, nursery, tmp_path / str(number))


@pytest.mark.parametrize("size", [0, 4096, 40_000])
def test_files_that_may_not_grow_any_more_are_told_and_leave_the_store_whole(size, nursery, tmp_path: Path):
    harbour = with_one_batch(nursery, tmp_path)
    ended = nursery.one(folder=str(tmp_path), do="cli", arguments=COMMAND, limit=size)
    assert "Traceback" not in ended.said
    look(harbour, nursery, ended, "", survived=size > 10_000)


def test_a_disk_that_is_full_in_earnest_is_told_and_leaves_the_store_whole(tmp_path: Path):
    space = ("unshare", "--user", "--map-root-user", "--mount")
    possible = shutil.which("unshare") and subprocess.run((*space, "mount", "-t", "tmpfs", "none", "/mnt"), check=False)
    if not possible or possible.returncode:
        pytest.skip("this system lets a user have no small disk of their own")
    command = (*space, sys.executable, "-m", "tests.durability.full_disk", str(tmp_path))
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["whole"]), ended.stdout + ended.stderr
