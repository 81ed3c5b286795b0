"""One row of each."""

from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from engine.plugin import Transformer, require


class Deduplicate(Transformer):
    """Keep one row of those that are equal, and the order of rows.

    It looks at the whole table, so it ends a chain of row-wise steps: put it where the table is small, or where equal
    rows really come from different files.
    """

    scope: ClassVar[Literal["row", "table"]] = "table"

    columns: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="The columns that make rows equal, such as a key. Left out, rows are equal when all columns are. "
        "Missing equals missing.",
    )
    keep: Literal["first", "last"] = Field(
        default="first", description="Which of the equal rows stays: the first, or the last, which suits corrections."
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        if self.columns is not None:
            require(self.columns, frame.collect_schema().names())
        return frame.unique(self.columns, keep=self.keep, maintain_order=True)
