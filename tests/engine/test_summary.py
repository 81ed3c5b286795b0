from __future__ import annotations

import json
import re

import pytest

from engine.graph import Graph
from engine.summary import commit, stages, versions

KEYS = [
    "id",
    "pipeline",
    "status",
    "started",
    "seconds",
    "question",
    "overrides",
    "model",
    "stages",
    "edges",
    "datasets",
    "split",
    "condition",
    "warnings",
    "features",
    "divided",
    "fit",
    "exemplars",
    "stability",
    "metrics",
    "evaluation",
    "slices",
    "tested",
    "learning_curve",
    "importance",
    "lineage",
    "results",
    "failures",
    "bundle",
    "promotion",
]


@pytest.fixture
def run(finished):
    return finished[1]


def test_a_summary_is_plain_data_with_every_key(run):
    assert list(run.summary) == KEYS
    assert json.loads(json.dumps(run.summary, allow_nan=False)) == run.summary


def test_a_summary_says_the_question_and_the_answer_on_test_rows(run):
    assert run.summary["question"] == {
        "task": "classification",
        "target": "kind",
        "metric": "accuracy",
        "goal": 0.99,
        "greater_is_better": True,
        "answer": run.metrics["test"]["accuracy"],
        "interval": run.summary["evaluation"]["test"]["intervals"]["accuracy"],
        "part": "test",
        "reached": run.metrics["test"]["accuracy"] >= 0.99,
    }


def test_where_less_is_better_a_goal_is_reached_from_above(shapes):
    shapes.pipeline(
        (
            "problem: {task: classification, target: kind, metric: accuracy}",
            "problem: {task: regression, target: width, metric: rmse}",
        ),
        ("metrics: [accuracy]\n", ""),
        ("[wide]", "[wide, area]"),
        ("override /model: gaussian_nb", "override /model: ridge"),
    )
    questions = [shapes.run(*goal).summary["question"] for goal in (["problem.goal=-1"], ["problem.goal=1e9"], [])]
    assert [(one["greater_is_better"], one["reached"]) for one in questions] == [(False, False), (False, True), (False, None)]


def test_a_summary_counts_the_tasks_and_rows_of_each_stage(run):
    found = {stage["label"]: stage for stage in run.summary["stages"]}
    ingest = found["shapes.ingest"]
    assert (ingest["tasks"], ingest["ran"], ingest["rows"]) == (3, 3, 60)
    assert ingest["bytes"] == sum(run.execution.artifact(key).file.bytes for key in run.compiled.ingest["shapes"])
    assert sum(stage["tasks"] for stage in found.values()) == len(run.compiled.graph)
    assert [stage["label"] for stage in stages(run.execution)] == list(run.compiled.graph.stages())
    assert run.summary["edges"] == [list(edge) for edge in Graph(run.compiled.graph.values()).edges()]


def test_a_summary_tells_the_rows_of_each_part_and_class(run):
    assert [entry["part"] for entry in run.summary["split"]] == ["train", "validation", "test"]
    assert sum(entry["rows"] for entry in run.summary["split"]) == 60
    assert all(sum(entry["classes"].values()) == entry["rows"] for entry in run.summary["split"])


def test_a_summary_names_the_batches_and_files_that_were_used(finished):
    shapes, run = finished
    (batch,) = run.summary["lineage"]["batches"]
    assert batch["sources"] == [str(shapes.folder / f"data/shapes-{number}.csv") for number in range(3)]
    (dataset,) = run.summary["datasets"]
    assert (dataset["name"], dataset["mode"], dataset["partitions"], dataset["rows"]) == ("shapes", "snapshot", 3, 60)
    assert [one["id"] for one in dataset["batches"]] == [batch["id"]]
    assert dict(dataset["columns"])["width"] == "Float64"


def test_a_batch_whose_files_are_used_no_more_is_not_named(shapes):
    shapes.run()
    shapes.write("data/shapes-1.csv", shapes.rows(101, 20))
    batches = shapes.run().summary["lineage"]["batches"]
    for number in (0, 2):
        (shapes.folder / f"data/shapes-{number}.csv").unlink()
    assert [batch["sequence"] for batch in batches] == [1, 2]
    assert [batch["sequence"] for batch in shapes.run().summary["lineage"]["batches"]] == [2]


def test_a_summary_names_its_results(run):
    assert set(run.summary["results"]) == {"model.estimate 0", "model.evaluate 0", "model.evaluate 1", "model.importance 0"}
    assert run.summary["results"]["model.estimate 0"] == run.execution.artifact(run.compiled.model).digest


def test_a_summary_rates_every_feature(run):
    assert {entry["feature"] for entry in run.summary["importance"]} == set(run.summary["features"]["used"])
    means = [entry["mean"] for entry in run.summary["importance"]]
    assert means == sorted(means, reverse=True)


def test_a_summary_of_a_failed_run_has_every_key_and_each_cause(shapes):
    from engine.runs import run_pipeline

    shapes.write("data/shapes-1.csv", shapes.rows(21, 20).replace(",red,", ",red,much"))
    summary = run_pipeline(shapes.load()).summary
    assert list(summary) == KEYS
    assert (summary["status"], summary["metrics"], summary["split"], summary["importance"]) == ("failed", {}, [], [])
    (failure,) = summary["failures"]
    assert (failure["label"], failure["exit_code"]) == ("shapes.ingest", 3)
    assert "shapes-1.csv" in failure["message"]
    assert sum(stage["skipped"] for stage in summary["stages"]) > 0


def test_what_a_result_depends_on_is_said_with_its_version():
    assert {"python", "levada", "polars", "scikit-learn", "dask"} <= set(versions())
    assert all(re.match(r"\d+\.\d+", version) for version in versions().values())


def test_outside_of_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    commit.cache_clear()
    assert commit() is None
    commit.cache_clear()
