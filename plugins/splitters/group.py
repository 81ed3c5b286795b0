"""Whole groups by lot."""

import polars as pl
from pydantic import Field

from engine.plugin import Roles, Shares
from plugins.splitters._groups import bins_of, columns_of


class Group(Shares):
    """Draw the parts by lot, but never let a group be in two of them: a customer, a patient, a machine.

    Rows of one group resemble each other, so a model that saw some of them is not tested by the others. The shares of rows are
    kept as nearly as whole groups allow. When groups are added, the lots are drawn anew: with ``hash`` a group keeps its part.
    """

    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The columns that make a group. Left out, the dataset's key."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="The number that decides the lots; any other, other lots.")

    def needs(self, roles: Roles) -> list[str]:
        return columns_of(self.columns, roles, "group")

    def assign(self, roles: Roles) -> pl.Expr:
        return pl.struct(self.needs(roles)).map_batches(self._parts, return_dtype=pl.String)

    def _parts(self, keys: pl.Series) -> pl.Series:
        bins = bins_of(keys, [getattr(self, part) * len(keys) for part in self.parts], self.seed)
        return bins.replace_strict(dict(enumerate(self.parts)), return_dtype=pl.String)
