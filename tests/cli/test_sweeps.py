"""`levada -m`: what trials share runs once, each is a job of Hydra's, and one that fails does not stop the others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import run as levada
from tests.cli.project import Project, ran, read

APP = """\
import hydra

@hydra.main(config_path=None, version_base="1.3")
def app(config):
    print("x is", config.x, "in", hydra.core.hydra_config.HydraConfig.get().runtime.output_dir.rsplit("/", 1)[-1])
    return config.x * 2

app()
"""

SWEEPER = '''\
"""A sweeper that chooses its third trial by the results of the first two."""

import json
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper


@dataclass
class ClimbConf:
    _target_: str = "hydra_plugins.climb.climb.Climb"


ConfigStore.instance().store(group="hydra/sweeper", name="climb", node=ClimbConf)


class Climb(Sweeper):
    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        first = self.launcher.launch([[*arguments, f"model.C={c}"] for c in (1e-6, 1.0)], initial_job_idx=0)
        better = max(first, key=lambda job: job.return_value)
        (last,) = self.launcher.launch([[*better.overrides[:-1], "model.C=0.5"]], initial_job_idx=2)
        jobs = [[job.overrides[-1], job.status.name, job.return_value] for job in (*first, last)]
        Path("jobs.json").write_text(json.dumps(jobs))
        return last
'''


@pytest.fixture
def inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, with this process standing in its folder."""
    monkeypatch.chdir(project.folder)
    return project


