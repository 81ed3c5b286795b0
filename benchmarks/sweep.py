"""`levada -m` over ten models of the flights, against one preparation and joblib by hand.

Both begin with an empty store, prepare and encode the 336,776 flights once, and fit, keep and score the same ten models
with the same parameters. By hand that is `joblib.Parallel` with a process a core, which is how scikit-learn's own
searches spread their fits; its preparation is Levada's, so that only the sweep differs. Ours also writes every trial's
predictions, curves and folder, and the sweep's report. The look at the best trial on test rows is left out (a limited
`max_batch_size` does that), as the alternative has none. Checked: all tasks up to the encoding ran once, and both have
the same metrics.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import LEVADA, PYTHON, ROOT, Measured, Row, compare, count, in_turn, run

ROUNDS = 2
_SAME = 1e-6  # metrics differ at most by this

MODELS: list[dict[str, Any]] = [
    {"name": "dummy", "use": "dummy.DummyClassifier", "parameters": {}},
    {"name": "gaussian_nb", "use": "naive_bayes.GaussianNB", "parameters": {}},
    {"name": "logistic_regression", "use": "linear_model.LogisticRegression", "parameters": {"max_iter": 300}},
    {"name": "logistic_regression_weak", "use": "linear_model.LogisticRegression", "parameters": {"C": 0.01, "max_iter": 300}},
    {"name": "decision_tree", "use": "tree.DecisionTreeClassifier", "parameters": {"max_depth": 6}},
    {"name": "decision_tree_deep", "use": "tree.DecisionTreeClassifier", "parameters": {"max_depth": 12}},
    {"name": "random_forest", "use": "ensemble.RandomForestClassifier", "parameters": {"n_estimators": 40, "max_depth": 12}},
    {"name": "extra_trees", "use": "ensemble.ExtraTreesClassifier", "parameters": {"n_estimators": 40, "max_depth": 12}},
    {"name": "boosting", "use": "ensemble.HistGradientBoostingClassifier", "parameters": {"max_iter": 100}},
    {"name": "boosting_slow", "use": "ensemble.HistGradientBoostingClassifier", "parameters": {"learning_rate": 0.05}},
]


def measure() -> list[Row]:
    """Return the lines of the table."""
    models = [{**model, "parameters": _seeded(model)} for model in MODELS]
    with tempfile.TemporaryDirectory(prefix="levada-sweep-") as folder:
        conf = Path(folder) / "conf"
        _write(conf, models)

        def levada() -> Measured:
            _empty(folder)
            return run(
                [
                    *(LEVADA, "-m", "--config-dir", str(conf), "pipeline=flights", "hydra.sweeper.max_batch_size=100"),
                    "model=" + ",".join(f"trial_{model['name']}" for model in models),
                    *(f"store.root={folder}/ours", f"hydra.sweep.dir={folder}/output"),
                ]
            )

        def by_hand() -> Measured:
            _empty(folder)
            script = [PYTHON, "-m", "benchmarks.scripts.sweep_by_hand", str(ROOT / "data")]
            return run([*script, f"{folder}/theirs", json.dumps(models), f"{folder}/models"])

        pairs = in_turn(by_hand, levada, ROUNDS)
        summary = json.loads((Path(folder) / "output" / "summary.json").read_text("utf-8"))
    _agree(summary, pairs[-1][0].told())
    common = [stage for stage in summary["stages"] if not stage["label"].startswith("model.")]
    return [
        compare("sweep of 10 models", [(one.seconds, two.seconds) for two, one in pairs], "s", 1.15),
        compare("the same, seconds of the cores", [(one.core_seconds, two.core_seconds) for two, one in pairs], "s", None),
        count("its tasks up to the encoding: ran, of one run", _sum(common, "ran"), _sum(common, "tasks"), "tasks", 1.0),
    ]


def _seeded(model: dict[str, Any]) -> dict[str, Any]:
    return model["parameters"] if model["name"] == "gaussian_nb" else {**model["parameters"], "random_state": 0}


def _write(conf: Path, models: list[dict[str, Any]]) -> None:
    """Write a model file for each model."""
    (conf / "model").mkdir(parents=True)
    for model in models:
        lines = [
            f"use: sklearn.{model['use'].rpartition('.')[2]}",
            *(f"{key}: {value}" for key, value in model["parameters"].items()),
        ]
        (conf / "model" / f"trial_{model['name']}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _empty(folder: str) -> None:
    for name in ("ours", "theirs", "output", "models"):
        shutil.rmtree(Path(folder) / name, ignore_errors=True)


def _agree(summary: dict[str, Any], theirs: dict[str, dict[str, float]]) -> None:
    """Raise unless each trial has the metrics that the alternative has."""
    for trial in summary["trials"]:
        name = next(given.partition("=trial_")[2] for given in trial["overrides"] if given.startswith("model="))
        for metric, value in theirs[name].items():
            ours = trial["metrics"].get(metric)
            if value and (ours is None or abs(ours - value) > _SAME):
                raise RuntimeError(f"{metric} of {name}: ours is {ours}, the alternative's {value}")
    best = summary["trials"][0]
    print(f"the same metrics in all {len(theirs)} trials; the best is {' '.join(best['overrides'])}")


def _sum(stages: list[dict[str, Any]], key: str) -> int:
    return sum(stage[key] for stage in stages)
