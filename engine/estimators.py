"""Models of the registry as estimators of scikit-learn, for code of your own: pipelines, searches, cross-validation there.

In: arrays or frames, as scikit-learn takes them; NaN is missing, and reaches the model. Out: what its estimators give. The
model is named as in YAML, and is the very one that pipelines use: a plugin of your own works in ``GridSearchCV``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from engine.errors import ConfigError, DataError
from engine.plugin import Model, TaskName
from engine.registry import build, name_of

__all__ = ["Classifier", "Clusterer", "Regressor"]


class _Wrapped(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the estimators share."""

    _task: TaskName
    model: str | Mapping[str, Any]

    def _built(self) -> Model:
        """Return the model. Raises ``ConfigError`` for a wrong name or parameter, or a model of another task."""
        model = build("model", self.model if isinstance(self.model, str) else dict(self.model), ("model",))
        assert isinstance(model, Model)  # the registry gives no other for this kind
        if model.task != self._task:
            raise ConfigError(
                f"{name_of(type(model))} is for {model.task}", where=f"{type(self).__name__}(model=…)", expected=f"{self._task}"
            )
        return model

    def _fit(self, features: NDArray[np.float64], target: pl.Series | None) -> None:
        model = self._built()
        with _as_value_errors():
            self.fitted_ = model.estimate(self._frame(features), target)
        self.model_ = model

    def _predicted(self, X: ArrayLike) -> pl.DataFrame:
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        with _as_value_errors():
            return self.model_.predict(self.fitted_, self._frame(features))

    def _frame(self, features: NDArray[np.float64]) -> pl.DataFrame:
        named = getattr(self, "feature_names_in_", [f"x{place}" for place in range(features.shape[1])])
        return pl.DataFrame(features, schema=[str(name) for name in named]).fill_nan(None)


def _gives(kind: str) -> Callable[[Any], bool]:
    """Return the condition that a fitted classifier gives columns of this kind."""

    def holds(self: Any) -> bool:
        return any(name.startswith(kind) for name in getattr(self, "gives_", ()))

    return holds


class Classifier(ClassifierMixin, _Wrapped):  # type: ignore[misc]  # scikit-learn has no types
    """A model for classification: ``Classifier("sklearn.RandomForestClassifier")``, ``Classifier({"use": …, "depth": 3})``.

    Labels may be text, numbers or booleans. Once fitted it has ``classes_``, ``model_`` (the plugin), ``fitted_`` (what it
    learned), and ``predict_proba`` (rows x classes, 0 to 1) or ``decision_function`` where the model can say them. Rows and
    labels that the model refuses are ``ValueError``, as in scikit-learn; a wrong name or parameter is ``ConfigError``.
    """

    _task: TaskName = "classification"

    def __init__(self, model: str | Mapping[str, Any] = "sklearn.LogisticRegression") -> None:
        self.model = model

    def fit(self, X: ArrayLike, y: ArrayLike) -> Classifier:
        """Estimate the model from rows x features and a label for each row."""
        features, labels = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(labels)
        self.classes_, places = np.unique(labels, return_inverse=True)
        width = len(str(len(self.classes_)))  # equal lengths: models sort classes as text, and keep this order
        self._fit(features, pl.Series("target", [f"{place:0{width}d}" for place in places.tolist()]))
        with _as_value_errors():
            self.gives_ = self.model_.predict(self.fitted_, self._frame(features[:1])).columns
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return a label for each row."""
        places = self._predicted(X)["prediction"].cast(pl.Int64).to_numpy()
        labels: NDArray[Any] = self.classes_[places]
        return labels

    @available_if(_gives("probability:"))  # type: ignore[untyped-decorator]  # as above
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return rows x classes: how probable each is, in the order of ``classes_``."""
        return self._rated(X, "probability:")

    @available_if(_gives("score:"))  # type: ignore[untyped-decorator]  # as above
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return rows x classes, or a number for each row where there are two: larger is surer (of the second)."""
        scores = self._rated(X, "score:")
        return scores[:, 1] if len(self.classes_) == 2 else scores

    def _rated(self, X: ArrayLike, kind: str) -> NDArray[np.float64]:
        found = self._predicted(X)
        names = [f"{kind}{place:0{len(str(len(self.classes_)))}d}" for place in range(len(self.classes_))]
        return found.select(names).to_numpy()


class Regressor(RegressorMixin, _Wrapped):  # type: ignore[misc]  # scikit-learn has no types
    """A model for regression: ``Regressor("sklearn.Ridge")``. Errors are as those of ``Classifier``."""

    _task: TaskName = "regression"

    def __init__(self, model: str | Mapping[str, Any] = "sklearn.Ridge") -> None:
        self.model = model

    def fit(self, X: ArrayLike, y: ArrayLike) -> Regressor:
        """Estimate the model from rows x features and a number for each row."""
        features, numbers = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        self._fit(features, pl.Series("target", np.asarray(numbers, dtype=np.float64)))
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return a number for each row."""
        return self._predicted(X)["prediction"].to_numpy()


class Clusterer(ClusterMixin, _Wrapped):  # type: ignore[misc]  # scikit-learn has no types
    """A model for clustering: ``Clusterer("sklearn.KMeans")``; ``labels_`` are the clusters of the rows it learned from.

    Some models know the clusters of those rows only; they refuse others with ``ValueError``.
    """

    _task: TaskName = "clustering"

    def __init__(self, model: str | Mapping[str, Any] = "sklearn.KMeans") -> None:
        self.model = model

    def fit(self, X: ArrayLike, y: object = None) -> Clusterer:
        """Find clusters in rows x features; ``y`` is there for pipelines and is not looked at."""
        features = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self._fit(features, None)
        with _as_value_errors():
            self.labels_ = self.model_.predict(self.fitted_, self._frame(features))["prediction"].to_numpy()
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the cluster of each row."""
        return self._predicted(X)["prediction"].to_numpy()


@contextmanager
def _as_value_errors() -> Iterator[None]:
    """Raise what a model says of rows as scikit-learn's callers expect it."""
    try:
        yield
    except DataError as error:
        raise ValueError(f"{error} (NaN is missing)" if "missing" in error.what else str(error)) from error
