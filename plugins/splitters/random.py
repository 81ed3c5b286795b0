"""Rows by lot."""

import polars as pl
from pydantic import Field

from engine.plugin import Roles, Shares
from plugins.splitters._shares import part, shuffled


class Random(Shares):
    """Draw the parts by lot: any row may go to any part, and the parts have exactly their shares of rows.

    It suits rows that know nothing of each other. Where rows of one time or one customer resemble each other, it lets
    the test see what training saw: use ``chronological`` or ``hash``. When rows are added, the lots are drawn anew.
    """

    seed: int = Field(default=0, ge=0, lt=2**32, description="The number that decides the lots; any other, other lots.")

    def needs(self, roles: Roles) -> list[str]:
        return []

    def assign(self, roles: Roles) -> pl.Expr:
        place = pl.int_range(pl.len()).map_batches(lambda rows: shuffled(len(rows), self.seed), return_dtype=pl.Int64)
        return part(self, place, pl.len())
