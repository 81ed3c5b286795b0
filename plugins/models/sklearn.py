"""Every scikit-learn estimator that fits a task, as a model: ``use: sklearn.RandomForestClassifier``.

The parameters are those of the estimator, under its own names, and are checked by scikit-learn before any data is
read. A model is made when it is asked for, and then only its own part of scikit-learn is imported, if any: what scikit-learn
said of the same parameters before is remembered.
"""

import inspect
import threading
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, create_model, model_validator

from engine.errors import ConfigError, DataError, LevadaError, unknown
from engine.plugin import FitSummary, Model, TaskName
from plugins.models import _answers
from plugins.models._estimators import EXCLUDED, HOMES
from plugins.models._matrix import matrix_of, refused
from plugins.models._memory import SQUARES, refuse_squares
from plugins.models._numpydoc import explanations

_Fitted: TypeAlias = Any
"""A scikit-learn estimator: scikit-learn has no types."""

_QUIET: dict[str, Any] = {"over": "ignore", "invalid": "ignore"}
"""Of numbers too large NumPy warns before scikit-learn refuses them; the refusal is enough."""

_IMPORTING = threading.Lock()
"""Parts of scikit-learn import each other: two fits that begin at once would wait for one another."""

_ROWS = "levada_rows_"
"""Where a clusterer that can not predict remembers the rows that it was estimated from."""

_MOST_PROBABLE = frozenset(
    {
        *("BaggingClassifier", "ExtraTreesClassifier", "HistGradientBoostingClassifier"),
        *("KNeighborsClassifier", "RandomForestClassifier"),
    }
)
"""Those that are slow to predict and predict the most probable class: they are asked for the probabilities alone."""


class _Estimator(Model):
    """A scikit-learn estimator with its parameters."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    @model_validator(mode="after")
    def _scikit_learn_accepts(self) -> "_Estimator":
        asked = _answers.question("accepts", type(self).__name__, self._parameters())
        if _answers.recall(asked) is None:
            from sklearn.utils._param_validation import validate_parameter_constraints

            estimator = _load(type(self).__name__)
            accepted = estimator._parameter_constraints  # noqa: SLF001  scikit-learn has no public name for what it accepts
            validate_parameter_constraints(accepted, self._parameters(), estimator.__name__)
            _answers.keep(asked, answer=True)
        return self

    def _parameters(self) -> dict[str, Any]:
        given = {field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()}
        if isinstance(weights := given.get("class_weight"), Mapping):
            given["class_weight"] = {_label(name): weight for name, weight in weights.items()}
        return given

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by name: the class is made when it is asked for, and is no attribute of this module."""
        return _restored, (type(self).__name__, {name: getattr(self, name) for name in type(self).model_fields})

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> _Fitted:
        estimator = _load(type(self).__name__)(**self._parameters())
        refuse_squares(type(self).__name__, features.height, SQUARES.get(type(self).__name__, 0))
        matrix = self._learn(estimator, "fit", features, target)
        if not hasattr(estimator, "predict"):
            setattr(estimator, _ROWS, matrix)
        return estimator

    def _learn(self, estimator: _Fitted, method: str, features: pl.DataFrame, target: pl.Series | None) -> NDArray[np.float64]:
        """Let an estimator learn by its method ``fit`` or ``partial_fit``; return the matrix that it learned from."""
        matrix = matrix_of(type(self).__name__, features, missing=_takes_missing(estimator))
        if self.task != "clustering" and (target is None or target.null_count()):
            raise DataError(
                f"{type(self).__name__} needs a target in every row",
                found="no target" if target is None else f"{target.null_count():,} rows without one",
                hint="expect it of the dataset: {use: not_null, columns: [...]}",
            )
        if any(name.startswith("copy") and value is False for name, value in self._parameters().items()):
            matrix = matrix.copy()  # it may write to what it is given, which others are given, too
        try:
            with np.errstate(**_QUIET):
                getattr(estimator, method)(matrix, None if target is None else self._target(target))
        except (ValueError, TypeError) as error:
            raise refused(f"{type(self).__name__} can not be estimated from these rows", features, error) from error
        return matrix

    def predict(self, fitted: _Fitted, features: pl.DataFrame) -> pl.DataFrame:
        if features.is_empty():
            return self._no_rows(fitted)
        matrix = matrix_of(type(self).__name__, features, missing=_takes_missing(fitted))
        try:
            with np.errstate(**_QUIET):
                return self._predict(fitted, matrix)
        except (ValueError, TypeError) as error:
            raise refused(f"{type(self).__name__} can not predict these rows", features, error) from error

    def importance(self, fitted: _Fitted) -> pl.Series | None:
        """Return the trees' importances or the mean size of coefficients, whose features should be standardised."""
        rating = getattr(fitted, "feature_importances_", None)
        if rating is None and isinstance(coefficients := getattr(fitted, "coef_", None), np.ndarray):
            rating = np.abs(np.atleast_2d(coefficients)).mean(axis=0)
        if rating is None or len(rating) != getattr(fitted, "n_features_in_", -1):
            return None
        return pl.Series("importance", rating, dtype=pl.Float64)

    def update(self, fitted: _Fitted, features: pl.DataFrame, target: pl.Series | None) -> _Fitted | None:
        """Return the estimator after ``partial_fit`` on more rows, None if it has no such method."""
        if not hasattr(fitted, "partial_fit"):
            return None
        updated = deepcopy(fitted)
        self._learn(updated, "partial_fit", features, target)
        return updated

    def summary(self, fitted: _Fitted) -> FitSummary:
        """Return the rounds of the search, the number of clusters and their exemplars, as far as the estimator has them."""
        rounds = getattr(fitted, "n_iter_", None)
        facts = {"iterations": int(rounds)} if isinstance(rounds, int | np.integer) else {}
        labels, places = getattr(fitted, "labels_", None), getattr(fitted, "cluster_centers_indices_", None)
        if self.task == "clustering" and labels is not None:
            facts["clusters"] = len(set(np.unique(labels)) - {-1})
        return FitSummary(facts, exemplars=() if places is None else tuple(np.asarray(places).tolist()))

    def _predict(self, fitted: _Fitted, matrix: NDArray[np.float64]) -> pl.DataFrame:
        raise NotImplementedError

    def _no_rows(self, fitted: _Fitted) -> pl.DataFrame:
        raise NotImplementedError

    def _target(self, target: pl.Series) -> NDArray[Any]:
        return target.cast(pl.Float64).to_numpy()


