from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.config.compose import load
from engine.errors import ConfigError, DataError, HostError, Interrupted
from engine.execute import Watcher
from engine.opened import opened
from engine.plugin import PART, TARGET
from engine.runs import Compiler, run_pipeline

DATA = Path(__file__).parents[2] / "data"
APPEND = ("    key: [id]\n", "    key: [id]\n    mode: append\n")


def encoded(run):
    """Return the encoded rows of a run, partition after partition."""
    return pl.concat(run.store.scan(run.execution.artifact(key)).collect() for key in run.compiled.encoded)


def state(run, label):
    """Return what a fitted step has learned."""
    *_, last = run.compiled.graph.stages()[label]
    return run.store.scan(run.execution.artifact(last.key)).collect()


def files_of(batches):
    return [[Path(part.source).name for part in batch.partitions] for batch in batches]


def everything(run):
    return {(task.label, task.index): run.execution.artifact(task.key).digest for task in run.compiled.graph.values()}


@pytest.fixture(scope="module")
def penguins(tmp_path_factory):
    """The smallest of our own pipelines, run twice."""
    root = tmp_path_factory.mktemp("penguins") / "store"
    spec = load(["pipeline=penguins", f"data={DATA}", f"store.root={root}"])
    return run_pipeline(spec, overrides=["pipeline=penguins"]), run_pipeline(spec)


def test_penguins_reach_their_goal_on_test_rows(penguins):
    question = penguins[0].summary["question"]
    assert (question["part"], question["metric"], question["reached"]) == ("test", "accuracy", True)
    assert question["answer"] == penguins[0].metrics["test"]["accuracy"] > 0.95


def test_the_second_run_has_nothing_to_do_and_the_same_to_say(penguins):
    first, second = penguins
    assert (first.execution.count("reused"), second.execution.count("ran")) == (0, 0)
    assert second.metrics == first.metrics
    assert second.id > first.id


def test_predictions_come_with_the_truth(penguins):
    rows = penguins[0].predictions("test")
    assert (rows["prediction"] == rows[TARGET]).mean() == penguins[0].metrics["test"]["accuracy"]
    with pytest.raises(KeyError):
        penguins[0].predictions("train")


def test_the_features_of_every_row_can_be_read(penguins):
    assert penguins[0].features().collect().height == 344


def test_a_run_shows_itself_in_a_notebook(penguins):
    html = penguins[0]._repr_html_()
    assert html.startswith("<table><caption>penguins: done")
    assert (
        f"<td>test</td><td>accuracy</td><td style='text-align:right'>{penguins[0].metrics['test']['accuracy']:.4f}</td>" in html
    )


def test_a_run_is_recorded_with_its_summary(finished):
    shapes, run = finished
    with shapes.catalog() as catalog:
        (record,) = catalog.runs()
    assert (record.id, record.pipeline, record.status) == (run.id, "shapes", "done")
    assert record.summary == run.summary
    assert record.summary["overrides"] == ["problem.goal=0.99"]
    assert record.ended >= record.started


def test_a_run_in_another_store_comes_to_the_same_bytes(shapes):
    one, other = shapes.run(), shapes.run("store.root=elsewhere", "executor.workers=1")
    assert other.execution.count("ran") == len(other.compiled.graph)
    assert everything(one) == everything(other)


def test_a_store_may_be_moved(shapes):
    shapes.run()
    (shapes.folder / ".levada").rename(shapes.folder / "moved")
    assert shapes.run("store.root=moved").execution.count("ran") == 0


