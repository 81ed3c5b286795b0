"""Folds of whole groups."""

import polars as pl
from pydantic import Field

from engine.plugin import Folds, Roles
from plugins.splitters._folds import part
from plugins.splitters._groups import bins_of, columns_of


class GroupKFold(Folds):
    """Cut the groups into folds by lot: no group is in two folds, or both in a fold and in the test rows.

    One fold validates, the others are learned from; a sweep over ``splitter.fold=range(5)`` is a cross-validation. Folds
    have the same number of rows as nearly as whole groups allow. The test rows are the same for every fold.
    """

    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The columns that make a group. Left out, the dataset's key."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="The number that decides the lots; any other, other lots.")

    def needs(self, roles: Roles) -> list[str]:
        return columns_of(self.columns, roles, "group_k_fold")

    def assign(self, roles: Roles) -> pl.Expr:
        return pl.struct(self.needs(roles)).map_batches(self._parts, return_dtype=pl.String)

    def _parts(self, keys: pl.Series) -> pl.Series:
        size = len(keys) * (1 - self.test) / self.folds
        sizes = [size] * self.folds + [len(keys) * self.test] * (self.test > 0)
        number = bins_of(keys, sizes, self.seed).alias("number")
        return number.to_frame().select(part(self, pl.when(pl.col("number") < self.folds).then("number"))).to_series()
