from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from engine.config.spec import Store
from engine.errors import DataError, Interrupted
from engine.execute import Watcher
from engine.explain import explain, lineage, list_runs
from engine.runs import run_pipeline
from engine.stores.catalog import RunRecord
from engine.views import list_versions

HELPER = """
FACTOR = 2
"""
PLUGIN = '''
import polars as pl

from engine.plugin import Transformer
from plugins.transformers._factor import FACTOR


class Grow(Transformer):
    """Make shapes larger."""

    def apply(self, frame):
        return frame.with_columns(pl.col("width") * FACTOR)
'''
STORE = Path(".levada")


def would_run(shapes, *overrides):
    """Return what a plan says of the stages in which something would run."""
    plan = explain(shapes.load(*overrides))
    return {stage["label"]: stage["reasons"] for stage in plan["stages"] if stage["run"]}


def written(root=STORE):
    """Return all that is in a catalog, as text."""
    connection = sqlite3.connect(root / "catalog.sqlite")
    text = "\n".join(connection.iterdump())
    connection.close()
    return text


def test_what_never_ran_is_said_to_have_never_ran_and_no_store_is_made(shapes):
    plan = explain(shapes.load())
    assert plan["pipeline"] == "shapes"
    assert {(stage["run"], stage["reuse"]) for stage in plan["stages"]} == {(1, 0), (2, 0), (3, 0), (4, 0)}
    assert {reason.partition(" (")[0] for stage in plan["stages"] for reason in stage["reasons"]} == {"never ran"}
    assert not STORE.exists()


class Counted(Watcher):
    """Counts the tasks that ran, by label; a partition that is given to a graph has no code and ran before."""

    def __init__(self):
        self.ran = {}

    def ended(self, task, outcome):
        if outcome.status == "ran" and task.code:
            self.ran[task.label] = self.ran.get(task.label, 0) + 1


@pytest.mark.parametrize("mode", ["append", pytest.param("snapshot", marks=pytest.mark.soak)])
def test_a_plan_counts_the_rules_about_datasets_and_their_assessment(shapes, mode):
    rule = "expect: [{use: unique, columns: [id], scope: dataset}]"
    lines = f"    key: [id]\n    mode: {mode}\n    {rule}\n"
    shapes.pipeline(("    key: [id]\n", lines), ("assess: false", "assess: true"))
    for number in range(3, 5):
        plan = {stage["label"]: stage["run"] for stage in explain(shapes.load())["stages"] if stage["run"]}
        counted = Counted()
        run_pipeline(shapes.load(), watchers=[counted]).raise_failure()
        assert {"shapes.check", "shapes.assess", "shapes.merge_assessed", "shapes.judge"} <= counted.ran.keys()
        of_rows = {label: count for label, count in plan.items() if label.startswith("shapes.")}
        assert of_rows == {label: count for label, count in counted.ran.items() if label.startswith("shapes.")}
        assert not would_run(shapes)
        shapes.write(f"data/shapes-{number}.csv", shapes.rows(1 + 20 * number, 20))


def test_after_a_run_nothing_would_run_and_looking_changes_nothing(shapes):
    shapes.run()
    before = written()
    plan = explain(shapes.load())
    assert all(stage["reuse"] == stage["tasks"] and not stage["reasons"] for stage in plan["stages"])
    assert written() == before


def test_a_changed_parameter_is_named_with_both_values(shapes):
    shapes.run()
    found = would_run(shapes, "model.var_smoothing=0.5")
    assert set(found) == {"model.estimate", "model.evaluate", "model.importance"}
    (reason,) = found["model.estimate"]
    assert re.fullmatch(r"model\.var_smoothing \(1e-09 -> 0\.5\) changed since \d{4}-\d\d-\d\d \d\d:\d\d", reason)


def test_another_plugin_is_named_and_not_its_parameters(shapes):
    shapes.run()
    assert "model.use" in would_run(shapes, "model=decision_tree")["model.estimate"][0]


def test_a_change_in_the_middle_says_what_waits_for_it(shapes):
    shapes.run()
    found = would_run(shapes, "encode.1.max_levels=2")
    assert "encode.1_impute" not in found
    assert all("max_levels (30 -> 2) changed" in reason for reason in found["encode.2_one_hot"])
    assert found["model.estimate"] == ["takes the result of encode.apply"]


def test_files_that_may_have_changed_are_counted(shapes):
    shapes.run()
    for number in (0, 1):
        shapes.write(f"data/shapes-{number}.csv", shapes.rows(101 + 20 * number, 20))
    found = would_run(shapes)
    assert found["shapes.ingest"] == ["it may have changed since it was ingested (2 tasks)"]
    assert sum(stage["run"] for stage in explain(shapes.load())["stages"] if stage["label"] == "shapes.ingest") == 2


def test_changed_code_of_a_helper_is_named(shapes, forget):
    shapes.write("plugins/transformers/grow.py", PLUGIN)
    shapes.write("plugins/transformers/_factor.py", HELPER)
    shapes.pipeline(("[wide]}\n", "[wide]}\n    - grow\n"))
    shapes.run()
    shapes.write("plugins/transformers/_factor.py", '"""Said better."""\n\nFACTOR = 2  # twice\n')
    forget()
    assert would_run(shapes) == {}
    shapes.write("plugins/transformers/_factor.py", HELPER.replace("2", "3"))
    forget()
    found = would_run(shapes)
    assert "shapes.ingest" not in found
    assert re.fullmatch(r"code changed since .* \(3 tasks\)", found["shapes.features"][0])
    assert found["view.segregate"] == ["takes the result of shapes.features"]


