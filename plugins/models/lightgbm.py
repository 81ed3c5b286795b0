"""LightGBM's estimators as models: ``use: lightgbm.LGBMClassifier``. Fitted models are stored as LightGBM's text."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugins.models._boosted import Boosted, Document, Family, Lesson, estimator_of, opened


class _LightGBM(Boosted):
    library: ClassVar[str] = "LightGBM"

    def importance(self, fitted: Document) -> pl.Series | None:
        """Return the gain of all splits on each feature, as shares."""
        rating = opened(type(self), fitted.content).feature_importance("gain")
        return pl.Series("importance", rating / (rating.sum() or 1), dtype=pl.Float64)

    def _fit(self, parameters: Mapping[str, Any], lesson: Lesson) -> tuple[bytes, int]:
        import lightgbm

        # Without force_row_wise LightGBM measures which way is quicker, and the two differ in the last digits.
        estimator = estimator_of(lightgbm, self)(**parameters, verbosity=-1, deterministic=True, force_row_wise=True)
        more: dict[str, Any] = {"sample_weight": lesson.weights, "init_model": lesson.before}
        if lesson.watched is not None:
            stop = lightgbm.early_stopping(self.early_stopping_rounds or 1, verbose=False)
            more |= {"eval_X": lesson.watched[0], "eval_y": lesson.watched[1], "callbacks": [stop]}
        estimator.fit(*lesson.learned, **more)
        best = estimator.best_iteration_ or None
        text = estimator.booster_.model_to_string(num_iteration=best)
        return text.encode(), int(best or estimator.booster_.current_iteration())

    @classmethod
    def read(cls, content: bytes) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=content.decode())

    def _ask(self, booster: Any, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = booster.predict(matrix, num_threads=1)
        return found


_FAMILY = Family(
    "lightgbm",
    _LightGBM,
    {"LGBMClassifier": "classification", "LGBMRegressor": "regression"},
    page="https://lightgbm.readthedocs.io/en/stable/Parameters.html",
    without={"kwargs"},
    defaults={"random_state": 0, "n_jobs": 1},
)
names, refusal, plugin = _FAMILY.names, _FAMILY.refusal, _FAMILY.plugin
