"""XGBoost's estimators as models: ``use: xgboost.XGBClassifier``. Fitted models are stored as UBJSON."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.errors import LevadaError
from engine.plugin import Model, TaskName
from plugins.models._boosted import Boosted, Document, Rows, estimator_of, made, not_installed, opened

_TASKS: dict[str, TaskName] = {"XGBClassifier": "classification", "XGBRegressor": "regression"}


def names() -> list[str]:
    """Return the estimators' class names, none where the library is not installed."""
    return sorted(_TASKS) if find_spec("xgboost") is not None else []


def refusal(name: str) -> LevadaError | None:
    """Return why an estimator that there could be is none here: its library is not installed."""
    return not_installed("xgboost", name) if find_spec("xgboost") is None else None


@cache
def plugin(name: str) -> type[Model]:
    """Return the model of an estimator's class name."""
    import xgboost

    return made(
        _XGBoost,
        (getattr(xgboost, name), xgboost.XGBModel),
        task=_TASKS[name],
        page="https://xgboost.readthedocs.io/en/stable/parameter.html",
        # Objects of Python, and what tells missing values, which is NaN here.
        without={"callbacks", "missing", "feature_types", "enable_categorical", "kwargs"},
        defaults={"random_state": 0, "n_jobs": 1, "verbosity": 0},
    )


class _XGBoost(Boosted):
    library: ClassVar[str] = "XGBoost"

    def importance(self, fitted: Document) -> pl.Series | None:
        """Return the mean gain of the splits on each feature, as shares."""
        booster = opened(type(self), fitted.content)
        gains = booster.get_score(importance_type="gain")
        rating = np.array([gains.get(f"f{place}", 0.0) for place in range(booster.num_features())])
        return pl.Series("importance", rating / (rating.sum() or 1), dtype=pl.Float64)

    def _fit(self, parameters: Mapping[str, Any], learned: Rows, watched: Rows | None) -> tuple[bytes, int]:
        import xgboost

        made_of = {**parameters, "early_stopping_rounds": self.early_stopping_rounds}
        estimator = estimator_of(xgboost, self)(**made_of)
        estimator.fit(*learned, eval_set=None if watched is None else [watched], verbose=False)
        booster = estimator.get_booster()
        if watched is not None:
            booster = booster[: booster.best_iteration + 1]
        return bytes(booster.save_raw("ubj")), booster.num_boosted_rounds()

    @classmethod
    def read(cls, content: bytes) -> Any:
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
        return booster

    def _ask(self, booster: Any, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        import xgboost

        found: NDArray[np.float64] = booster.predict(xgboost.DMatrix(matrix, nthread=1))
        return found