class _Classifier(_Estimator):
    task: ClassVar[TaskName] = "classification"

    def _target(self, target: pl.Series) -> NDArray[Any]:
        return np.array(target.cast(pl.String).to_list(), dtype=np.str_)

    def _predict(self, fitted: _Fitted, matrix: NDArray[np.float64]) -> pl.DataFrame:
        if not hasattr(fitted, "predict_proba"):
            return _predicted(fitted.predict(matrix)).with_columns(_scores(fitted, matrix))
        shares = np.asarray(fitted.predict_proba(matrix), dtype=np.float64)
        by_share = type(fitted).__name__ in _MOST_PROBABLE
        found = _predicted(fitted.classes_[shares.argmax(axis=1)] if by_share else fitted.predict(matrix))
        return found.with_columns(
            pl.Series(f"probability:{label}", shares[:, place], dtype=pl.Float64)
            for place, label in enumerate(fitted.classes_.tolist())
        )

    def _no_rows(self, fitted: _Fitted) -> pl.DataFrame:
        kinds = {"probability": "predict_proba", "score": "decision_function"}
        kind = next((kind for kind, method in kinds.items() if hasattr(fitted, method)), None)
        rated = {f"{kind}:{label}": pl.Float64 for label in fitted.classes_.tolist()} if kind is not None else {}
        return pl.DataFrame(schema={"prediction": pl.String, **rated})


def _predicted(labels: NDArray[Any]) -> pl.DataFrame:
    return pl.DataFrame({"prediction": labels.tolist()}, schema={"prediction": pl.String})


def _scores(fitted: _Fitted, matrix: NDArray[np.float64]) -> list[pl.Series]:
    """Return ``score:<class>`` of a classifier that ranks without probabilities, nothing if it does not rank either."""
    if not hasattr(fitted, "decision_function"):
        return []
    scores = np.asarray(fitted.decision_function(matrix), dtype=np.float64)
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    return [pl.Series(f"score:{label}", scores[:, place]) for place, label in enumerate(fitted.classes_.tolist())]


class _Regressor(_Estimator):
    task: ClassVar[TaskName] = "regression"

    def _predict(self, fitted: _Fitted, matrix: NDArray[np.float64]) -> pl.DataFrame:
        numbers = np.asarray(fitted.predict(matrix), dtype=np.float64).ravel()
        return pl.DataFrame({"prediction": numbers}, schema={"prediction": pl.Float64})

    def _no_rows(self, fitted: _Fitted) -> pl.DataFrame:
        return pl.DataFrame(schema={"prediction": pl.Float64})


