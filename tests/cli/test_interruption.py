"""Ctrl-C, SIGTERM and a crash in the middle of a run: nothing half-done is visible, and the next run goes on from there."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.cli.gate import HUNGRY, Gate
from tests.cli.project import Project, ran, wait_for
from tests.durability.nursery import Nursery

PROMISED_SECONDS = 5.0
"""Within this time a run that is interrupted has ended."""


@pytest.mark.parametrize(("sent", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_an_interrupted_run_ends_at_once_and_the_next_one_goes_on_from_there(
    project: Project, nursery: Nursery, sent: signal.Signals, code: int, word: str
) -> None:
    gate = Gate.before_features(project)
    with project.started("pipeline=trips") as process:
        gate.begun()
        process.send_signal(sent)
        asked = time.monotonic()
        printed, error = process.communicate(timeout=20)
        took = time.monotonic() - asked
    assert process.returncode == code, printed + error
    assert took < PROMISED_SECONDS
    assert error == f"error: {word}\n  try       run the same command again: it goes on from here\n"
    assert [run.status for run in project.runs()] == ["interrupted"]
    assert [batch.rows for batch in project.batches("trips")] == [90, 60]  # they were whole before

    gate.open()
    summary = project.forked(nursery, "pipeline=trips")
    assert "interrupted" not in summary["status"]
    assert not {"trips.ingest", "ports.ingest"} & set(ran(summary))
    assert ran(summary)["trips.features"] == 2
    assert [batch.rows for batch in project.batches("trips")] == [90, 60]


def test_after_a_crash_in_the_middle_of_a_batch_nothing_of_it_is_visible_and_the_next_run_makes_it(
    project: Project, nursery: Nursery
) -> None:
    gate = Gate.at_second_file(project)
    with project.started("pipeline=trips") as process:
        gate.begun()
        wait_for(lambda: project.remembered("trips.ingest") == [0], "the first file to be committed")
        process.kill()
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    assert [batch.rows for batch in project.batches("trips")] == [90]  # of the second file nothing

    gate.open()
    summary = project.forked(nursery, "pipeline=trips")
    assert ran(summary)["trips.ingest"] == 1  # the second file; the first was done
    assert [batch.rows for batch in project.batches("trips")] == [90, 60]


def test_a_sweep_that_is_killed_runs_only_what_was_missing_when_it_is_started_again(project: Project, nursery: Nursery) -> None:
    gate = Gate.in_a_fit(project)
    sweep = ("-m", "pipeline=trips", "model=dummy,gaussian_nb,held", "executor.workers=2")
    with project.started(*sweep) as process:
        gate.begun()
        wait_for(lambda: project.committed("model.evaluate") == 2, "two trials to be committed")
        process.kill()
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL

    gate.open()
    summary = project.forked(nursery, *sweep)
    assert {entry["status"] for entry in summary["trials"]} == {"done"}
    # the third trial's fit and its measurement, and what is done for the best one alone
    of_the_best = {"view.sketch": 3, "view.judge": 1, "model.importance": 1}
    assert ran(summary) == {"model.estimate": 1, "model.evaluate": 2, **of_the_best}


def test_a_fit_that_takes_too_long_is_ended_and_a_limit_changes_no_result(project: Project, nursery: Nursery) -> None:
    gate = Gate.in_a_fit(project)
    ended = project.in_fork(nursery, "pipeline=trips", "model=held", "timeout=1")
    assert ended.code == 3, ended.said
    assert "error: the fit of held took too long\n  where     timeout\n  expected  at most 1 s\n" in ended.said
    (process,) = gate.begun()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)

    gate.open()
    assert ran(project.forked(nursery, "pipeline=trips", "model=held", "timeout=60", "memory=4GB"))["model.estimate"] == 1
    assert ran(project.forked(nursery, "pipeline=trips", "model=held")) == {}


def test_a_fit_that_needs_too_much_memory_is_ended_and_the_other_trials_go_on(project: Project, nursery: Nursery) -> None:
    project.write("plugins/models/hungry.py", HUNGRY)
    project.write("conf/model/hungry.yaml", "use: hungry\n")
    ended = project.in_fork(nursery, "-m", "pipeline=trips", "model=hungry", "memory=400MB")
    assert ended.code == 3, ended.said
    said = "the fit of hungry needs too much memory\n  where     memory\n  expected  at most 400.0 MB\n  found "
    assert f"error: {said}" in ended.said
    best, other = project.summary(ended.said)["trials"]
    assert (best["baseline"], best["status"]) == (True, "done")
    assert other["error"].startswith(said)
