"""The same mixture in every part."""

import polars as pl
from pydantic import Field

from engine.errors import ConfigError
from engine.plugin import Roles, Splitter
from plugins.splitters._shares import part, shuffled


class Stratified(Splitter):
    """Draw the parts by lot within each class, so that each part has the same mixture of classes.

    The choice for classification with rare classes: every class has exactly its shares in the parts, rounded, so a
    class of one row is in training only. Rows without a class are a class of their own.
    """

    by: str | None = Field(
        default=None, description="The column whose values are the classes. Left out, it is the problem's target."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="The number that decides the lots; any other, other lots.")

    def needs(self, roles: Roles) -> list[str]:
        return [self._by(roles)]

    def assign(self, roles: Roles) -> pl.Expr:
        return pl.col(self._by(roles)).map_batches(self._parts, return_dtype=pl.String)

    def _by(self, roles: Roles) -> str:
        by = self.by or (roles.target if roles.task == "classification" else None)
        if by is None:
            raise ConfigError(
                "the splitter stratified needs classes",
                expected="a target of a classification, or a column",
                found=f"task {roles.task}",
                hint="set splitter.by to a column of few values, or use splitter=random",
            )
        return by

    def _parts(self, classes: pl.Series) -> pl.Series:
        lots = pl.DataFrame([classes.alias("class"), shuffled(len(classes), self.seed)])
        place = (pl.col("place").rank("ordinal") - 1).over("class")
        return lots.select(part(self, place, pl.len().over("class"))).to_series()
