from __future__ import annotations

import json
from contextlib import chdir

import pytest

from engine.errors import ConfigError, DataError, LevadaError, Unsuitable
from engine.execute import Watcher
from engine.explain import list_runs
from engine.trials import Trial, run_sweep
from tests.conftest import Shapes


def trial(shapes, number, *overrides):
    try:
        return Trial(number, overrides, shapes.load(*overrides))
    except LevadaError as error:
        return Trial(number, overrides, error)


class Count(Watcher):
    """Counts what ran, by label, in each execution."""

    def __init__(self):
        self.executions = []

    def begin(self, graph):
        self.executions.append({})

    def ended(self, task, outcome):
        if outcome.status == "ran":
            self.executions[-1][task.label] = self.executions[-1].get(task.label, 0) + 1


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep over four models: three of the task, one for another."""
    shapes, count = Shapes.create(tmp_path_factory.mktemp("swept")), Count()
    models = ["gaussian_nb", "ridge", "dummy", "decision_tree"]
    with chdir(shapes.folder):
        trials = [trial(shapes, number, f"model={model}") for number, model in enumerate(models)]
        return run_sweep(trials, watchers=[count]), count


def test_what_trials_share_runs_once(swept):
    sweep, count = swept
    ingested, together, final = count.executions
    assert ingested == {"shapes.ingest": 3}
    assert together == {
        "shapes.ingest": 3,
        "shapes.features": 3,
        "view.segregate": 1,
        "view.assign": 3,
        "view.judge": 1,
        "encode.1_impute": 4,
        "encode.2_one_hot": 4,
        "encode.3_standardize": 4,
        "encode.apply": 3,
        "model.estimate": 3,
        "model.evaluate": 3,
    }
    assert final == {"view.sketch": 4, "view.judge": 1, "model.evaluate": 1, "model.importance": 1}
    in_all = together | {"view.sketch": 4, "view.judge": 2, "model.evaluate": 4, "model.importance": 1}
    assert {stage["label"]: stage["ran"] for stage in sweep.summary["stages"]} == in_all


def test_trials_are_ranked_by_the_metric_on_validation_rows_and_what_has_none_stands_last(swept):
    sweep, _ = swept
    values = [entry["metrics"].get("accuracy") for entry in sweep.summary["trials"]]
    assert (sweep.summary["part"], values[-1]) == ("validation", None)
    assert values[:-1] == sorted(values[:-1], reverse=True)
    assert [run.metrics.keys() for run in sweep.runs.values()] == [{"validation"}] * 3


def test_the_best_is_compared_with_the_next_on_the_same_rows_and_only_it_sees_test_rows(swept):
    sweep, _ = swept
    first, second = sweep.summary["trials"][:2]
    found = sweep.summary["comparison"]
    assert found["next"] == second["number"]
    assert found["difference"] == pytest.approx(first["metrics"]["accuracy"] - second["metrics"]["accuracy"], abs=1e-6)
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]
    assert found["differs"] == (not found["interval"][0] <= 0 <= found["interval"][1])
    low, high = first["intervals"]["accuracy"]
    assert low <= first["metrics"]["accuracy"] <= high
    assert sweep.summary["tested"] == [sweep.summary["best"]]
    assert [run.summary["tested"] for run in sweep.runs.values()] == [False] * 3
    assert sweep.summary["run"]["tested"]


def test_a_trial_says_how_long_it_took_and_how_large_its_model_is(swept):
    sweep, _ = swept
    first = sweep.summary["trials"][0]
    assert first["fit_seconds"] > 0 < first["predict_seconds"]
    assert first["model_bytes"] > 0
    assert sweep.summary["trials"][-1]["model_bytes"] is None


def test_a_ranking_is_a_frame_and_shows_itself(swept):
    sweep, _ = swept
    first = sweep.summary["trials"][0]
    best = sweep.ranking.row(0, named=True)
    assert sweep.ranking["trials"].to_list() == [[entry["number"]] for entry in sweep.summary["trials"]]
    assert (best["overrides"], best["accuracy"]) == (" ".join(first["overrides"]), first["metrics"]["accuracy"])
    assert [best["low"], best["high"]] == first["intervals"]["accuracy"]
    assert sweep.ranking.columns[2:5] == ["accuracy", "low", "high"]
    assert repr(sweep) == f"<Sweep of shapes: 4 trials, best {best['overrides']}>"
    assert sweep._repr_html_().count("<tr>") == 5


def test_a_cross_validation_ranks_candidates_by_their_mean_over_the_folds(shapes):
    given = [(model, fold) for model in ("dummy", "decision_tree") for fold in range(3)]
    folds = ("splitter=k_fold", "splitter.folds=3")
    sweep = run_sweep(
        [trial(shapes, n, *folds, f"model={model}", f"splitter.fold={fold}") for n, (model, fold) in enumerate(given)]
    )
    first, second = sweep.summary["candidates"]
    assert sorted([first["numbers"], second["numbers"]]) == [[0, 1, 2], [3, 4, 5]]
    for one in (first, second):
        values = [sweep.value(number) for number in one["numbers"]]
        assert one["metrics"]["accuracy"] == pytest.approx(sum(values) / 3, abs=1e-6)
    assert first["metrics"]["accuracy"] >= second["metrics"]["accuracy"]
    assert first["overrides"] == [*folds, f"model={given[first['number']][0]}"]
    assert sweep.summary["comparison"]["divisions"] == 3
    # the test rows are of no fold: the same for all
    assert sweep.summary["best"] == first["number"]
    assert sweep.summary["best_overrides"] == [*first["overrides"], f"splitter.fold={first['number'] % 3}"]
    assert sweep.summary["tested"] == [first["number"]]
    assert sweep.ranking["trials"].to_list() == [first["numbers"], second["numbers"]]
    assert "3, 4, 5" in sweep._repr_html_()


def test_trials_on_different_rows_are_not_compared_and_without_a_validation_part_all_see_test_rows(shapes):
    shares = ("splitter.train=0.6", "splitter.validation=0", "splitter.test=0.4")
    different = [(f"splitter.seed={seed}", f"model.var_smoothing=1e-{seed}") for seed in (1, 2)]
    sweep = run_sweep([trial(shapes, number, *given, *shares) for number, given in enumerate(different, 1)])
    assert sweep.summary["comparison"] is None
    assert sweep.summary["tested"] == [1, 2]


def test_a_model_for_another_task_is_left_out(swept):
    sweep, _ = swept
    last = sweep.summary["trials"][-1]
    assert (last["number"], last["status"], last["model"]) == (1, "left_out", None)
    assert "is for regression" in last["error"]
    assert isinstance(sweep.errors[1], Unsuitable)
    assert sweep.value(1) is None


def test_the_best_trial_alone_sees_test_rows(swept):
    sweep, _ = swept
    best = sweep.summary["trials"][0]
    assert (sweep.summary["best"], sweep.summary["best_overrides"]) == (best["number"], best["overrides"])
    assert sweep.summary["command"] == f"levada {best['overrides'][0]}"
    assert sweep.best.metrics["validation"]["accuracy"] == best["metrics"]["accuracy"]
    assert sweep.summary["run"]["id"] == sweep.best.id
    assert sweep.summary["question"]["part"] == "test"


def test_a_sweeper_is_given_each_trials_metric(swept):
    sweep, _ = swept
    assert {number: sweep.value(number) for number in (0, 2, 3)} == {
        number: run.metrics["validation"]["accuracy"] for number, run in sweep.runs.items()
    }


def test_a_summary_of_a_sweep_is_plain_data(swept):
    summary = swept[0].summary
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["status"] == "done"


def test_a_trial_that_fails_does_not_stop_the_others(shapes):
    trials = [
        trial(shapes, 0, "model=k_neighbors", "model.n_neighbors=500"),
        trial(shapes, 1, "model.priors=no"),
        trial(shapes, 2, "problem.target=nothing"),
        trial(shapes, 3, "splitter=chronological"),
        trial(shapes, 4, "model=gaussian_nb"),
        trial(shapes, 5, "datasets.shapes.extract.path=nowhere.csv"),
    ]
    sweep = run_sweep(trials, final=False)
    assert [entry["status"] for entry in sweep.summary["trials"]] == ["done", *["failed"] * 5]
    assert [entry["number"] for entry in sweep.summary["trials"]] == [4, 0, 1, 2, 3, 5]
    assert {number: type(error) for number, error in sweep.errors.items()} == {
        0: DataError,
        1: ConfigError,
        2: ConfigError,
        3: ConfigError,
        5: DataError,
    }
    assert sweep.best is None
    with pytest.raises(DataError, match="can not predict"):
        sweep.value(0)


def test_trials_that_are_equal_run_once(shapes):
    count = Count()
    sweep = run_sweep([trial(shapes, number, "model=gaussian_nb") for number in range(3)], final=False, watchers=[count])
    assert (count.executions[-1]["model.estimate"], len(sweep.runs)) == (1, 3)
    assert [entry["number"] for entry in sweep.summary["trials"]] == [0, 1, 2]


def test_trials_with_other_data_each_have_their_own(shapes):
    paths = ["data/shapes-0.csv", "data/shapes-[12].csv"]
    trials = [trial(shapes, number, f"datasets.shapes.extract.path='{path}'") for number, path in enumerate(paths)]
    sweep = run_sweep(trials, final=False)
    assert [run.summary["datasets"][0]["rows"] for run in sweep.runs.values()] == [20, 40]


def test_a_sweep_in_which_all_fail_is_told_and_has_no_best(shapes):
    sweep = run_sweep([trial(shapes, 0, "model=k_neighbors", "model.n_neighbors=500")])
    assert (sweep.summary["status"], sweep.summary["best"], sweep.summary["command"], sweep.best) == ("failed", None, "", None)


@pytest.mark.parametrize("overrides", [["model=ridge"], ["problem.target=nothing"]], ids=["not composed", "not compiled"])
def test_a_sweep_in_which_no_trial_can_begin_raises_the_first_error(shapes, overrides):
    with pytest.raises(ConfigError):
        run_sweep([trial(shapes, 0, *overrides)])


def test_a_sweep_that_stops_at_its_goal_begins_no_more_trials(shapes):
    overrides = ("executor.workers=1", "stop_at_goal=true", "problem.goal=0.1")
    trials = [
        trial(shapes, number, f"model={name}", *overrides) for number, name in enumerate(("gaussian_nb", "decision_tree"))
    ]
    sweep = run_sweep(trials)
    assert sorted(entry["status"] for entry in sweep.summary["trials"]) == ["done", "not_begun"]
    assert sweep.best is not None
    assert sweep.summary["question"]["reached"]
    assert sorted(run["status"] for run in list_runs(shapes.load().store)) == ["done", "done", "not_begun"]
    with pytest.raises(ConfigError, match="no goal to stop at"):
        shapes.load("stop_at_goal=true")


def test_a_sweep_that_is_not_to_keep_going_begins_nothing_after_the_first_failure(shapes):
    failing = ("model=k_neighbors", "executor.workers=1", "keep_going=false")  # whichever is the first
    sweep = run_sweep([trial(shapes, n, f"model.n_neighbors={500 + n}", *failing) for n in range(4)])
    assert sorted(entry["status"] for entry in sweep.summary["trials"]) == ["failed", *["not_begun"] * 3]
