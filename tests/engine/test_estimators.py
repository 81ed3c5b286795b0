"""Models of the registry work wherever an estimator of scikit-learn does: its own checks of estimators pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from engine.errors import ConfigError
from engine.estimators import Classifier, Clusterer, Regressor


@parametrize_with_checks(
    [Classifier(), Classifier("sklearn.LinearSVC"), Regressor(), Clusterer({"use": "sklearn.KMeans", "n_clusters": 3})]
)
def test_scikit_learn_takes_it_for_an_estimator(estimator: Any, check: Any) -> None:
    check(estimator)


def test_a_search_of_scikit_learn_tries_parameters_of_a_model() -> None:
    rows, kinds = load_iris(return_X_y=True, as_frame=False)
    names = np.array(["setosa", "versicolor", "virginica"])[kinds]
    tree = make_pipeline(StandardScaler(), Classifier())
    grid = {"classifier__model": [{"use": "sklearn.DecisionTreeClassifier", "max_depth": depth} for depth in (1, 4)]}
    search = GridSearchCV(tree, grid, cv=3).fit(rows, names)
    assert search.best_params_["classifier__model"]["max_depth"] == 4
    assert accuracy_score(names, search.predict(rows)) > 0.9
    assert search.predict_proba(rows).shape == (150, 3)


def test_columns_of_a_frame_keep_their_names() -> None:
    rows = pl.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 1.0, 0.0, 0.0]})
    found = Classifier("sklearn.DecisionTreeClassifier").fit(rows, [False, False, True, True])
    assert found.feature_names_in_.tolist() == ["a", "b"]
    assert found.predict(rows).tolist() == [False, False, True, True]


def test_what_is_wrong_with_the_model_is_said_in_our_words() -> None:
    rows = [[0.0], [1.0], [2.0]]
    with pytest.raises(ConfigError, match=r"sklearn\.Ridge is for regression"):
        Classifier("sklearn.Ridge").fit(rows, [0, 1, 1])
    with pytest.raises(ConfigError, match="alhpa"):
        Regressor({"use": "sklearn.Ridge", "alhpa": 1}).fit(rows, [0, 1, 1])
    with pytest.raises(ValueError, match="Ridge can not work with missing values"):
        Regressor("sklearn.Ridge").fit([[0.0], [np.nan], [2.0]], [0, 1, 1])
