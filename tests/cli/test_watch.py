"""`levada watch` beside `levada ingest`, as two processes."""

from __future__ import annotations

import json
import signal

from tests.cli.project import DEADLINE


def test_an_ingestion_in_another_process_starts_a_run(project):
    with project.started("watch", "pipeline=trips", "--every", "100ms", "--json") as watching:
        assert json.loads(watching.stdout.readline())["missing"] == ["trips", "ports"]
        assert project.levada("ingest", "pipeline=trips").returncode == 0
        turns, known = [], set()
        while len(known) < 3:  # batches may be announced before all of them are there, and the rest a moment later
            turns.append(json.loads(watching.stdout.readline()))
            known |= set(turns[-1]["batches"])
        assert turns[-1]["run"]["status"] == "done"
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=DEADLINE)
        assert (watching.returncode, "interrupted" in said) == (130, True)


def test_once_sees_to_what_is_there_and_says_so(project):
    assert "waiting for a batch of trips, ports" in project.levada("watch", "pipeline=trips", "--once").stdout
    assert project.levada("ingest", "pipeline=trips").returncode == 0
    ended = project.levada("watch", "pipeline=trips", "--once")
    assert (ended.returncode, "2 new batches of trips" in ended.stdout) == (0, True), ended.stderr
    assert project.summary(ended.stdout)["status"] == "done"
    assert project.levada("watch", "pipeline=trips", "--once").stdout == ""


def test_a_wrong_interval_is_refused(project):
    ended = project.levada("watch", "pipeline=trips", "--every", "soon")
    assert (ended.returncode, "'soon' is no duration" in ended.stderr) == (2, True)