def test_a_result_that_is_gone_is_said(shapes):
    run = shapes.run()
    (STORE / run.execution.artifact(run.compiled.view[1]).file.path).unlink()
    found = would_run(shapes)
    assert found["shapes.features"] == ["its result is no longer in the store"]


def test_a_task_is_compared_with_the_run_that_is_most_like_it(shapes):
    shapes.run()
    shapes.run("model.var_smoothing=0.5")
    assert would_run(shapes, "encode.1.max_levels=2")["model.estimate"] == ["takes the result of encode.apply"]


def test_going_back_to_what_ran_before_runs_nothing(shapes):
    shapes.run()
    shapes.run("model.var_smoothing=0.5")
    assert would_run(shapes) == {}


def test_runs_are_listed_newest_first_with_their_answers(shapes):
    first = shapes.run()
    second = shapes.run("model.var_smoothing=0.5")
    found = list_runs(Store())
    assert [run["id"] for run in found] == [second.id, first.id]
    assert found[0]["overrides"] == "model.var_smoothing=0.5"
    assert found[1]["answer"] == f"accuracy {first.metrics['test']['accuracy']:.4f}"
    assert {run["status"] for run in found} == {"done"}


class Stop(Watcher):
    def begin(self, graph):
        raise Interrupted("stop")


def test_a_run_without_an_answer_is_listed_too(shapes):
    with pytest.raises(Interrupted):
        run_pipeline(shapes.load(), watchers=[Stop()])
    (run,) = list_runs(Store())
    assert (run["status"], run["answer"]) == ("interrupted", "")
    assert lineage(Store(), run["id"])["title"].endswith("of shapes, interrupted")


def test_a_run_whose_process_is_gone_is_listed_as_killed_and_one_on_another_machine_as_running(shapes):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here, there = ({"process": gone.pid, "host": host} for host in (platform.node(), "elsewhere"))
    alive = {"process": os.getpid(), "host": platform.node()}
    (shapes.folder / STORE).mkdir()
    with shapes.catalog() as catalog:
        for number, summary in enumerate([here, there, alive, {}]):
            catalog.save_run(RunRecord(str(number), "shapes", "running", float(number), summary=summary))
    assert {run["id"]: run["status"] for run in list_runs(Store())} == {
        "0": "killed",
        "1": "running",
        "2": "running",
        "3": "running",
    }


def test_the_lineage_of_a_version_of_features_has_its_batches_and_what_learned_from_it(finished):
    shapes, run = finished
    (version,) = list_versions(at(shapes), "shapes")
    found = lineage(at(shapes), version["id"][:-4])
    assert found["title"] == f"features of shapes, version {version['id']}: 60 rows, made by run {run.id}"
    assert sum(text.startswith("shapes batch ") for text in texts(found["from"])) == 1
    assert "view.segregate  1 result" in texts(found["to"])


@pytest.mark.parametrize("question", [list_runs, partial(lineage, identity="x")], ids=["runs", "lineage"])
def test_a_store_that_is_not_there_is_said_and_not_made(tmp_path, question):
    with pytest.raises(DataError, match="there is no store at"):
        question(Store(root=str(tmp_path / "none")))
    assert list(tmp_path.iterdir()) == []


def at(shapes):
    return Store(root=str(shapes.folder / STORE))


def texts(lines):
    return [text for _, text in lines]


def test_a_run_leads_to_its_batches_files_and_results(finished):
    shapes, run = finished
    found = lineage(at(shapes), run.id[:-4])
    assert found["title"] == f"run {run.id} of shapes, done"
    lines = "\n".join(texts(found["from"]))
    assert all(str(shapes.folder / f"data/shapes-{number}.csv") in lines for number in range(3))
    assert f"model.estimate 0  {run.execution.artifact(run.compiled.model).digest}" in texts(found["to"])


def test_a_batch_leads_to_its_files_and_to_what_came_of_it(finished):
    shapes, _ = finished
    with shapes.catalog() as catalog:
        (batch,) = catalog.batches()
    found = lineage(at(shapes), batch.id)
    assert found["title"] == f"shapes batch {batch.id} (1), 60 rows"
    assert texts(found["from"])[0] == f"{shapes.folder / 'data/shapes-0.csv'}  20 rows, 0 quarantined"
    came = "\n".join(texts(found["to"]))
    assert all(
        label in came for label in ("shapes.features  3 results", "model.estimate  1 result", "model.evaluate  2 results")
    )


def test_an_older_batch_still_leads_to_what_came_of_it(shapes):
    shapes.run()
    for number in range(3):
        shapes.write(f"data/shapes-{number}.csv", shapes.rows(101 + 20 * number, 20))
    shapes.run()
    with shapes.catalog() as catalog:
        first, second = catalog.batches()
    for batch in (first, second):
        assert "shapes.features  3 results" in texts(lineage(Store(), batch.id)["to"])


def test_a_result_leads_back_to_files_and_forward_to_what_came_of_it(finished):
    shapes, run = finished
    content = run.execution.artifact(run.compiled.model).digest
    found = lineage(at(shapes), content[:16])
    assert found["title"] == f"model.estimate 0: {content}"
    assert "shapes.features  3 results" in texts(found["from"])
    named = [Path(text).name for depth, text in found["from"] if depth == 1]
    assert named == ["shapes-0.csv", "shapes-1.csv", "shapes-2.csv"]
    assert {text.split()[0] for text in texts(found["to"])} == {"model.evaluate", "model.importance"}


@pytest.mark.parametrize("unknown", ["zzz", "0"])
def test_what_nobody_knows_is_said(finished, unknown):
    with pytest.raises(DataError, match="nothing is known of"):
        lineage(at(finished[0]), unknown + "x")
