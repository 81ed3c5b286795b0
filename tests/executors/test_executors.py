"""A run comes to the same results on threads, on processes of this machine and on a cluster, also when a worker dies."""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.cli import run as levada
from engine.execute import executors
from tests.cli.gate import Gate
from tests.cli.project import Project, wait_for
from tests.durability.nursery import Nursery
from tests.servers import Cluster

PENGUINS = ("pipeline=penguins", f"data={Path(__file__).parents[2] / 'data'}")


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Project:
    """A project in which penguins ran on threads."""
    project = Project.create(tmp_path_factory.mktemp("penguins"))
    project.forked(nursery, *PENGUINS)
    return project


def compared(project: Project, store: str, *arguments: str) -> tuple[str, str]:
    """Run again in a store of its own, compare all results with those in the usual store, and return what was printed."""
    ended = project.levada(*arguments, f"store.root={store}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    same(project, store, project.summary(ended.stdout))
    return ended.stdout, ended.stderr


def same(project: Project, store: str, summary: dict[str, Any]) -> None:
    """Assert that a run's results, in the store that it wrote, are those of the usual store."""
    assert all(stage["reused"] == 0 for stage in summary["stages"])
    assert project.results(summary, store) == project.results(summary)


@pytest.mark.soak  # test_leakage.py compares all bytes of a smaller pipeline on every executor
def test_processes_of_this_machine_come_to_the_same_results(penguins: Project) -> None:
    _, error = compared(penguins, "local", *PENGUINS, "executor=local_cluster")
    assert re.fullmatch(r"dashboard at http://127\.0\.0\.1:\d+/status\n", error)


@pytest.mark.service
def test_a_cluster_comes_to_the_same_results(penguins: Project, cluster: Cluster) -> None:
    _, error = compared(penguins, "cluster", *PENGUINS, "executor=cluster", f"executor.address={cluster.address}")
    assert error == f"cluster of 2 workers at {cluster.address}\n"


def test_all_that_a_local_cluster_opens_is_on_this_machine_and_ctrl_c_ends_it(project: Project) -> None:
    gate = Gate.before_features(project)
    with project.started("pipeline=trips", "executor=local_cluster", "executor.workers=2") as process:
        gate.begun(processes=2)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        sockets = [one for member in family for one in member.net_connections("inet") if one.status == psutil.CONN_LISTEN]
        assert {one.laddr.ip for one in sockets} == {"127.0.0.1"}

        assert process.stderr is not None
        dashboard = process.stderr.readline().split()[-1]
        with urllib.request.urlopen(dashboard, timeout=30) as answer:
            assert answer.status == 200

        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
        printed, error = process.communicate(timeout=60)
    assert process.returncode == 130, printed + error
    assert error == "error: interrupted\n  try       run the same command again: it goes on from here\n"
    assert [run.status for run in project.runs()] == ["interrupted"]
    wait_for(
        lambda: not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family[1:]),
        "all workers to end",
    )


@pytest.mark.service
def test_a_worker_that_is_killed_costs_time_and_nothing_else(project: Project, cluster: Cluster, nursery: Nursery) -> None:
    gate = Gate.before_features(project)
    with project.started(
        *("pipeline=trips", "assess=true", "executor=cluster"),
        *(f"executor.address={cluster.address}", "store.root=disturbed"),
    ) as process:
        killed, *_ = gate.begun(processes=2)
        cluster.workers[killed].kill()
        gate.open()
        printed, error = process.communicate(timeout=60)
    assert process.returncode == 0, printed + error
    assert "Traceback" not in error
    project.forked(nursery, "pipeline=trips", "assess=true")
    same(project, "disturbed", project.summary(printed))
    assert [batch.rows for batch in project.batches("trips", store="disturbed")] == [90, 60]


def test_no_scheduler_at_the_address_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(executors, "_CONNECT_SECONDS", 0.5)
        monkeypatch.chdir(project.folder)
        code = levada(["pipeline=trips", "executor=cluster", f"executor.address={address}"])
    printed, error = capsys.readouterr()
    assert code == 4, printed + error
    assert f"no Dask scheduler answers at {address}" in error
    assert "Traceback" not in error
    assert project.batches() == []