class _Clusterer(_Estimator):
    task: ClassVar[TaskName] = "clustering"

    def _predict(self, fitted: _Fitted, matrix: NDArray[np.float64]) -> pl.DataFrame:
        if hasattr(fitted, "predict"):
            return _clusters(fitted.predict(matrix))
        return self._remembered(getattr(fitted, _ROWS), fitted.labels_, matrix)

    def _no_rows(self, fitted: _Fitted) -> pl.DataFrame:
        return pl.DataFrame(schema={"prediction": pl.Int64})

    def _remembered(self, rows: NDArray[np.float64], labels: NDArray[np.int64], asked: NDArray[np.float64]) -> pl.DataFrame:
        """Return the clusters of rows that the model was estimated from; ``DataError`` if there are others."""
        if rows.shape[1] != asked.shape[1]:
            raise ValueError(f"{asked.shape[1]} features, but the model was estimated from {rows.shape[1]}")
        known, wanted = _frame(rows), _frame(asked)
        names = wanted.columns
        known = known.with_columns(_clusters(labels)).unique(names, keep="first", maintain_order=True)
        found = wanted.join(known, on=names, how="left", nulls_equal=True, maintain_order="left").select("prediction")
        if strangers := found["prediction"].null_count():
            raise DataError(
                f"{type(self).__name__} knows the clusters only of the rows that it was estimated from",
                found=f"{strangers:,} of {len(asked):,} rows are others",
                hint="choose a model that can predict, such as sklearn.KMeans or sklearn.Birch, "
                "or give all rows to training: splitter.train=1 splitter.validation=0 splitter.test=0",
            )
        return found


_BASES: dict[TaskName, type[_Estimator]] = {made.task: made for made in (_Classifier, _Regressor, _Clusterer)}


def names() -> list[str]:
    """Return the estimators' class names, sorted; imports nothing of scikit-learn."""
    return sorted(HOMES)


def refusal(name: str) -> LevadaError | None:
    """Return why an estimator of scikit-learn is no model, None if scikit-learn has no estimator of that name."""
    reason = next((reason for reason, listed in EXCLUDED.items() if name in listed.split()), None)
    if reason is None:
        from sklearn.utils import all_estimators

        others = {other for other, _ in all_estimators()} - HOMES.keys()
        changes = name in {other for other, _ in all_estimators("transformer")}
        reason = ("changes columns, and predicts nothing" if changes else "predicts nothing") if name in others else None
    return ConfigError(f"sklearn.{name} is no model here: it {reason}") if reason is not None else None


@cache
def plugin(name: str) -> type[Model]:
    """Return the model of an estimator's class name; ``UnknownName`` if scikit-learn has no such estimator."""
    fields: dict[str, Any] = {}
    for parameter, default, description in _parameters_of(name):
        # pydantic's own methods keep their names: the parameter `copy` is the field `copy_`, and `copy` in YAML.
        field = f"{parameter}_" if hasattr(Model, parameter) else parameter
        fields[field] = (Any, Field(default=default, description=description))
    base = _BASES[HOMES[name][1]]
    return create_model(name, __base__=base, __module__=__name__, __doc__=_doc(name, base), **fields)


def _parameters_of(name: str) -> list[tuple[str, Any, str]]:
    """Return the parameters of an estimator: name, default, and what scikit-learn says of it."""
    if name not in HOMES:
        raise unknown("scikit-learn estimator", name, HOMES)
    asked = _answers.question("parameters", name)
    found: list[tuple[str, Any, str]] | None = _answers.recall(asked)
    if found is None:
        estimator = _load(name)
        explained = explanations(inspect.getdoc(estimator) or "")
        found = [
            (one.name, _default(one), explained.get(one.name, f"See scikit-learn's page of {name}."))
            for one in inspect.signature(estimator).parameters.values()
        ]
        _answers.keep(asked, found)
    return found


def _default(parameter: inspect.Parameter) -> Any:
    if parameter.name == "random_state":
        return 0
    # YAML and JSON have lists only, and equal parameters must be equal
    return list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default


def _restored(name: str, parameters: dict[str, Any]) -> Model:
    return plugin(name)(**parameters)


def _load(name: str) -> _Fitted:
    with _IMPORTING:
        return getattr(import_module(HOMES[name][0]), name)


def _doc(name: str, base: type[_Estimator]) -> str:
    page = f"https://scikit-learn.org/stable/modules/generated/{HOMES[name][0]}.{name}.html"
    seed = "`random_state` is 0 unless it is given, so that equal rows give equal models."
    return f"scikit-learn's {name}, for {base.task}.\n\nParameters are scikit-learn's: {page}. {seed}"


def _label(name: object) -> str:
    """Return a class as the text that it is in the target: YAML reads ``true`` and ``1`` as something else."""
    return str(name).lower() if isinstance(name, bool) else str(name)


def _takes_missing(estimator: _Fitted) -> bool:
    tags = estimator.__sklearn_tags__()
    return bool(tags.input_tags.allow_nan or tags.no_validation)


def _frame(matrix: NDArray[np.float64]) -> pl.DataFrame:
    return pl.DataFrame(matrix, schema=[f"x{place}" for place in range(matrix.shape[1])]).fill_nan(None)


def _clusters(labels: NDArray[np.int64]) -> pl.DataFrame:
    return pl.DataFrame({"prediction": np.asarray(labels, dtype=np.int64)}, schema={"prediction": pl.Int64})
