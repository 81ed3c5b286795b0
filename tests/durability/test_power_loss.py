"""The power fails at any moment: whatever the disk has kept of what was not synced, nothing acknowledged is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.runs import ingest_pipeline
from tests.durability.harbour import Harbour
from tests.durability.nursery import Nursery
from tests.durability.power import build, states


def recorded(nursery: Nursery, folder: Path, dice: random.Random, course: str, **disturbance: str) -> tuple[Harbour, Path]:
    """Record ingestions of the same files by two processes, and a run of a whole pipeline after them.

    The ``course``: both at once; the second one writes what the first one has committed; the first one is killed.
    """
    harbour, record, go = Harbour.create(folder), folder / "record", folder / "go"
    job = {"folder": str(folder), "do": "ingest", "record": str(record), **disturbance}
    match course:
        case "at once":
            ended = nursery.do(job, job)
        case "again":
            ended = nursery.do({**job, "then": str(go)}, {**job, "hold": str(go)})
        case _:
            nursery.do({**job, "kill_at": dice.randrange(10, 200)})
            ended = nursery.do(job)
    harbour.add("trips", 90)
    ended += nursery.do({**job, "do": "run"})
    assert [one.code for one in ended] == [0] * len(ended), [one.said for one in ended]
    return harbour, record


def replay(harbour: Harbour, record: Path, dice: random.Random, *, at_most: int, again: float) -> int:
    """Build states after a power loss and look at each; ingest once more in a share of them. Returns how many there were."""
    counted = 0
    found = list(states(record, dice, 8))
    wanted = set(dice.sample(range(len(found)), min(at_most, len(found))))
    for number, (operation, shape, disk) in enumerate(states(record, dice, 8)):
        if number not in wanted:
            continue
        counted += 1
        state = Harbour(harbour.folder, f"states/{counted}")
        state.root.parent.mkdir(exist_ok=True)
        build(disk, shape, dice, record, state.root)
        assert state.problems(disk.acknowledged) == [], (operation, shape)
        if dice.random() < again:
            ingest_pipeline(state.spec()).raise_failure()
            assert state.incomplete() == [], (operation, shape)
    return counted


COURSES = ("at once", "again", "killed")


@pytest.mark.parametrize("course", COURSES)
def test_no_state_of_the_disk_after_a_power_loss_lacks_what_was_acknowledged(course, nursery, dice, tmp_path: Path):
    assert replay(*recorded(nursery, tmp_path, dice, course), dice, at_most=70, again=0.05) == 70


@pytest.mark.soak
@pytest.mark.parametrize("course", COURSES * 2)
def test_no_state_of_a_long_list_of_them_lacks_what_was_acknowledged(course, nursery, dice, tmp_path: Path):
    assert replay(*recorded(nursery, tmp_path, dice, course), dice, at_most=500, again=0.1) == 500
