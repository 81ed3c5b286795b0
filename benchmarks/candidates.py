"""Twenty models of the flights, as each side of `sweep_peers` writes them down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LINEAR = {"use": "linear_model.LogisticRegression", "max_iter": 200, "random_state": 0}
_TREE = {"use": "tree.DecisionTreeClassifier", "random_state": 0}
_FOREST = {"use": "ensemble.RandomForestClassifier", "n_estimators": 20, "random_state": 0}
_EXTRA = {"use": "ensemble.ExtraTreesClassifier", "n_estimators": 20, "random_state": 0}
_BOOSTED = {"use": "ensemble.HistGradientBoostingClassifier", "max_iter": 60, "random_state": 0}

CANDIDATES: dict[str, dict[str, Any]] = {
    "dummy": {"use": "dummy.DummyClassifier", "strategy": "prior"},
    "naive": {"use": "naive_bayes.GaussianNB"},
    "naive_smooth": {"use": "naive_bayes.GaussianNB", "var_smoothing": 0.01},
    "linear": {**_LINEAR, "C": 1.0},
    "linear_weak": {**_LINEAR, "C": 0.01},
    "linear_weaker": {**_LINEAR, "C": 0.0001},
    "tree_4": {**_TREE, "max_depth": 4},
    "tree_8": {**_TREE, "max_depth": 8},
    "tree_12": {**_TREE, "max_depth": 12},
    "tree_leaves": {**_TREE, "min_samples_leaf": 200},
    "forest_8": {**_FOREST, "max_depth": 8},
    "forest_12": {**_FOREST, "max_depth": 12},
    "forest_leaves": {**_FOREST, "min_samples_leaf": 50},
    "extra_8": {**_EXTRA, "max_depth": 8},
    "extra_12": {**_EXTRA, "max_depth": 12},
    "extra_leaves": {**_EXTRA, "min_samples_leaf": 50},
    "boosted": {**_BOOSTED, "learning_rate": 0.1},
    "boosted_slow": {**_BOOSTED, "learning_rate": 0.05},
    "boosted_large": {**_BOOSTED, "max_leaf_nodes": 63},
    "boosted_quick": {**_BOOSTED, "learning_rate": 0.3},
}


def write(folder: Path, names: list[str], *, key: str, prefix: str) -> None:
    """Write a model file for each candidate into a group ``model``: ``key`` names the class, which ``prefix`` stands before."""
    (folder / "model").mkdir(parents=True, exist_ok=True)
    for name in names:
        parameters = dict(CANDIDATES[name])
        use = parameters.pop("use")
        named = use.rpartition(".")[2] if key == "use" else use
        lines = [f"{key}: {prefix}{named}", *(f"{name}: {value}" for name, value in parameters.items())]
        (folder / "model" / f"{name}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
