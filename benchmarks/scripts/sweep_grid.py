"""A sweep by scikit-learn: the features in Polars, then one ``GridSearchCV`` over a pipeline, a process a core.

    python -m benchmarks.scripts.sweep_grid DATA FOLDER WAY NAME,NAME,...

WAY is ``cached``, where the pipeline's memory keeps what the encoding came to, or ``plain``. Prints, as JSON, the metrics of
each candidate on the validation rows.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.candidates import CANDIDATES
from benchmarks.scripts.flights_polars import prepared, small
from benchmarks.scripts.matrix_polars import MAX_LEVELS, bounds, scanned
from benchmarks.scripts.scores import METRICS


def main(data: str, folder: str, way: str, names: str) -> dict[str, dict[str, float]]:
    source = Path(data) / "nycflights13"
    weather = small(source / "weather.csv.gz").drop("year", "month", "day", "hour").lazy()
    planes = small(source / "planes.csv.gz").lazy()
    features = prepared(scanned(data), weather, planes).collect(engine="streaming")
    until_train, until_validation = bounds(features.lazy())
    features = features.filter(pl.col("time_hour") <= until_validation)
    fold = np.where(features["time_hour"].to_numpy() <= np.datetime64(until_train), -1, 0)
    target = features["late"].to_numpy()
    texts = [name for name, dtype in features.schema.items() if dtype == pl.String]
    numbers = features.select(cs.numeric()).columns
    rows = features.select(pl.col(numbers).cast(pl.Float64), pl.col(texts).fill_null("missing"))
    levels = OneHotEncoder(
        max_categories=MAX_LEVELS + 1, handle_unknown="infrequent_if_exist", sparse_output=False, dtype=np.float64
    )
    encoding = ColumnTransformer(
        [("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers), ("texts", levels, texts)]
    )
    pipeline = Pipeline([("encode", encoding), ("model", "passthrough")], memory=folder if way == "cached" else None)
    chosen = [_made(**CANDIDATES[name]) for name in names.split(",")]
    search = GridSearchCV(
        pipeline,
        [{"model": [model]} for model in chosen],
        cv=PredefinedSplit(fold),
        scoring=METRICS,
        refit=False,
        n_jobs=os.cpu_count(),
        error_score="raise",
    )
    search.fit(rows, target)
    found = search.cv_results_
    return {
        name: {metric: float(abs(found[f"mean_test_{metric}"][place])) for metric in METRICS}
        for place, name in enumerate(names.split(","))
    }


def _made(use: str, **parameters: Any) -> Any:
    module, _, name = use.rpartition(".")
    return getattr(import_module(f"sklearn.{module}"), name)(**parameters)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
