"""Plugins that say which rows are learned from and which are judged by."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import polars as pl
from pydantic import Field, model_validator

from engine.plugin.base import Plugin
from engine.plugin.columns import PARTS, TaskName


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns of a view mean what, for splitters: ``key`` may be empty, the others None."""

    task: TaskName
    target: str | None
    key: tuple[str, ...]
    time: str | None


class Splitter(Plugin):
    """Assigns every row of a view to train, validation or test, or to none of them."""

    kind: ClassVar[str] = "splitter"

    watch: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Columns that say which rows belong together, such as [customer]: a warning says when such rows are in "
        "several parts. Left out, the dataset's key.",
    )
    strict: bool = Field(
        default=False,
        description="Whether warnings about the parts stop the run before anything is learned. By default they are only told.",
    )

    @property
    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """Which of ``PARTS`` there are, in that order; train always is."""

    @abstractmethod
    def needs(self, roles: Roles) -> list[str]:
        """Return the columns that ``assign`` looks at. Raises ``ConfigError`` when a role it needs is not set."""

    @abstractmethod
    def assign(self, roles: Roles) -> pl.Expr:
        """Return an expression over the whole view, rows in order, that is one of ``parts`` for each row.

        It is null for a row that is in no part.
        """


class Shares(Splitter):
    """A splitter whose parts are shares of the rows, which sum to 1."""

    train: float = Field(default=0.6, ge=0, le=1, description="Share of rows that models and encodings learn from.")
    validation: float = Field(default=0.2, ge=0, le=1, description="Share of rows that candidates are compared on.")
    test: float = Field(default=0.2, ge=0, le=1, description="Share of rows kept for the chosen model alone.")

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in PARTS if getattr(self, part) > 0)

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Shares:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, but they are {total:g}")
        if self.train == 0:
            raise ValueError("train must be more than 0: nothing can be learned from no rows")
        return self


class Folds(Splitter):
    """A splitter that cuts the rows that are not for testing into folds: one of them validates, train is of the others.

    A sweep over ``fold`` is a cross-validation.
    """

    folds: int = Field(default=5, ge=2, description="How many folds there are.")
    fold: int = Field(default=0, ge=0, description="Which fold validates, from 0; a sweep over all is a cross-validation.")
    test: float = Field(default=0.2, ge=0, lt=1, description="Share of rows kept for the chosen model alone, in no fold.")

    @property
    def parts(self) -> tuple[str, ...]:
        return PARTS if self.test > 0 else PARTS[:2]

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> Folds:
        if self.fold >= self.folds:
            raise ValueError(f"fold must be from 0 to {self.folds - 1}: there are {self.folds} folds")
        return self
