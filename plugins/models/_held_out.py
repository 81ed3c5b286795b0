"""Models that wrap another and learn from rows held out of its training: where to cut, how to read its scores."""

from typing import Any, ClassVar, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, field_validator

from engine.errors import ConfigError, DataError
from engine.plugin import FitSummary, Model, TaskName

Rows: TypeAlias = tuple[pl.DataFrame, pl.Series]


class Wrapped(Model):
    """A model of classes that wraps another, and learns something more from rows that the other has not seen.

    What is fitted has the other's fitted model as ``fitted``.
    """

    task: ClassVar[TaskName] = "classification"

    model: Model = Field(description="The model that rates the rows: its name, or `{use: name, ...}` with its parameters.")
    validation_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="The share of training rows that is held out, by lot within each class."
    )
    random_state: int = Field(default=0, ge=0, description="The seed of the lot by which rows are held out.")

    @field_validator("model")
    @classmethod
    def _is_of_classes(cls, model: Model) -> Model:
        if model.task != "classification":
            raise ConfigError(f"{cls._word()} needs a model of classes", found=f"one for {model.task}")
        return model

    def importance(self, fitted: Any) -> pl.Series | None:
        return self.model.importance(fitted.fitted)

    def summary(self, fitted: Any) -> FitSummary:
        return self.model.summary(fitted.fitted)

    @classmethod
    def _word(cls) -> str:
        return cls.__name__.lower()

    def _held_out(self, features: pl.DataFrame, target: pl.Series | None) -> tuple[Rows, Rows]:
        """Return the rows to estimate from and those held out, by lot within each class, in their order.

        Raises ``DataError`` unless each class has a row in both.
        """
        if target is None or target.null_count():
            hint = "expect it of the dataset: {use: not_null, columns: [...]}"
            raise DataError(f"{self._word()} needs a target in every row", hint=hint)
        lot = pl.Series(np.random.default_rng(self.random_state).permutation(len(target)))
        table = pl.DataFrame({"target": target, "lot": lot})
        place = pl.col("lot").rank("ordinal").over("target")
        aside = table.select(place <= (pl.len().over("target") * self.validation_fraction).ceil()).to_series()
        learned, kept = (features.filter(~aside), target.filter(~aside)), (features.filter(aside), target.filter(aside))
        lost = sorted(set(target.unique()) - set(learned[1].unique()))
        if lost:
            need = "two rows of each class, one to learn from and one to hold out"
            raise DataError(f"{self._word()} needs {need}", found=f"one of {lost[0]!r}")
        return learned, kept

    def _rated(self, prediction: pl.DataFrame) -> tuple[list[str], NDArray[np.float64]]:
        """Return the classes, and the probability or score of each for each row; ``DataError`` if the model has neither."""
        columns = [column for column in prediction.columns if column.startswith(("probability:", "score:"))]
        if not columns:
            expected = "columns probability:<class> or score:<class>"
            raise DataError(f"{self._word()} needs a model that rates classes", expected=expected)
        return [column.partition(":")[2] for column in columns], prediction.select(columns).to_numpy()