@pytest.mark.parametrize("files", [7])
def test_fits_and_encoded_rows_do_not_depend_on_how_rows_are_partitioned(shapes, files):
    lines = shapes.rows(1, 60).splitlines()
    whole = encoded(shapes.run("splitter=stratified"))
    for old in (shapes.folder / "data").iterdir():
        old.unlink()
    for number in range(files):
        part = lines[1:][len(lines[1:]) * number // files : len(lines[1:]) * (number + 1) // files]
        shapes.write(f"data/shapes-{number}.csv", "\n".join([lines[0], *part]) + "\n")
    again = shapes.run("splitter=stratified")
    assert len(again.compiled.encoded) == files
    assert_frame_equal(encoded(again), whole, rel_tol=1e-9, abs_tol=1e-9)


def test_penguins_come_to_the_same_encoded_rows_in_one_file_and_in_seven(tmp_path):
    raw = (DATA / "penguins/penguins_raw.csv").read_text().splitlines(keepends=True)
    found = []
    for files in (1, 3, 7):
        folder = tmp_path / str(files) / "penguins"
        folder.mkdir(parents=True)
        for number in range(files):
            rows = raw[1:][344 * number // files : 344 * (number + 1) // files]
            (folder / f"penguins_{number}.csv").write_text(raw[0] + "".join(rows))
        path = f"datasets.penguins.extract.path={folder}/*.csv"
        run = run_pipeline(load(["pipeline=penguins", "model=gaussian_nb", path, f"store.root={tmp_path}/store{files}"]))
        run.raise_failure()
        found.append(encoded(run))
    for other in found[1:]:
        assert_frame_equal(other, found[0], rel_tol=1e-9, abs_tol=1e-9)


def test_what_is_fitted_is_fitted_on_training_rows_only(shapes):
    rows = pl.read_csv(shapes.rows(1, 60).encode())
    planted = rows.with_columns(pl.when(pl.col("id") <= 36).then("width").otherwise(pl.col("width") + 1e6).alias("width"))
    for old in (shapes.folder / "data").iterdir():
        old.unlink()
    planted.write_csv(shapes.folder / "data/shapes-0.csv")
    shapes.pipeline(("  - {use: one_hot}\n", ""), ("[wide]", "[wide, colour, area]"))
    run = shapes.run("splitter=chronological", "splitter.column=id")
    train = planted.filter(pl.col("id") <= 36)["width"]
    learned = state(run, "encode.2_standardize").filter(pl.col("column") == "width").row(0, named=True)
    assert [entry["rows"] for entry in run.summary["split"]] == [36, 12, 12]
    assert math.isclose(learned["shift"], train.mean(), rel_tol=1e-12)
    assert math.isclose(learned["scale"], train.std(ddof=0), rel_tol=1e-12)


def test_each_fitted_step_learns_from_rows_as_the_steps_before_leave_them(finished):
    _, run = finished
    rows = encoded(run).filter(pl.col(PART) == "train").select(run.summary["features"]["used"])
    assert "colour=red" in rows.columns
    for column in rows:
        assert math.isclose(column.mean(), 0, abs_tol=1e-12)
        assert math.isclose(column.std(ddof=0), 1, rel_tol=1e-12)


def test_rows_that_are_not_trained_on_do_not_change_what_is_learned(shapes):
    steps = ["encode.1_impute", "encode.2_one_hot", "encode.3_standardize"]
    columns = ["splitter=chronological", "splitter.column=id"]
    before = shapes.run(*columns)
    text = shapes.rows(1, 60).splitlines()
    changed = [line.replace("red", "violet").replace("green", "black").replace(".", ".9") for line in text[41:61]]
    shapes.write("data/shapes-2.csv", "\n".join([text[0], *changed]) + "\n")
    after = shapes.run(*columns)
    for label in steps:
        assert_frame_equal(state(after, label), state(before, label))
    assert after.metrics != before.metrics


def test_the_model_never_sees_the_target_and_the_part_of_a_row(finished):
    _, run = finished
    used = run.summary["features"]["used"]
    assert used
    assert not {"kind", "__target__", "__part__"} & set(used)


class TestAppend:
    """A dataset that grows by files."""

    @pytest.fixture
    def growing(self, shapes):
        shapes.pipeline(APPEND)
        return shapes

    def test_a_new_file_is_a_new_batch_and_only_its_partition_is_ingested_and_prepared(self, growing):
        growing.run()
        growing.write("data/shapes-1b.csv", growing.rows(61, 20))
        run = growing.run()
        ran = growing.ran(run)
        with growing.catalog() as catalog:
            batches = catalog.batches("shapes")
        assert files_of(batches) == [["shapes-0.csv"], ["shapes-1.csv"], ["shapes-2.csv"], ["shapes-1b.csv"]]
        assert (ran["shapes.ingest"], ran["shapes.features"]) == (1, 1)
        assert run.features().collect().height == 80

    def test_a_partition_whose_rows_keep_their_parts_is_not_summarized_again(self, growing):
        growing.run()
        growing.write("data/shapes-3.csv", growing.rows(61, 20))
        assert growing.ran(growing.run())["encode.1_impute"] == 2  # the new partition, and the merge

    def test_a_file_that_is_gone_stays(self, growing):
        before = growing.run().features().collect()
        (growing.folder / "data/shapes-1.csv").unlink()
        run = growing.run()
        assert run.execution.count("ran") == 0
        assert_frame_equal(run.features().collect(), before)

    def test_a_file_that_was_changed_and_then_removed_stays_as_it_was_last(self, growing):
        growing.run()
        for first in (101, 201, 101):
            growing.write("data/shapes-1.csv", growing.rows(first, 20))
            last = growing.run("datasets.shapes.on_change=new_batch").features().collect()
        (growing.folder / "data/shapes-1.csv").unlink()
        assert_frame_equal(growing.run().features().collect(), last)

    def test_a_file_that_was_touched_is_read_again_and_nothing_after_it(self, growing):
        growing.run()
        growing.write("data/shapes-1.csv", (growing.folder / "data/shapes-1.csv").read_bytes())
        assert growing.ran(growing.run()) == {"shapes.ingest": 1}
        with growing.catalog() as catalog:
            assert len(catalog.batches("shapes")) == 3
        assert growing.ran(growing.run()) == {}

    def test_a_changed_file_is_refused_unless_it_may_be_a_batch(self, growing):
        growing.run()
        growing.write("data/shapes-1.csv", growing.rows(101, 20))
        found = run_pipeline(growing.load())
        assert found.summary["status"] == "failed"
        with pytest.raises(DataError, match=r"shapes-1.csv has changed since it was ingested"):
            found.raise_failure()
        with growing.catalog() as catalog:
            assert len(catalog.batches()) == 3

    def test_a_changed_file_may_be_a_batch_of_its_own(self, growing):
        growing.run()
        growing.write("data/shapes-1.csv", growing.rows(101, 20))
        growing.run("datasets.shapes.on_change=new_batch")
        with growing.catalog() as catalog:
            assert files_of(catalog.batches("shapes")) == [
                ["shapes-0.csv"],
                ["shapes-1.csv"],
                ["shapes-2.csv"],
                ["shapes-1.csv"],
            ]

    def test_all_files_gone_is_an_error_of_data(self, growing):
        growing.run()
        for file in (growing.folder / "data").iterdir():
            file.unlink()
        with pytest.raises(DataError, match="no file matches"):
            growing.run()


def test_a_snapshot_is_the_files_that_are_there(shapes):
    shapes.run()
    (shapes.folder / "data/shapes-1.csv").unlink()
    run = shapes.run()
    assert run.features().collect().height == 40
    assert shapes.ran(run).get("shapes.ingest", 0) == 0


def test_a_batch_is_visible_only_when_all_of_it_is_there_and_agrees(shapes):
    shapes.write("data/shapes-1.csv", shapes.rows(21, 20).replace(",red,", ",red,much"))
    with pytest.raises(DataError):
        shapes.run()
    with shapes.catalog() as catalog:
        assert catalog.batches() == []
    shapes.write("data/shapes-1.csv", shapes.rows(21, 20))
    assert shapes.ran(shapes.run())["shapes.ingest"] == 1
    with shapes.catalog() as catalog:
        assert files_of(catalog.batches()) == [["shapes-0.csv", "shapes-1.csv", "shapes-2.csv"]]


def test_a_failed_run_says_what_failed_and_is_recorded(shapes):
    found = run_pipeline(shapes.load("model=k_neighbors", "model.n_neighbors=500"))
    assert found.summary["status"] == "failed"
    assert {failure["label"] for failure in found.summary["failures"]} == {"model.evaluate", "model.importance"}
    assert found.metrics == {}
    with pytest.raises(DataError, match="can not predict"):
        found.raise_failure()
    with pytest.raises(KeyError):
        found.predictions("test")
    with shapes.catalog() as catalog:
        assert [record.status for record in catalog.runs()] == ["failed"]


class Stop(Watcher):
    """Interrupts a run after its first stage."""

    def __init__(self, error):
        self.error = error

    def ended(self, task, outcome):
        if task.label == "shapes.features":
            raise self.error


@pytest.mark.parametrize(
    ("error", "raised", "status"), [(KeyboardInterrupt(), Interrupted, "interrupted"), (HostError("x"), HostError, "failed")]
)
def test_a_run_that_is_ended_from_outside_is_recorded_and_the_next_goes_on_from_there(shapes, error, raised, status):
    with pytest.raises(raised):
        run_pipeline(shapes.load(), watchers=[Stop(error)])
    with shapes.catalog() as catalog:
        assert [record.status for record in catalog.runs()] == [status]
        assert len(catalog.batches()) == 1
    assert "shapes.ingest" not in shapes.ran(shapes.run())


RULES = """\
    expect:
      - {use: not_null, columns: [height]}
      - {use: between, column: width, max: 9, on_fail: warn}
"""


def test_rows_that_break_a_rule_are_set_aside_with_the_reason(shapes):
    shapes.pipeline(("    key: [id]\n", "    key: [id]\n" + RULES))
    run = shapes.run()
    (dataset,) = run.summary["datasets"]
    assert (dataset["rows"], dataset["quarantined"]) == (52, 8)
    assert dataset["reasons"] == [{"check": "height is not missing", "rows": 8}]
    assert {warning["code"] for warning in run.summary["warnings"]} >= {"quarantined", "rule_broken"}
    assert len(list((shapes.folder / ".levada/quarantine").rglob("*.parquet"))) > 0


def test_a_file_of_the_store_that_was_spoilt_is_an_error_of_data(shapes):
    run = shapes.run()
    file = shapes.folder / ".levada" / run.execution.artifact(run.compiled.view[0]).file.path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="is not what was written"):
        shapes.run("encode.0.with=mean")


def test_a_file_of_the_store_that_is_gone_is_made_anew(shapes):
    run = shapes.run()
    (shapes.folder / ".levada" / run.execution.artifact(run.compiled.view[0]).file.path).unlink()
    again = shapes.run()
    assert shapes.ran(again) == {"shapes.features": 1}
    assert everything(again) == everything(run)


def test_a_column_that_can_not_be_there_is_placed_before_anything_is_read(shapes):
    shapes.pipeline(("target: kind", "target: kin"))
    with pytest.raises(ConfigError) as caught:
        shapes.run()
    assert caught.value.where == "conf/pipeline/shapes.yaml:5, problem.target"
    with shapes.catalog() as catalog:
        assert catalog.runs() == []


def test_the_sources_of_pipelines_are_looked_up_once(shapes):
    with opened(shapes.load().store) as stores:
        compiler = Compiler(stores)
        one = compiler.plan(shapes.load("model.var_smoothing=0.1"))
        shapes.write("data/shapes-9.csv", shapes.rows(61, 5))  # a sweep is of one state of the sources
        assert compiler.plan(shapes.load("model.var_smoothing=0.2")) == one
        assert len(one["shapes"].units[0].partitions) == 3


def test_looking_leaves_no_trace(shapes):
    with opened(shapes.load().store, look=True) as stores:
        compiler = Compiler(stores, look=True)
        compiler.plan(shapes.load())
        compiled, _ = compiler.compile(shapes.load(), final=True)
        assert len(compiled.graph.stages()["shapes.ingest"]) == 3
    assert not (shapes.folder / ".levada").exists()


def test_partitions_stand_in_the_order_of_their_names_whatever_was_ingested_when(shapes):
    shapes.pipeline(APPEND)
    shapes.run()
    (shapes.folder / "data/shapes-1.csv").unlink()
    shapes.write("data/shapes-0a.csv", shapes.rows(61, 5))
    names = ["shapes-0.csv", "shapes-0a.csv", "shapes-1.csv", "shapes-2.csv"]
    run = shapes.run()
    tasks = [run.compiled.graph[key] for key in run.compiled.ingest["shapes"]]
    assert [Path(json.loads(task.params)["source"]).name for task in tasks] == names
