"""`levada watch` beside `levada ingest`."""

from __future__ import annotations

import json
import signal

import pytest

from engine.cli import run as levada
from tests.cli.project import DEADLINE, trips


@pytest.fixture
def inside(project, monkeypatch):
    """The project, with this process standing in its folder."""
    monkeypatch.chdir(project.folder)
    return project


def test_an_ingestion_in_another_process_starts_a_run(inside):
    with inside.started("watch", "pipeline=trips", "--every", "100ms", "--json") as watching:
        assert json.loads(watching.stdout.readline())["missing"] == ["trips", "ports"]
        assert levada(["ingest", "pipeline=trips"]) == 0
        known: set[str] = set()
        while len(known) < 3:  # some may be announced a moment after the others
            turn = json.loads(watching.stdout.readline())
            if turn["batches"]:
                known |= set(turn["batches"])
                assert json.loads(watching.stdout.readline())["status"] == "done"
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=DEADLINE)
        assert (watching.returncode, "interrupted" in said) == (130, True)


def test_once_sees_to_what_is_there_and_says_so(inside, capsys):
    def once(*overrides):
        code = levada(["watch", "pipeline=trips", "--once", *overrides])
        return code, capsys.readouterr().out

    assert "waiting for a batch of trips, ports" in once()[1]
    assert levada(["ingest", "pipeline=trips"]) == 0
    code, said = once()
    assert (code, "2 new batches of trips" in said, inside.summary(said)["status"]) == (0, True, "done")
    assert once() == (0, "")
    inside.write("data/trips/3.csv", trips(200, 20))
    assert levada(["ingest", "pipeline=trips"]) == 0
    capsys.readouterr()
    code, said = once("view.features=[{use: derive, draught: cargo / port}]")
    assert (code, "3 new batches of trips" in said) == (3, True), (
        "a run that fails is an error; each configuration is told of all"
    )


@pytest.mark.usefixtures("inside")
def test_a_wrong_interval_is_refused(capsys):
    assert levada(["watch", "pipeline=trips", "--every", "soon"]) == 2
    assert "'soon' is no duration" in capsys.readouterr().err
