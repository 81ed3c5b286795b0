"""Folds by lot."""

import polars as pl
from pydantic import Field

from engine.plugin import Folds, Roles
from plugins.splitters._folds import part, tested
from plugins.splitters._shares import shuffled


class KFold(Folds):
    """Cut the rows into folds by lot: one validates, the others are learned from.

    Every row that is not for testing validates once in a sweep over ``splitter.fold=range(5)``, so that candidates are
    compared on all of them: for few rows. The test rows are the same for every fold. Folds differ by one row at most.
    """

    seed: int = Field(default=0, ge=0, lt=2**32, description="The number that decides the lots; any other, other lots.")

    def needs(self, roles: Roles) -> list[str]:
        return []

    def assign(self, roles: Roles) -> pl.Expr:
        place = pl.int_range(pl.len()).map_batches(lambda rows: shuffled(len(rows), self.seed), return_dtype=pl.Int64)
        return part(self, pl.when(~tested(self, place, pl.len())).then(place % self.folds))
