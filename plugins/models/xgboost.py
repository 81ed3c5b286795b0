"""XGBoost's estimators as models: ``use: xgboost.XGBClassifier``. Fitted models are stored as UBJSON."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugins.models._boosted import Boosted, Document, Family, Lesson, estimator_of, opened


class _XGBoost(Boosted):
    library: ClassVar[str] = "XGBoost"

    def importance(self, fitted: Document) -> pl.Series | None:
        """Return the mean gain of the splits on each feature, as shares."""
        booster = opened(type(self), fitted.content)
        gains = booster.get_score(importance_type="gain")
        rating = np.array([gains.get(f"f{place}", 0.0) for place in range(booster.num_features())])
        return pl.Series("importance", rating / (rating.sum() or 1), dtype=pl.Float64)

    def _fit(self, parameters: Mapping[str, Any], lesson: Lesson) -> tuple[bytes, int]:
        import xgboost

        estimator = estimator_of(xgboost, self)(**parameters, early_stopping_rounds=self.early_stopping_rounds)
        watched = None if lesson.watched is None else [lesson.watched]
        estimator.fit(*lesson.learned, sample_weight=lesson.weights, eval_set=watched, verbose=False, xgb_model=lesson.before)
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


_FAMILY = Family(
    "xgboost",
    _XGBoost,
    {"XGBClassifier": "classification", "XGBRegressor": "regression"},
    page="https://xgboost.readthedocs.io/en/stable/parameter.html",
    # Objects of Python, and what tells missing values, which is NaN here.
    without={"callbacks", "missing", "feature_types", "enable_categorical", "kwargs"},
    defaults={"random_state": 0, "n_jobs": 1, "verbosity": 0},
    bases=("XGBModel",),
)
names, refusal, plugin = _FAMILY.names, _FAMILY.refusal, _FAMILY.plugin
