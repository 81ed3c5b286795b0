"""A model of classes whose ratings are made into probabilities that can be believed."""

from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from plugins.models._held_out import Wrapped


class Calibration:
    """A fitted model, and for each class in sorted order the fitted curve from its rating to its probability."""

    def __init__(self, fitted: Any, curves: list[Any], classes: list[str]) -> None:
        self.fitted, self.curves, self.classes = fitted, curves, classes


class Calibrated(Wrapped):
    """Make probabilities that can be believed of what a model says of classes: of rows said 0.8, four of five are so.

    The model is estimated from a part of the training rows; on the rows held out a curve is learned for each class, from the
    model's probability or score to the share that is of the class (Zadrozny and Elkan, Transforming Classifier Scores into
    Accurate Multiclass Probability Estimates, 2002). Of several classes the curves are scaled to sum to 1. It also gives
    probabilities to models that have scores only.
    """

    method: Literal["sigmoid", "isotonic"] = Field(
        default="sigmoid",
        description="The curve: an S (Platt), for few rows, or any that rises, for some thousand held out rows and more.",
    )

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Calibration:
        learned, (rows, truth) = self._held_out(features, target)
        fitted = self.model.estimate(*learned)
        classes, ratings = self._rated(self.model.predict(fitted, rows))
        places = [1] if len(classes) == 2 else range(len(classes))
        return Calibration(fitted, [self._curve(ratings[:, at], (truth == classes[at]).to_numpy()) for at in places], classes)

    def predict(self, fitted: Calibration, features: pl.DataFrame) -> pl.DataFrame:
        _, ratings = self._rated(self.model.predict(fitted.fitted, features))
        shares = np.zeros(ratings.shape)
        if len(shares):
            shares = self._shares(fitted, ratings)
        said = np.array(fitted.classes, dtype=object)[shares.argmax(axis=1)].tolist()
        table = pl.DataFrame({"prediction": said}, schema={"prediction": pl.String})
        return table.with_columns(pl.Series(f"probability:{one}", shares[:, at]) for at, one in enumerate(fitted.classes))

    def _curve(self, ratings: NDArray[np.float64], true: NDArray[np.bool_]) -> Any:
        from sklearn.isotonic import IsotonicRegression
        from sklearn.linear_model import LogisticRegression

        if self.method == "isotonic":
            return IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(ratings, true.astype(float))
        return LogisticRegression(C=1e6).fit(ratings[:, np.newaxis], true)

    def _shares(self, fitted: Calibration, ratings: NDArray[np.float64]) -> NDArray[np.float64]:
        places = [1] if len(fitted.classes) == 2 else range(len(fitted.classes))
        found = [self._read(curve, ratings[:, at]) for curve, at in zip(fitted.curves, places, strict=True)]
        if len(found) == 1:
            return np.column_stack([1 - found[0], found[0]])
        shares = np.column_stack(found)
        whole = shares.sum(axis=1, keepdims=True)
        even = np.full_like(shares, 1 / shares.shape[1])
        np.divide(shares, whole, out=even, where=whole > 0)
        return even

    def _read(self, curve: Any, ratings: NDArray[np.float64]) -> NDArray[np.float64]:
        found = curve.predict(ratings) if self.method == "isotonic" else curve.predict_proba(ratings[:, np.newaxis])[:, 1]
        return np.asarray(found, dtype=np.float64)
