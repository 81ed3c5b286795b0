"""A tracker is told in plain data what runs and sweeps came to; whatever it does, the run stands."""

from __future__ import annotations

import json

import pytest

from engine.cli import run as levada
from engine.deployment import read_folder
from engine.errors import ConfigError, DataError
from engine.notebook import run, sweep
from engine.tracking import parameters
from tests.conftest import Shapes

NOTES = '''\
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from engine.plugin import RunSummary, Tracker


class Notes(Tracker):
    """Write what runs came to into files."""

    fail: bool = False

    def track(self, run: RunSummary) -> str:
        if self.fail:
            raise ZeroDivisionError("nobody foresaw this")
        place = Path("notes") / run.id
        place.mkdir(parents=True)
        (place / "run.json").write_text(json.dumps(asdict(run), default=str))
        for one in (run, *run.trials):
            if one.folder is not None:
                shutil.copytree(one.folder, place / one.id)
        return f"in {place}"
'''


@pytest.fixture
def told(shapes: Shapes) -> Shapes:
    shapes.write("plugins/trackers/notes.py", NOTES)
    shapes.pipeline(("assess: false", "assess: false\ntracker: {use: notes}"))
    return shapes


def noted(shapes: Shapes) -> dict[str, object]:
    """Return what was told last."""
    newest = max((shapes.folder / "notes").iterdir(), key=lambda place: place.stat().st_mtime_ns)
    found = json.loads((newest / "run.json").read_text())
    return {**found, "place": newest}


def test_a_tracker_of_the_users_own_is_told_of_a_run_with_its_report_and_a_bundle_that_predicts(told):
    found = told.run()
    assert not (told.folder / "notes").exists(), "the engine tells nobody: the faces do"
    run("shapes")
    said = noted(told)
    assert said["name"] == "shapes sklearn.GaussianNB"
    assert said["status"] == "done"
    assert said["metrics"]["test.accuracy"] == found.metrics["test"]["accuracy"]
    assert said["metrics"]["test.accuracy.low"] <= said["metrics"]["test.accuracy"] <= said["metrics"]["test.accuracy.high"]
    assert said["parameters"]["encode.0.use"] == "impute"
    assert said["parameters"]["model.use"] == "sklearn.GaussianNB"
    assert said["tags"]["bundle"] == found.summary["bundle"]["digest"][:12]
    assert said["tags"]["batches.shapes"].split() == [batch["id"] for batch in found.summary["lineage"]["batches"]]
    files = said["place"] / said["id"]
    assert json.loads((files / "summary.json").read_text())["id"] == said["id"]
    assert "<html" in (files / "report.html").read_text()
    rows = read_folder(files / "bundle").predict(
        found.store.scan(found.execution.artifact(found.compiled.ingest["shapes"][0])).collect()
    )
    assert rows.height > 0


def test_a_sweep_is_told_with_its_trials_and_what_failed_among_them(told):
    swept = sweep(
        "shapes", ["model=gaussian_nb"], ["model=logistic_regression", "model.C=-1"], ["model=k_neighbors"], ["model=ridge"]
    )
    said = noted(told)
    assert said["id"] == swept.summary["id"]
    done, failed, _, best = said["trials"]  # that of another task is left out
    assert [trial["status"] for trial in said["trials"]] == ["done", "failed", "done", "done"]
    assert "model.C" in failed["message"]
    assert best["metrics"].keys() >= {"test.accuracy", "validation.accuracy"}
    assert "test.accuracy" not in done["metrics"]
    assert said["metrics"] == best["metrics"]
    assert said["parameters"]["encode.0.use"] == "impute"
    assert "model.use" not in said["parameters"], "trials differ in it"
    assert (said["place"] / best["id"] / "bundle" / "bundle.json").exists()
    assert [file.name for file in (said["place"] / done["id"]).iterdir()] == ["summary.json"]


def test_a_run_that_failed_is_told_as_failed_with_the_reason(told):
    told.pipeline(('"width * height"', '"cast(colour as bigint)"'), more="tracker: {use: notes}\n")
    with pytest.raises(DataError) as caught:
        run("shapes")
    said = noted(told)
    assert said["status"] == "failed"
    assert said["message"] == str(caught.value)
    assert "bundle" not in said["tags"]


@pytest.mark.usefixtures("told")
def test_whatever_a_tracker_does_the_run_stands_and_says_so(capsys):
    assert levada(["pipeline=shapes", "tracker.fail=true"]) == 0
    said = capsys.readouterr()
    assert "answer   accuracy" in said.out
    assert said.err.startswith("tracker  not tracked: ZeroDivisionError: nobody foresaw this\n  where     tracker notes")
    with pytest.warns(UserWarning, match="not tracked: ZeroDivisionError"):
        run("shapes", "tracker.fail=true")


def test_parameters_hold_no_secret(shapes, monkeypatch):
    monkeypatch.setenv("WHERE", "mongodb://me:sesame@127.0.0.1/")
    spec = shapes.load("store=mongo", "store.uri=${oc.env:WHERE}", "tracker=mlflow", "tracker.uri=${oc.env:WHERE}")
    found = parameters(spec)
    assert found["store.uri"] == "mongodb://me:***@127.0.0.1/"
    assert not any("sesame" in value or key.startswith("tracker") for key, value in found.items())
    assert "sesame" not in repr(spec)


def test_a_tracker_that_nobody_knows_is_refused_before_anything_runs(shapes):
    with pytest.raises(ConfigError, match="unknown tracker 'mlfow'") as caught:
        shapes.load("+tracker.use=mlfow")
    assert "did you mean 'mlflow'" in caught.value.hint


def test_a_pipeline_chooses_a_tracker_and_the_command_line_goes_without(shapes):
    shapes.write("conf/tracker/team.yaml", "use: mlflow\nuri: http://mlflow.example:5000\n")
    shapes.pipeline(("override /splitter: hash\n", "override /splitter: hash\n  - override /tracker: team\n"))
    assert shapes.load().tracker.uri.get_secret_value() == "http://mlflow.example:5000"
    assert shapes.load("tracker=none").tracker is None
