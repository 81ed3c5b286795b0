"""The flights' training matrix by scikit-learn: pandas up to the features, then a ``ColumnTransformer``.

    python -m benchmarks.scripts.flights_sklearn DATA FOLDER

Prints, as JSON, the files of the matrix.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.scripts.flights_pandas import CORES, MAX_LEVELS, TEXTS, WEATHER, joined, parts, read, small, together, written


def main(data: str, folder: str) -> None:
    source = Path(data) / "nycflights13"
    with ThreadPoolExecutor(CORES) as pool:
        months = list(pool.map(read, sorted((source / "flights").glob("*.csv"))))
    flights = joined(months, small(source / "weather.csv.gz", WEATHER), small(source / "planes.csv.gz"))
    del months
    numbers = list(flights.select_dtypes("number"))
    flights[TEXTS] = flights[TEXTS].fillna("missing")
    levels = OneHotEncoder(
        max_categories=MAX_LEVELS + 1,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
        dtype=np.int8,
        feature_name_combiner=_named,
    )
    encoding = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler(copy=False)), numbers),
            ("texts", levels, TEXTS),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    part = parts(flights["time_hour"])
    encoding.fit(flights[part == "train"])
    encoded = encoding.transform(flights)
    matrix = together(encoded[numbers], encoded.drop(columns=numbers), flights["late"], part)
    print(json.dumps({"files": written(matrix, Path(folder))}))


def _named(column: str, level: object) -> str:
    return f"{column}={'other' if level == 'infrequent_sklearn' else level}"


if __name__ == "__main__":
    main(*sys.argv[1:])
