"""The same mixture in every part."""

import polars as pl
from pydantic import Field

from engine.errors import ConfigError
from engine.plugin import Roles, Shares
from plugins.splitters._labels import iterative, labels_of
from plugins.splitters._shares import part, shuffled


class Stratified(Shares):
    """Draw the parts by lot within each class, so that each part has the same mixture of classes.

    The choice for classification with rare classes: every class has exactly its shares in the parts, rounded, so a
    class of one row is in training only. Rows without a class are a class of their own.

    With several columns a row has several labels: of booleans whether they are true, of others each value. Then each label is
    spread over the parts by their shares as nearly as the others allow, the rarest first (Sechidis et al., 2011).
    """

    by: str | tuple[str, ...] | None = Field(
        default=None,
        description="The column whose values are the classes, or several columns of labels. Left out, the problem's target.",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="The number that decides the lots; any other, other lots.")

    def needs(self, roles: Roles) -> list[str]:
        return list(self.by) if isinstance(self.by, tuple) else [class_column(self.by, roles, "stratified")]

    def assign(self, roles: Roles) -> pl.Expr:
        if isinstance(self.by, tuple):
            return pl.struct(self.by).map_batches(self._mixed, return_dtype=pl.String)
        return pl.col(self.needs(roles)).map_batches(self._parts, return_dtype=pl.String)

    def _parts(self, classes: pl.Series) -> pl.Series:
        lots = pl.DataFrame([classes.alias("class"), shuffled(len(classes), self.seed)])
        place = (pl.col("place").rank("ordinal") - 1).over("class")
        return lots.select(part(self, place, pl.len().over("class"))).to_series()

    def _mixed(self, rows: pl.Series) -> pl.Series:
        parts = iterative(labels_of(rows.struct.unnest()), [getattr(self, part) for part in self.parts], self.seed)
        return pl.Series([self.parts[number] for number in parts], dtype=pl.String)


def class_column(named: str | None, roles: Roles, splitter: str) -> str:
    """Return the column of classes: the one named, else the target. Raises ``ConfigError`` where the target has no classes."""
    column = named or (roles.target if roles.task == "classification" else None)
    if column is None:
        raise ConfigError(
            f"the splitter {splitter} needs classes",
            expected="a target of a classification, or a column",
            found=f"task {roles.task}",
            hint="set splitter.by to a column of few values, or use splitter=random",
        )
    return column
