"""LightGBM's estimators as models: ``use: lightgbm.LGBMClassifier``. Fitted models are stored as LightGBM's text."""

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

_TASKS: dict[str, TaskName] = {"LGBMClassifier": "classification", "LGBMRegressor": "regression"}


def names() -> list[str]:
    """Return the estimators' class names, none where the library is not installed."""
    return sorted(_TASKS) if find_spec("lightgbm") is not None else []


def refusal(name: str) -> LevadaError | None:
    """Return why an estimator that there could be is none here: its library is not installed."""
    return not_installed("lightgbm", name) if find_spec("lightgbm") is None else None


@cache
def plugin(name: str) -> type[Model]:
    """Return the model of an estimator's class name."""
    import lightgbm

    return made(
        _LightGBM,
        (getattr(lightgbm, name),),
        task=_TASKS[name],
        page="https://lightgbm.readthedocs.io/en/stable/Parameters.html",
        without={"kwargs"},
        defaults={"random_state": 0, "n_jobs": 1},
    )


class _LightGBM(Boosted):
    library: ClassVar[str] = "LightGBM"

    def importance(self, fitted: Document) -> pl.Series | None:
        """Return the gain of all splits on each feature, as shares."""
        rating = opened(type(self), fitted.content).feature_importance("gain")
        return pl.Series("importance", rating / (rating.sum() or 1), dtype=pl.Float64)

    def _fit(self, parameters: Mapping[str, Any], learned: Rows, watched: Rows | None) -> tuple[bytes, int]:
        import lightgbm

        # Without force_row_wise LightGBM measures which way is quicker, and the two differ in the last digits.
        estimator = estimator_of(lightgbm, self)(**parameters, verbosity=-1, deterministic=True, force_row_wise=True)
        if watched is None:
            estimator.fit(*learned)
        else:
            stop = lightgbm.early_stopping(self.early_stopping_rounds or 1, verbose=False)
            estimator.fit(*learned, eval_X=watched[0], eval_y=watched[1], callbacks=[stop])
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
