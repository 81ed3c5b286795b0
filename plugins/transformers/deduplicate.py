"""One row of each."""

from typing import ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from engine.errors import DataError
from engine.plugin import Transformer, require

_PLACE, _TIME = "__place__", "__time__"


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
    keep: Literal["first", "last", "none"] = Field(
        default="first",
        description="Which of the equal rows stays: the first, or the last, which suits corrections, or none, where nobody "
        "can say which is right.",
    )
    on: str | None = Field(
        default=None,
        description="The column of times, dates or numbers that says which row is first and which last; of equal times the "
        "order of rows does. A row without a time stays only when none of its equals has one. Left out, the order of rows "
        "counts. Goes with `columns`.",
    )

    @model_validator(mode="after")
    def _on_tells_rows_apart(self) -> "Deduplicate":
        if self.on is not None and (self.columns is None or self.keep == "none"):
            raise ValueError("`on` chooses among rows of one key: name the key's `columns`, and keep first or last")
        return self

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require((*(self.columns or ()), *((self.on,) if self.on else ())), schema.names())
        if self.on is None:
            return frame.unique(self.columns, keep=self.keep, maintain_order=True)
        source = schema[self.on]
        if not (source.is_numeric() or source in (pl.Date, pl.Datetime, pl.Null)):
            raise DataError(
                f"column '{self.on}' does not say what is first",
                expected="times, dates or numbers",
                found=str(source),
                hint="turn it into a time first: {use: parse_time, columns: [" + self.on + "]}",
            )
        time = pl.col(self.on).fill_nan(None) if source.is_float() else pl.col(self.on)
        placed = frame.with_row_index(_PLACE)
        # Only what tells rows apart is sorted: sorting whole rows takes twice as long.
        keys = placed.select(*(self.columns or ()), _PLACE, time.alias(_TIME))
        ordered = keys.sort(_TIME, _PLACE, nulls_last=[self.keep == "first", False])
        kept = ordered.unique(self.columns, keep=self.keep, maintain_order=True).select(_PLACE)
        return placed.join(kept, on=_PLACE, how="semi", maintain_order="left").drop(_PLACE)
