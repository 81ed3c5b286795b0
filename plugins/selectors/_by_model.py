"""How a model rates the features of a sample: what the selectors by model share."""

from __future__ import annotations

from abc import abstractmethod

import polars as pl
from pydantic import Field, SerializeAsAny, field_validator

from engine.errors import DataError
from engine.plugin import TARGET, Model, Selector
from plugins.selectors import _sample


class ByModel(Selector):
    """A selector that estimates models from a bounded sample of the training rows."""

    model: SerializeAsAny[Model] = Field(
        description="The model that rates: its name, or `{use: name, ...}` with its parameters. It must be of the "
        "problem's task and rate features itself, as trees and linear models do: sklearn.ExtraTreesClassifier, "
        "sklearn.Ridge."
    )
    sample: int = Field(
        default=20_000,
        ge=100,
        description="How many different rows the model is estimated from at most: those of the smallest hashes, the "
        "same ones each time. More give steadier ratings and take longer.",
    )

    @field_validator("model")
    @classmethod
    def _has_a_target(cls, model: Model) -> Model:
        if model.task == "clustering":
            raise ValueError("a clusterer knows no target to rate features by: name a classifier or a regressor")
        return model

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        found = _sample.summarize(frame, self.sample, selector=f"rating by {type(self.model).__name__}")
        numeric = found.schema[TARGET].is_numeric()
        if numeric != (self.model.task == "regression"):
            raise DataError(
                f"{type(self.model).__name__} is for {self.model.task}",
                expected=f"a model for {'regression' if numeric else 'classification'}, which is the problem's task",
                hint="`levada plugins model` lists them",
            )
        return found

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _sample.merge(a, b, self.sample)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        names = _sample.features(summary)
        rows = _sample.rows(summary, self.sample)
        # From no rows, or rows of one class, nothing can be learned: no feature is better than another.
        scores = self._scores(rows) if names and rows[TARGET].n_unique() > 1 else dict.fromkeys(names, 0.0)
        found = {"column": names, "score": [scores[name] for name in names]}
        return pl.DataFrame(found, schema={"column": pl.String, "score": pl.Float64})

    @abstractmethod
    def _scores(self, rows: pl.DataFrame) -> dict[str, float]:
        """Return the score of each feature; the rows have a target, and not all the same."""

    def _importances(self, rows: pl.DataFrame, names: list[str]) -> list[float]:
        """Return the model's own rating of some features; ``DataError`` if it has none."""
        rating = self.model.importance(self.model.estimate(rows.select(names), rows[TARGET]))
        if rating is None:
            raise DataError(
                f"{type(self.model).__name__} rates no features",
                expected="a model of trees or a linear one",
                hint="sklearn.ExtraTreesClassifier and sklearn.ExtraTreesRegressor suit most tables",
            )
        return [float(value) for value in rating]
