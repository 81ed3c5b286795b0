"""What metrics of classification share: the classes, and the probabilities of each."""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

_PROBABILITY = "probability:"
_SCORE = "score:"


def classes(truth: pl.Series, prediction: pl.DataFrame) -> list[str]:
    """Return all classes that are known, sorted: of the truth, the predictions and the probabilities or scores.

    Where there are two, the last is the positive one: ``true`` of false and true, ``1`` of 0 and 1.
    """
    rated = [name.partition(":")[2] for name in prediction.columns if name.startswith((_PROBABILITY, _SCORE))]
    return sorted({*truth.unique().to_list(), *prediction["prediction"].unique().to_list(), *rated})


def places(labels: pl.Series, known: list[str]) -> NDArray[np.int64]:
    """Return the place of each label among the classes: scikit-learn compares numbers ten times as fast as texts."""
    return labels.replace_strict(known, range(len(known)), return_dtype=pl.Int64).to_numpy()


def probabilities(known: list[str], prediction: pl.DataFrame) -> NDArray[np.float64] | None:
    """Return the probability of each class in each row, or None if the model gave none.

    A class that the model never saw has probability 0.
    """
    rated = [f"{_PROBABILITY}{name}" for name in known]
    if not set(rated) & set(prediction.columns):
        return None
    unseen = {name: pl.lit(0.0) for name in rated if name not in prediction.columns}
    return prediction.with_columns(**unseen).select(rated).to_numpy()


def ratings(known: list[str], prediction: pl.DataFrame) -> NDArray[np.float64] | None:
    """Return a number for each class in each row that says how sure the model is of it, or None if there are none.

    Probabilities, or the scores of a model that only ranks: enough for metrics that look at order alone.
    """
    scores = [f"{_SCORE}{name}" for name in known]
    if set(scores) <= set(prediction.columns):
        return prediction.select(scores).to_numpy()
    return probabilities(known, prediction)


def one_class_against_rest(
    truth: pl.Series,
    prediction: pl.DataFrame,
    rate: Callable[[NDArray[np.bool_], NDArray[np.float64]], float],
) -> float | None:
    """Return the rating of the positive class's ratings, or of several classes the mean over those in the truth.

    None where there are no ratings, or the truth has one class only.
    """
    known = classes(truth, prediction)
    shares = ratings(known, prediction)
    if shares is None or truth.n_unique() < 2:
        return None
    rated = known[-1:] if len(known) == 2 else [name for name in known if (truth == name).any()]
    return float(np.mean([rate((truth == name).to_numpy(), shares[:, known.index(name)]) for name in rated]))
