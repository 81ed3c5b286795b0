"""Rows held out of training for what a model learns after it was estimated: where to cut, how to read its scores."""

from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.errors import ConfigError, DataError
from engine.plugin import Model

Rows: TypeAlias = tuple[pl.DataFrame, pl.Series]


def held_out(features: pl.DataFrame, target: pl.Series | None, share: float, seed: int, name: str) -> tuple[Rows, Rows]:
    """Return the rows to estimate from and those held out, by lot within each class, in their order.

    Raises ``DataError`` unless each class has a row in both.
    """
    if target is None or target.null_count():
        raise DataError(f"{name} needs a target in every row", hint="expect it of the dataset: {use: not_null, columns: [...]}")
    lot = pl.Series(np.random.default_rng(seed).permutation(len(target)))
    table = pl.DataFrame({"target": target, "lot": lot})
    place = pl.col("lot").rank("ordinal").over("target")
    aside = table.select(place <= (pl.len().over("target") * share).ceil()).to_series()
    learned, kept = (features.filter(~aside), target.filter(~aside)), (features.filter(aside), target.filter(aside))
    lost = sorted(set(target.unique()) - set(learned[1].unique()))
    if lost:
        raise DataError(
            f"{name} needs two rows of each class, one to learn from and one to hold out", found=f"one of {lost[0]!r}"
        )
    return learned, kept


def classifies(model: Model, name: str) -> Model:
    """Return the model, or raise ``ConfigError`` if it does not predict classes."""
    if model.task != "classification":
        raise ConfigError(f"{name} needs a model of classes", found=f"one for {model.task}")
    return model


def rated(prediction: pl.DataFrame, name: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return the classes, and the probability or score of each for each row; ``DataError`` if the model has neither."""
    columns = [column for column in prediction.columns if column.startswith(("probability:", "score:"))]
    if not columns:
        raise DataError(f"{name} needs a model that rates classes", expected="columns probability:<class> or score:<class>")
    return [column.partition(":")[2] for column in columns], prediction.select(columns).to_numpy()
