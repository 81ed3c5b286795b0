"""A sweep by hand: one preparation, then every model fitted and scored in joblib's processes, one a core.

    python -m benchmarks.scripts.sweep_by_hand DATA STORE MODELS MODELS_FOLDER

The preparation is Levada's own, up to the encoded rows, so that both sides learn from the same numbers; MODELS is JSON, a
list of names, estimators and parameters. Prints, as JSON, each model's metrics on the validation rows.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import polars as pl
from sklearn import metrics

from benchmarks.scripts import levada_upto


def main(data: str, store: str, models: str, folder: str) -> dict[str, dict[str, float]]:
    """Prepare, fit and score; the fitted models are kept in a folder."""
    files = levada_upto.main(data, store, "flights", "encoded")["files"]
    Path(folder).mkdir(parents=True, exist_ok=True)
    work = (joblib.delayed(_trial)(files, folder, **model) for model in json.loads(models))
    return dict(joblib.Parallel(n_jobs=os.cpu_count())(work))


def _trial(files: list[str], folder: str, name: str, use: str, parameters: dict[str, Any]) -> tuple[str, dict[str, float]]:
    rows = pl.scan_parquet(files)
    train, train_target = _part(rows, "train")
    estimator = getattr(import_module(f"sklearn.{use.rpartition('.')[0]}"), use.rpartition(".")[2])(**parameters)
    estimator.fit(train, train_target)
    joblib.dump(estimator, Path(folder) / f"{name}.joblib")
    features, truth = _part(rows, "validation")
    guess, shares = estimator.predict(features), estimator.predict_proba(features)
    chance = shares[:, 1]
    return name, {
        "roc_auc": metrics.roc_auc_score(truth, chance),
        "accuracy": metrics.accuracy_score(truth, guess),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, guess),
        "f1": metrics.f1_score(truth, guess),
        "precision": metrics.precision_score(truth, guess, zero_division=0),
        "recall": metrics.recall_score(truth, guess),
        "average_precision": metrics.average_precision_score(truth, chance),
        "log_loss": metrics.log_loss(truth, shares),
    }


def _part(rows: pl.LazyFrame, part: str) -> tuple[Any, Any]:
    own = rows.filter(pl.col("__part__") == part).collect()
    target = (own["__target__"] == "true").to_numpy()
    return own.drop("__part__", "__target__").cast(pl.Float64).to_numpy(order="c"), target


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
