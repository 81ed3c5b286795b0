"""The tracker mlflow, against MLflow's own server over a real connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli import run as levada
from engine.deployment import read_folder
from engine.errors import ConfigError, HostError
from engine.plugin import RunSummary
from engine.registry import build
from tests import servers

mlflow = pytest.importorskip("mlflow")

SUMMARY = RunSummary("one", "first", "flights", "done", 1.0, 3.5, {"model.use": "ridge"}, {"test.r2": 0.5}, {"code": "c0de"})


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    with servers.mlflow(tmp_path_factory.mktemp("mlflow")) as found:
        yield found.address


@pytest.fixture
def client(server):
    return mlflow.MlflowClient(tracking_uri=server)


def runs(client, experiment: str):
    """Return the runs of an experiment, the oldest first."""
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id], order_by=["attributes.start_time"])


@pytest.mark.service
def test_a_sweep_is_a_run_with_its_trials_as_children_and_the_best_ones_bundle_predicts(
    shapes, server, client, tmp_path, capsys
):
    shapes.pipeline(more=f"tracker: {{use: mlflow, uri: '{server}'}}\n")
    assert levada(["-m", "pipeline=shapes", "model=gaussian_nb"]) == 0
    where = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("tracked"))
    found = runs(client, "shapes")
    (parent,) = (one for one in found if "mlflow.parentRunId" not in one.data.tags)
    assert where == f"tracked  {server}/#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}"
    children = [one for one in found if one.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 3, "a trial, the baseline, and the best once more to its end"
    assert {one.info.status for one in found} == {"FINISHED"}
    (best,) = (one for one in children if one.info.run_name.startswith("the best"))
    assert best.data.metrics["test.accuracy.low"] <= best.data.metrics["test.accuracy"]
    assert best.data.params["encode.0.use"] == "impute"
    assert best.data.tags["levada.run_id"]
    assert best.data.tags["levada.code"]
    assert best.data.tags["levada.batches.shapes"]
    assert {file.path for file in client.list_artifacts(best.info.run_id)} == {"bundle", "report.html", "summary.json"}
    folder = client.download_artifacts(best.info.run_id, "bundle", str(tmp_path))
    assert read_folder(Path(folder)).manifest.pipeline == "shapes"


@pytest.mark.service
def test_each_run_is_one_and_what_is_told_again_is_the_same(server, client):
    tracker = build("tracker", {"use": "mlflow", "uri": server, "experiment": "told again"})
    tracker.track(SUMMARY)
    tracker.track(replace(SUMMARY, trials=(replace(SUMMARY, id="two"),)))
    tracker.track(
        replace(SUMMARY, metrics={"test.r2": 0.75}, trials=(replace(SUMMARY, id="three", status="failed", message="no"),))
    )
    found = {one.data.tags["levada.run_id"]: one for one in runs(client, "told again")}
    assert len(runs(client, "told again")) == 3
    assert found["one"].data.metrics["test.r2"] == 0.75
    assert found["one"].info.start_time == 1_000
    assert found["one"].info.end_time == 3_500
    assert {found[name].data.tags["mlflow.parentRunId"] for name in ("two", "three")} == {found["one"].info.run_id}
    assert found["three"].info.status == "FAILED"
    assert found["three"].data.tags["levada.message"] == "no"


@pytest.mark.service
def test_names_and_texts_that_mlflow_does_not_take_are_made_fit(server, client):
    tracker = build("tracker", {"use": "mlflow", "uri": server, "experiment": "odd"})
    odd = {"derive./a?b\n": "x" * 20_000, "ü.0": "", **{f"p{number}": "1" for number in range(250)}}
    tracker.track(replace(SUMMARY, parameters=odd, metrics={"test.f1 (%)": 1e300}, tags=odd, name="n" * 2_000))
    (found,) = runs(client, "odd")
    assert len(found.data.params) == 252
    assert found.data.params["derive._a_b_"].endswith(" …")


def test_a_folder_needs_no_server(shapes):
    tracker = build("tracker", {"use": "mlflow", "uri": str(shapes.folder / "tracked")})
    said = tracker.track(SUMMARY)
    assert said.startswith(f"{shapes.folder}/tracked, experiment flights, run ")


@pytest.mark.usefixtures("shapes")
def test_a_server_that_is_not_there_fails_no_run_and_shows_no_password(monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        monkeypatch.setenv("WHERE", f"http://me:sesame@127.0.0.1:{taken.getsockname()[1]}")
        assert levada(["pipeline=shapes", "tracker=mlflow", "tracker.uri=${oc.env:WHERE}"]) == 0
    said = capsys.readouterr()
    assert "answer   accuracy" in said.out
    assert said.err.startswith("tracker  not tracked: MLflow did not take the run\n  where     tracker.uri: http://127.0.0.1:")
    assert "run the same command again" in said.err
    assert "sesame" not in said.out + said.err


def test_a_server_that_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracker = build("tracker", {"use": "mlflow", "uri": f"http://127.0.0.1:{silent.getsockname()[1]}", "timeout": 1})
        begun = time.monotonic()
        with pytest.raises(HostError, match="did not take"):
            tracker.track(SUMMARY)
    assert time.monotonic() - begun < 20


def test_a_tracker_whose_library_is_missing_is_refused_before_anything_runs(shapes, monkeypatch):
    monkeypatch.setattr("plugins.trackers.mlflow.find_spec", {}.get)
    with pytest.raises(ConfigError, match=r"pip install 'levada\[mlflow\]'") as caught:
        shapes.load("tracker=mlflow")
    assert caught.value.where.endswith("tracker")
