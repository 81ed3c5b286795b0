"""The power fails at any moment: whatever the disk has kept of what was not synced, nothing acknowledged is lost."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.intake import ingest_pipeline
from tests.durability.harbour import Harbour
from tests.durability.nursery import Nursery
from tests.durability.power import SHAPES, build, states


def recorded(
    nursery: Nursery, folder: Path, dice: random.Random, course: str, *, run: bool = True, **disturbance: Any
) -> tuple[Harbour, Path]:
    """Record ingestions of the same files by two processes, and a run of a whole pipeline after them.

    The ``course``: both at once; the second one, planned before, writes what the first one has committed; the first one is
    killed.
    """
    harbour, record, ready, go = Harbour.create(folder), folder / "record", folder / "ready", folder / "go"
    job = {"folder": str(folder), "do": "ingest", "record": str(record)}
    job |= {name: value for name, value in disturbance.items() if name == "planted"}
    match course:
        case "at once":
            ended = nursery.do(job, job)
        case "again":
            first, second = {"hold": str(ready), "then": str(go)}, {"hold": str(go), "arrived": str(ready)}
            ended = nursery.do({**job, **first}, {**job, **second})
        case _:
            nursery.do({**job, "kill_at": dice.randrange(10, 200), **disturbance})
            ended = nursery.do(job)
    if run:
        harbour.add("trips", 90)
        ended += nursery.do({**job, "do": "run"})
    assert [one.code for one in ended] == [0] * len(ended), [one.said for one in ended]
    return harbour, record


def replay(
    harbour: Harbour, record: Path, dice: random.Random, *, at_most: int, again: float, shapes: tuple[str, ...] = SHAPES
) -> int:
    """Build states after a power loss and look at each; ingest once more in a share of them. Returns how many there were."""
    count = sum(1 for _ in states(record, shapes))
    wanted = set(dice.sample(range(count), min(at_most, count)))
    for number, (operation, shape, disk) in enumerate(states(record, shapes)):
        if number not in wanted:
            continue
        state = Harbour(harbour.folder, f"states/{number}")
        state.root.parent.mkdir(exist_ok=True)
        build(disk, shape, dice, record, state.root)
        assert state.problems(disk.acknowledged) == [], (operation, shape)
        if dice.random() < again:
            ingest_pipeline(state.spec()).raise_failure()
            assert state.incomplete() == [], (operation, shape)
        shutil.rmtree(state.root, ignore_errors=True)
    return len(wanted)


COURSES = ("at once", "again", "killed")


@pytest.mark.parametrize("course", COURSES)
def test_no_state_of_the_disk_after_a_power_loss_lacks_what_was_acknowledged(course, nursery, dice, tmp_path: Path):
    assert replay(*recorded(nursery, tmp_path, dice, course), dice, at_most=15, again=0.1) == 15


@pytest.mark.soak
@pytest.mark.parametrize("course", COURSES * 2)
def test_no_state_of_a_long_list_of_them_lacks_what_was_acknowledged(course, nursery, dice, tmp_path: Path):
    assert replay(*recorded(nursery, tmp_path, dice, course), dice, at_most=500, again=0.1) == 500