def test_the_dummy_joins_a_sweep_as_the_baseline_unless_told_not_to(
    inside: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert levada(["-m", "pipeline=trips", "model=gaussian_nb", "model.var_smoothing=1e-9,1e-8", "hydra.sweep.dir=sweep"]) == 0
    assert re.search(r"2 +model=dummy \(the baseline\)", capsys.readouterr().out)
    found = read(inside.folder / "sweep" / "summary.json")["trials"]
    assert [(one["model"], one["baseline"]) for one in found][-1] == ("sklearn.DummyClassifier", True)
    assert "baseline</span>" in (inside.folder / "sweep" / "report.html").read_text("utf-8")
    alone = ["model=gaussian_nb", "hydra.launcher.baseline=false", "slices=[late]"]
    assert levada(["-m", "pipeline=trips", *alone, "hydra.sweep.dir=less"]) == 0
    printed = capsys.readouterr().out
    assert "slices=[late]" in next(line for line in printed.splitlines() if line.startswith("1 "))
    assert re.search(
        r"^slices +none of \d+ that were compared|^slices +none has the 30 rows|^slices +the worst is", printed, re.MULTILINE
    )
    assert [one["number"] for one in read(inside.folder / "less" / "summary.json")["trials"]] == [0]


def test_a_sweep_prepares_once_ranks_its_trials_and_leaves_each_a_folder(
    inside: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    code = levada(["-m", "pipeline=trips", "model=dummy,logistic_regression,gaussian_nb,ridge", "hydra.sweep.dir=sweep"])
    printed, error = capsys.readouterr()
    assert code == 0, printed + error

    sweep = inside.folder / "sweep"
    summary = read(sweep / "summary.json")
    assert ran(summary) == {
        "trips.ingest": 2,
        "ports.ingest": 1,
        "ports.prepare": 1,
        "trips.features": 2,
        "view.segregate": 1,
        "view.assign": 2,
        "view.sketch": 3,
        "view.judge": 2,  # of all trials by counts alone, of the best one by its rows too
        "encode.1_impute": 3,
        "encode.2_one_hot": 3,
        "encode.3_standardize": 3,
        "encode.apply": 2,
        "model.estimate": 3,
        "model.evaluate": 4,  # three on validation rows; only the best one sees test rows too, in a run of its own
        "model.importance": 1,
    }
    assert ran(summary["run"]) == {"view.sketch": 3, "view.judge": 1, "model.evaluate": 1, "model.importance": 1}

    ranked = [entry for entry in summary["trials"] if entry["status"] == "done"]
    accuracies = [entry["metrics"]["accuracy"] for entry in ranked]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [line.split()[1] for line in re.findall(r"(?m)^\d+ +\d+ +.*$", printed)] == [
        str(entry["number"]) for entry in ranked
    ]
    assert re.search(r"^left out, because they are for another task: .*model=ridge$", printed, re.MULTILINE)
    assert f"best     {summary['command']}" in printed
    assert "sweep/report.html" in printed

    for number, model in enumerate(("dummy", "logistic_regression", "gaussian_nb", "ridge")):
        assert f"model={model}" in (sweep / str(number) / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")
        assert (sweep / str(number) / ".hydra" / "config.yaml").is_file()
    trials = {entry["number"]: entry for entry in ranked}
    for number, entry in trials.items():
        own = read(sweep / str(number) / "summary.json")
        assert next(iter(own["metrics"].values()))["accuracy"] == entry["metrics"]["accuracy"]

    assert levada(summary["command"].split()[1:]) == 0
    assert "nothing had to run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "code", "reason"),
    [
        pytest.param(
            ("encode=[{use:one_hot,columns:text}]", "model=logistic_regression,hist_gradient_boosting"),
            3,
            "can not work with missing values",
            id="while it runs",
        ),
        pytest.param(("splitter.test=0.9,0.2",), 2, "train \\+ validation \\+ test must be 1", id="in its parameters"),
        pytest.param(("problem.target=lat,late",), 2, "no column 'lat' in the view", id="in its columns"),
        pytest.param(
            ("datasets.trips.extract.path=data/none.csv,data/trips/1.csv",),
            3,
            "no such file: data/none.csv",
            id="in its source",
        ),
    ],
)
def test_a_trial_that_fails_is_reported_and_the_others_are_done(
    inside: Project, capsys: pytest.CaptureFixture[str], overrides: tuple[str, ...], code: int, reason: str
) -> None:
    ended = levada(["-m", "pipeline=trips", *overrides, "hydra.sweep.dir=sweep"])
    printed, error = capsys.readouterr()
    assert ended == code, printed + error
    assert re.search(reason, error)
    assert "Traceback" not in error
    trials = {entry["number"]: entry["status"] for entry in read(inside.folder / "sweep" / "summary.json")["trials"]}
    assert trials == {0: "failed", 1: "done", 2: "done"}  # the last one is the baseline
    assert re.search(f"^trial 0 failed: .*{reason}", printed, re.MULTILINE)


def test_a_sweep_in_which_no_trial_can_begin_is_an_error(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert levada(["-m", "pipeline=trips", "splitter.test=0.8,0.9"]) == 2
    assert "must be 1, but they are 1.6" in capsys.readouterr().err
    assert inside.batches() == []


def test_a_sweeper_gets_each_trials_metric_and_may_choose_by_it(project: Project) -> None:
    project.write("hydra_plugins/climb/__init__.py", "")
    project.write("hydra_plugins/climb/climb.py", SWEEPER)
    ended = project.levada(
        "-m", "pipeline=trips", "hydra/sweeper=climb", "hydra.sweep.dir=sweep", PYTHONPATH=str(project.folder)
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    jobs = json.loads((project.folder / "jobs.json").read_text(encoding="utf-8"))
    assert [(override, status) for override, status, _ in jobs] == [
        ("model.C=1e-06", "COMPLETED"),
        ("model.C=1.0", "COMPLETED"),
        ("model.C=0.5", "COMPLETED"),
    ]
    for number, (_, _, value) in enumerate(jobs):
        assert value == read(project.folder / "sweep" / str(number) / "summary.json")["metrics"]["validation"]["accuracy"]


ROUNDS = '''\
from pathlib import Path

from engine.plugin import RunSummary, Tracker


class Rounds(Tracker):
    """Write down the sweep and its trials."""

    def track(self, run: RunSummary) -> str:
        with Path("rounds.txt").open("a") as file:
            file.write(" ".join([run.id, *(trial.tags["trial"] for trial in run.trials)]) + "\\n")
        return "rounds.txt"
'''


def test_optuna_proposes_trials_and_learns_from_their_metric(project: Project) -> None:
    project.write("plugins/trackers/rounds.py", ROUNDS)
    ended = project.levada(
        "-m",
        "pipeline=trips",
        "model=logistic_regression",
        "model.C=interval(0.1,10)",
        "hydra/sweeper=optuna",
        "tracker.use=rounds",
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.n_jobs=2",
        "hydra.sweeper.direction=maximize",
        "hydra.sweep.dir=sweep",
        PYTHONWARNINGS="default",  # Optuna 2 uses names that SQLAlchemy has moved, and warns of what it does itself
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = [read(project.folder / "sweep" / str(number) / "summary.json") for number in range(4)]
    assert len({run["model"]["C"] for run in found}) == 4
    assert all(0.1 <= run["model"]["C"] <= 10 for run in found)
    assert not any(run["tested"] for run in found)
    best = max(run["metrics"]["validation"]["accuracy"] for run in found)
    said = (project.folder / "sweep" / "optimization_results.yaml").read_text(encoding="utf-8")
    assert float(re.search(r"best_value: (.*)", said)[1]) == best  # type: ignore[index]  # the sweeper always writes it
    first, second = (project.folder / "rounds.txt").read_text(encoding="utf-8").splitlines()
    assert first.split()[0] == second.split()[0], "a tracker is told of one sweep, made in rounds"
    assert {*first.split()[1:], *second.split()[1:]} >= {"0", "1", "2", "3"}


def test_a_task_function_that_is_not_ours_runs_as_with_hydras_basic_launcher(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    found = {}
    for launcher in ("basic", "levada"):
        command = [sys.executable, "app.py", "-m", "+x=1,2", f"hydra/launcher={launcher}", f"hydra.sweep.dir={launcher}"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        files = sorted(str(file.relative_to(tmp_path / launcher)) for file in (tmp_path / launcher).rglob("*.*"))
        said = [line for line in ended.stdout.splitlines() if line.startswith("x is")]
        found[launcher] = (ended.returncode, said, files, ended.stderr)
    assert found["levada"] == found["basic"]
    assert found["levada"][:2] == (0, ["x is 1 in 0", "x is 2 in 1"])
