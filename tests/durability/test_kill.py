"""A process that ingests is killed at any moment: what was acknowledged is there, whole; what was not is not there at all."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from engine.intake import ingest_pipeline
from tests.durability.harbour import Harbour
from tests.durability.nursery import Nursery

AMOUNTS = [
    *(pytest.param(10, id=f"ten-kills-{number}") for number in range(2)),
    *(pytest.param(50, id=f"fifty-kills-{number}", marks=pytest.mark.soak) for number in range(6)),
]
STEPS = 220
"""About as many steps as an ingestion of the harbour has."""


def killed(harbour: Harbour, nursery: Nursery, dice: random.Random) -> set[str]:
    """Ingest until the process is killed, at a random step or after a random time; return what it acknowledged."""
    when = {"kill_after": dice.uniform(0, 0.6)} if dice.random() < 0.25 else {"kill_at": dice.randrange(1, STEPS)}
    ended = nursery.one(folder=str(harbour.folder), do="ingest", **when)
    assert ended.code in (-signal.SIGKILL, 0), (when, ended.said)
    assert harbour.problems(ended.acknowledged) == [], when
    return ended.acknowledged


@pytest.mark.parametrize("amount", AMOUNTS)
def test_no_kill_loses_a_batch_that_was_acknowledged_or_shows_half_of_one(amount, nursery, dice, tmp_path: Path):
    kills = 0
    while kills < amount:
        harbour = Harbour.create(tmp_path / str(kills))
        acknowledged = set[str]()
        for _ in range(dice.choice((1, 1, 2))):
            acknowledged |= killed(harbour, nursery, dice)
            kills += 1
        ingest_pipeline(harbour.spec()).raise_failure()
        assert harbour.problems(acknowledged) == []
        assert harbour.incomplete() == []


def test_each_step_of_an_ingestion_is_a_place_to_end(nursery, tmp_path: Path):
    harbour = Harbour.create(tmp_path)
    ended = nursery.one(folder=str(tmp_path), do="ingest")
    assert (ended.code, ended.said) == (0, "")
    assert len(ended.acknowledged) == 6
    assert ended.steps == pytest.approx(STEPS, abs=40)  # else kills would cluster, or miss the end
    assert harbour.incomplete() == []
