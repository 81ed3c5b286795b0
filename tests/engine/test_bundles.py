"""What a bundle predicts of raw rows is what the run predicted of the same rows."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.bundles import Bundle
from engine.config.compose import load
from engine.config.specify import specify
from engine.deployment import bundle, export, read_folder
from engine.errors import DataError, MissingColumn
from engine.plugin import PART, TARGET
from engine.records import rows
from engine.runs import Run, run_pipeline
from tests.executors import whole


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    """Return a file of two thousand flights in January."""
    file = tmp_path_factory.mktemp("flights") / "flights.csv"
    pl.read_csv("data/nycflights13/flights/2013-01.csv.gz", infer_schema=False)[::13].write_csv(file)
    return file


@pytest.fixture(scope="module")
def trained(tmp_path_factory, flights):
    """Return a function that runs a pipeline once, and gives the run and its bundle."""
    done: dict[str, tuple[Run, Bundle, pl.DataFrame]] = {}

    def train(name: str) -> tuple[Run, Bundle, pl.DataFrame]:
        if name not in done:
            folder = tmp_path_factory.mktemp("project")
            if name in ("whole", "bucket by bucket"):
                half = whole.SIZE // 2
                whole.write(folder / "data", [whole.READINGS[:half], whole.READINGS[half:]])
                spec = whole.spec(folder / "data", store={"root": str(folder / "store")}, assess=False)
                if name != "whole":
                    spec = spec.model_copy(update={"view": spec.view.model_copy(update={"broadcast_limit": 900})})
            else:
                given = [f"pipeline={name}", f"store.root={folder / 'store'}", "assess=false", "model=decision_tree"]
                if name == "flights":
                    given.append(f"datasets.flights.extract.path={flights}")
                spec = load(given[:-1] if name == "penguin_colonies" else given)
            run = run_pipeline(spec)
            run.raise_failure()
            done[name] = run, bundle(spec.store, run.id), rows(spec.store, spec.view.from_).collect()
        return done[name]

    return train


@pytest.mark.parametrize("name", ["whole", "bucket by bucket", "penguins", "penguin_colonies", "flights"])
def test_a_bundle_predicts_of_raw_rows_what_the_run_predicted(trained, tmp_path, name):
    run, found, raw = trained(name)
    answers = found.predict(raw)
    parts = run.store.scan(run.execution.artifact(run.compiled.segregation)).collect()[PART]
    assert run.compiled.evaluation
    for part in run.compiled.evaluation:
        expected = run.predictions(part).drop(TARGET, strict=False)
        assert_frame_equal(answers.filter(parts == part).drop("row"), expected, rel_tol=1e-9)
    needed = raw.select(pl.col(need.column).cast(pl.String) for need in found.manifest.needs)
    assert_frame_equal(found.predict(needed), answers, rel_tol=1e-9)
    last = found.predict(needed.tail(1)).with_columns(pl.lit(raw.height, pl.UInt32).alias("row"))
    assert_frame_equal(last, answers.tail(1), rel_tol=1e-9)
    elsewhere = read_folder(export(found, tmp_path / "model"))
    assert_frame_equal(elsewhere.predict(needed.tail(1)).drop("row"), last.drop("row"))
    assert found.predict(raw.clear()).schema == answers.schema


def test_exemplars_are_rows_of_the_view_each_in_the_cluster_that_it_stands_for(trained):
    run, _, _ = trained("penguin_colonies")
    view, found = run.features().collect(), run.exemplars()
    assert found["__cluster__"].to_list() == list(range(run.summary["fit"]["clusters"]))
    places = (found["__row__"] - 1).to_list()
    assert_frame_equal(found.drop("__cluster__", "__row__"), view[places])
    assert run.predictions("train")["prediction"][places].to_list() == found["__cluster__"].to_list()


def test_the_past_is_that_of_training_unless_another_is_given(trained):
    _, found, raw = trained("whole")
    late = raw.sort("at").tail(3)
    earlier = raw.sort("at").head(-3)
    answers = found.predict(late)
    assert_frame_equal(found.predict(late, history=earlier), answers)
    assert_frame_equal(found.predict(late, history=raw), answers)


def test_what_is_missing_or_of_another_type_is_told_by_name_and_row(trained):
    _, found, raw = trained("penguins")
    with pytest.raises(MissingColumn, match="'Culmen Length \\(mm\\)' is missing") as missing:
        found.predict(raw.drop("Culmen Length (mm)"))
    assert missing.value.expected == "it, for bill_length"
    mass = raw["Body Mass (g)"].cast(pl.String)
    mass[2], mass[4] = "heavy", "light"
    wrong = raw.with_columns(mass)
    with pytest.raises(DataError, match="Body Mass") as misfit:
        found.predict(wrong)
    assert misfit.value.where == "row 3, 5"
    assert "heavy" in misfit.value.found


def test_only_the_rows_that_steps_look_back_at_are_carried(tmp_path):
    whole.write(tmp_path / "data", [whole.READINGS.head(40), whole.READINGS.tail(32)])
    spec = specify(
        {
            "name": "short",
            "problem": {"task": "classification", "target": "kind", "features": ["value", "mean"]},
            "datasets": {
                "readings": {
                    "extract": {"use": "parquet", "path": str(tmp_path / "data" / "readings" / "*.parquet")},
                    "time": "at",
                    "prepare": [{"use": "rolling", "on": "at", "value": "value", "within": "6h", "into": "mean"}],
                }
            },
            "view": {"from": "readings"},
            "encode": [{"use": "impute", "columns": ["value", "mean"]}],
            "splitter": {"use": "hash", "columns": ["id"]},
            "model": "sklearn.DecisionTreeClassifier",
            "metrics": ["accuracy"],
            "store": {"root": str(tmp_path / "store")},
            "assess": False,
        }
    )
    run = run_pipeline(spec)
    run.raise_failure()
    found = read_folder(export(bundle(spec.store, run.id), tmp_path / "model"))
    ordered = whole.READINGS.sort("at")
    end = ordered["at"].max()
    assert_frame_equal(found.past().sort("at"), ordered.filter(pl.col("at") >= end - timedelta(hours=6)))
    assert [need.column for need in found.manifest.needs] == ["at", "value"]
    everything = found.predict(ordered)
    assert_frame_equal(found.predict(ordered.tail(1)).drop("row"), everything.tail(1).drop("row"))
    middle = found.predict(ordered[30:31], history=ordered[:30])
    assert_frame_equal(middle.drop("row"), everything[30:31].drop("row"))
