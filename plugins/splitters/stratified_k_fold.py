"""Folds of the same mixture."""

import polars as pl
from pydantic import Field

from engine.plugin import Folds, Roles
from plugins.splitters._folds import part, tested
from plugins.splitters._shares import shuffled
from plugins.splitters.stratified import class_column


class StratifiedKFold(Folds):
    """Cut the rows into folds by lot within each class, so that each fold has the same mixture of classes.

    One fold validates, the others are learned from; a sweep over ``splitter.fold=range(5)`` is a cross-validation. In each
    fold a class has as many rows as in any other, or one more. The test rows are the same for every fold.
    """

    by: str | None = Field(
        default=None, description="The column whose values are the classes. Left out, it is the problem's target."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="The number that decides the lots; any other, other lots.")

    def needs(self, roles: Roles) -> list[str]:
        return [class_column(self.by, roles, "stratified_k_fold")]

    def assign(self, roles: Roles) -> pl.Expr:
        return pl.col(self.needs(roles)).map_batches(self._parts, return_dtype=pl.String)

    def _parts(self, classes: pl.Series) -> pl.Series:
        """Deal the rows that are not for testing to the folds, one class after the other, as cards are dealt."""
        rows = pl.DataFrame([classes.alias("class"), shuffled(len(classes), self.seed)]).with_row_index("row")
        place = (pl.col("place").rank("ordinal") - 1).over("class")
        rows = rows.with_columns(test=tested(self, place, pl.len().over("class")))
        dealt = rows.filter(~pl.col("test")).sort("class", "place").select("row", number=pl.int_range(pl.len()) % self.folds)
        return rows.join(dealt, on="row", how="left", maintain_order="left").select(part(self, pl.col("number"))).to_series()
