"""CatBoost's estimators as models: ``use: catboost.CatBoostClassifier``. Fitted models are stored as CatBoost's binary."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugins.models._boosted import Boosted, Document, Family, Lesson, estimator_of, opened

_QUIET = ("logging_level", "verbose", "verbose_eval", "silent", "metric_period")


class _CatBoost(Boosted):
    library: ClassVar[str] = "CatBoost"

    def importance(self, fitted: Document) -> pl.Series | None:
        """Return how much the prediction changes with each feature, as shares."""
        rating = np.asarray(opened(type(self), fitted.content).get_feature_importance())
        return pl.Series("importance", rating / (rating.sum() or 1), dtype=pl.Float64)

    def _errors(self) -> tuple[type[Exception], ...]:
        import catboost

        return (*super()._errors(), catboost.CatBoostError)

    def _fit(self, parameters: Mapping[str, Any], lesson: Lesson) -> tuple[bytes, int]:
        import catboost

        given = {name: value for name, value in parameters.items() if value is not None}
        estimator = estimator_of(catboost, self)(**given, allow_writing_files=False, logging_level="Silent")
        estimator.fit(
            *lesson.learned,
            sample_weight=lesson.weights,
            eval_set=lesson.watched,
            early_stopping_rounds=self.early_stopping_rounds,
            init_model=lesson.before,
        )
        for key in ("model_guid", "train_finish_time"):  # equal models give equal bytes
            estimator.get_metadata()[key] = ""
        with TemporaryDirectory() as folder:
            file = Path(folder) / "model.cbm"
            estimator.save_model(str(file))
            return file.read_bytes(), int(estimator.tree_count_)

    @classmethod
    def read(cls, content: bytes) -> Any:
        import catboost

        return estimator_of(catboost, cls)().load_model(blob=content)

    def _ask(self, estimator: Any, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        ask = estimator.predict_proba if self.task == "classification" else estimator.predict
        found: NDArray[np.float64] = ask(matrix, thread_count=1)
        return found


_FAMILY = Family(
    "catboost",
    _CatBoost,
    {"CatBoostClassifier": "classification", "CatBoostRegressor": "regression"},
    page="https://catboost.ai/docs/en/references/training-parameters/",
    # Files and callbacks are no business of a model, and the random seed has two names.
    without={"allow_writing_files", "train_dir", "callback", "random_state", "kwargs", *_QUIET},
    defaults={"random_seed": 0, "thread_count": 1},
)
names, refusal, plugin = _FAMILY.names, _FAMILY.refusal, _FAMILY.plugin
