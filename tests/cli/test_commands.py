"""What each command prints, and that what was done before is not done again."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from engine.cli import run as levada
from tests.cli.project import LEVADA, Project, ran
from tests.durability.nursery import Nursery

MINE = '''\
"""Transformers of the user's own."""

import polars as pl

from engine.plugin import Transformer
from plugins.transformers._heavy import threshold


class Heavy(Transformer):
    """Say whether a trip carries much."""

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.with_columns(heavy=pl.col("cargo").fill_null(0) > threshold())
'''

HELPER = """\
def threshold():
    return 50
"""


@pytest.fixture
def inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, with this process standing in its folder."""
    monkeypatch.chdir(project.folder)
    return project


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must succeed in this process, and return what it printed."""
    code = levada(arguments)
    printed, error = capsys.readouterr()
    assert code == 0, printed + error
    assert "Traceback" not in error
    return printed


def test_help_and_version_answer_without_loading_a_heavy_library(project: Project) -> None:
    script = (
        "import sys; from engine.cli import run\n"
        "codes = [run([flag]) for flag in ('--help', '-h', 'help', '--version')]\n"
        "heavy = {'polars', 'hydra', 'omegaconf', 'dask', 'sklearn', 'pydantic', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert codes == [0] * 4 and not heavy, (codes, heavy)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=project.folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for command in ("levada plan", "levada plugins", "levada schema", "levada runs", "levada lineage", "--config-dir"):
        assert command in ended.stdout
    assert re.search(r"pipeline +flights penguin_colonies penguins trips$", ended.stdout, re.MULTILINE)
    assert re.search(r"^levada \d+\.\d+", ended.stdout, re.MULTILINE)


def test_a_run_prints_its_stages_metrics_and_report_and_the_next_one_has_nothing_to_do(project: Project) -> None:
    first = project.levada("pipeline=trips")
    again = project.levada("pipeline=trips")
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr

    assert re.search(r"^trips\.ingest +2 +2 +0 +150 ", first.stdout, re.MULTILINE)
    assert re.search(r"^28 tasks ran, 0 were reused", first.stdout, re.MULTILINE)
    assert re.search(r"^warning  validation has only 28 rows", first.stdout, re.MULTILINE)
    assert re.search(r"^metric +validation +test$", first.stdout, re.MULTILINE)
    assert re.search(r"^answer   accuracy 0\.\d{4} \[0\.\d{4}, [01]\.\d{4}\] on test rows$", first.stdout, re.MULTILINE)
    assert (first.stderr, again.stderr) == ("", "")
    assert "\x1b" not in first.stdout  # no terminal, no colours

    summary = project.summary(first.stdout)
    assert summary["status"] == "done"
    report = project.report(first.stdout).read_text(encoding="utf-8")
    assert summary["id"] in report
    page = re.sub(
        r"(<script[^>]*>).*?</script>", r"\1", report, flags=re.DOTALL
    )  # Bokeh's own code names hosts that it may ask
    assert not re.findall(r"""(?:src|href|action|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", page)

    assert re.search(r"^nothing had to run: all 28 tasks were done before", again.stdout, re.MULTILINE)
    assert ran(project.summary(again.stdout)) == {}
    assert project.summary(again.stdout)["metrics"] == summary["metrics"]


def test_hydras_own_flags_work(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert "target: late" in said(capsys, "pipeline=trips", "--cfg", "job")
    assert "late" in said(capsys, "pipeline=trips", "--cfg", "job", "--package", "problem")
    assert "--multirun" in said(capsys, "--hydra-help")
    assert "pipeline" in said(capsys, "pipeline=trips", "--help")
    assert inside.runs() == []


def test_the_folder_of_configurations_and_the_folder_of_results_can_be_chosen(
    inside: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside.folder / "conf").rename(inside.folder / "elsewhere")
    said(capsys, "--config-dir", "elsewhere", "pipeline=trips", "hydra.run.dir=here", "store.root=there")
    assert (inside.folder / "here" / "report.html").is_file()
    assert [batch.dataset for batch in inside.batches(store="there")] == ["ports", "trips", "trips"]
    assert not (inside.folder / ".levada").exists()


def test_plan_says_what_would_run_and_why_and_changes_nothing(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(said(capsys, "plan", "--json", "pipeline=trips"))
    assert {stage["label"]: stage["reasons"] for stage in before["stages"]}["model.estimate"] == ["never ran"]
    assert inside.runs() == []

    said(capsys, "pipeline=trips")
    assert "nothing would run" in said(capsys, "plan", "pipeline=trips")

    changed = json.loads(said(capsys, "plan", "pipeline=trips", "model.C=0.5", "--json"))
    assert {stage["label"]: stage["run"] for stage in changed["stages"] if stage["run"]} == {
        "model.estimate": 1,
        "model.evaluate": 2,
        "model.importance": 1,
    }
    reasons = {stage["label"]: stage["reasons"] for stage in changed["stages"]}
    assert re.match(r"model\.C \(1(\.0)? -> 0\.5\) changed since \d{4}-", reasons["model.estimate"][0])


@pytest.mark.usefixtures("inside")
def test_plugins_are_listed_by_kind_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    everything = json.loads(said(capsys, "plugins", "--json"))
    assert list(everything) == ["extractor", "check", "transformer", "splitter", "selector", "model", "metric", "tracker"]
    assert json.loads(said(capsys, "plugins", "transformer", "--json")) == {"transformer": everything["transformer"]}
    assert said(capsys, "plugins", "extractor").split() == ["extractor", *everything["extractor"]]

    explained = json.loads(said(capsys, "plugins", "transformer", "impute", "--json"))
    parameters = {parameter["name"]: parameter for parameter in explained["parameters"]}
    assert {"columns", "with"} <= set(parameters)
    assert all(parameter["description"] for parameter in parameters.values())
    assert "parameter" in said(capsys, "plugins", "transformer", "impute")
    assert "C" in said(capsys, "plugins", "model", "sklearn.LogisticRegression")


@pytest.mark.usefixtures("inside")
def test_the_schema_is_a_json_schema_that_knows_every_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(said(capsys, "schema"))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"problem", "datasets", "view", "encode"} <= set(schema["properties"])
    assert "one_hot" in json.dumps(schema)


def test_runs_and_lineage_tell_what_came_from_what(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "pipeline=trips", "hydra.run.dir=first")
    said(capsys, "pipeline=trips", "model.C=0.5", "hydra.run.dir=second")
    newest, oldest = json.loads(said(capsys, "runs", "--json"))
    assert (newest["status"], oldest["status"]) == ("done", "done")
    assert newest["overrides"] == "pipeline=trips model.C=0.5"
    assert re.search(rf"^{newest['id']} +trips +done ", said(capsys, "runs"), re.MULTILINE)

    run = json.loads((inside.folder / "second" / "summary.json").read_text(encoding="utf-8"))
    assert run["id"] == newest["id"]
    of_run = said(capsys, "lineage", run["id"])
    batch, other = inside.batches("trips")
    assert batch.id in of_run
    assert other.id in of_run
    assert str(inside.folder / "data" / "trips" / "2.csv") in of_run

    of_batch = said(capsys, "lineage", batch.id)
    assert "trips batch" in of_batch
    assert "model.estimate  2 results" in of_batch  # one for each value of C
    assert said(capsys, "lineage", batch.id[:23]) == of_batch

    results = inside.results(run)
    of_result = said(capsys, "lineage", results["model.evaluate", 1])
    for stage in ("model.estimate", "encode.apply", "trips.features", "trips batch", "1.csv", "2.csv"):
        assert stage in of_result

    assert levada(["lineage", "ffffffff"]) == 3
    assert "nothing is known of 'ffffffff'" in capsys.readouterr().err


def test_a_listing_of_a_store_that_is_not_there_says_so(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert levada(["runs", "store.root=nowhere"]) == 3
    assert "there is no store at" in capsys.readouterr().err
    assert not (inside.folder / "nowhere").exists()


def test_editing_a_plugins_helper_runs_what_depends_on_it_again_and_reformatting_it_nothing(
    project: Project, nursery: Nursery
) -> None:
    project.write("plugins/transformers/mine.py", MINE)
    project.write("plugins/transformers/_heavy.py", HELPER)
    project.replace("conf/pipeline/trips.yaml", "  features:\n", "  features:\n    - {use: heavy}\n")
    assert "trips.features" in ran(project.forked(nursery, "pipeline=trips"))

    reformatted = '"""A helper."""\n\n\ndef threshold( ):  # tonnes\n\n    "Return it."\n    return (50)\n'
    project.write("plugins/transformers/_heavy.py", reformatted)
    assert ran(project.forked(nursery, "pipeline=trips")) == {}

    project.write("plugins/transformers/_heavy.py", HELPER.replace("50", "40"))
    again = project.forked(nursery, "pipeline=trips")
    assert not {"trips.ingest", "ports.ingest", "ports.prepare"} & set(ran(again))
    assert ran(again)["model.estimate"] == 1

    project.replace("plugins/transformers/mine.py", "> threshold()", "> 20 + threshold() - 20")
    same = project.forked(nursery, "pipeline=trips")  # other code, equal results: what takes them is not run again
    assert ran(same) == {"trips.features": 2}


def test_whoever_stops_reading_is_no_error(project: Project) -> None:
    pipe = f"{LEVADA} plugins | head -1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", pipe], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "extractor\n", "")
