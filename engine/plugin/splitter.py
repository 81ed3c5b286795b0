"""Plugins that say which rows are learned from and which are judged by."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import polars as pl
from pydantic import Field, model_validator

from engine.plugin.base import Plugin
from engine.plugin.columns import TaskName


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns of a view mean what, for splitters: ``key`` may be empty, the others None."""

    task: TaskName
    target: str | None
    key: tuple[str, ...]
    time: str | None


class Splitter(Plugin):
    """Assigns every row of a view to train, validation or test. The three shares sum to 1."""

    kind: ClassVar[str] = "splitter"

    train: float = Field(default=0.6, ge=0, le=1, description="Share of rows that models and encodings learn from.")
    validation: float = Field(default=0.2, ge=0, le=1, description="Share of rows that candidates are compared on.")
    test: float = Field(default=0.2, ge=0, le=1, description="Share of rows kept for the chosen model alone.")

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Splitter:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, but they are {total:g}")
        if self.train == 0:
            raise ValueError("train must be more than 0: nothing can be learned from no rows")
        return self

    @abstractmethod
    def needs(self, roles: Roles) -> list[str]:
        """Return the columns that ``assign`` looks at. Raises ``ConfigError`` when a role it needs is not set."""

    @abstractmethod
    def assign(self, roles: Roles) -> pl.Expr:
        """Return an expression over the whole view, rows in order, that is one of ``PARTS`` for each row."""
