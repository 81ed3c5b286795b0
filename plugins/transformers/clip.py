"""Values beyond a bound."""

import polars as pl
from pydantic import Field, model_validator

from engine.errors import DataError
from engine.plugin import Columns, Transformer, choose
from plugins.transformers._values import Value, limits, literal


class Clip(Transformer):
    """Make values that lie outside of bounds equal to the bound.

    For measurements that can not be, or whose extremes tell nothing more. A missing value stays missing, NaN stays NaN,
    and the type of a column stays: a bound for whole numbers is a whole number.
    """

    columns: Columns = Field(description="The columns of numbers, dates or times: a list of names, or numeric or temporal.")
    min: Value | None = Field(
        default=None, description="The smallest value that stays, in the columns' unit; what is smaller becomes it."
    )
    max: Value | None = Field(
        default=None, description="The largest value that stays, in the columns' unit; what is larger becomes it."
    )

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> "Clip":
        if self.min is None and self.max is None:
            raise ValueError("give min, max, or both")
        if isinstance(self.min, bool) or isinstance(self.max, bool):
            raise ValueError(  # noqa: TRY004  a validator raises no other
                "true and false are no bounds; give numbers, or dates or times in ISO 8601"
            )
        if self.min is not None and self.max is not None:
            if isinstance(self.min, str) != isinstance(self.max, str):
                raise ValueError(f"min {self.min} and max {self.max} can not be compared")
            if self.min > self.max:  # type: ignore[operator]  # two numbers or two texts, as was just checked
                raise ValueError(f"min {self.min} is larger than max {self.max}")
        return self

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        return frame.with_columns(self._bounded(name, schema[name]) for name in choose(self.columns, schema))

    def _bounded(self, name: str, source: pl.DataType) -> pl.Expr:
        column, low, high = pl.col(name), self.min, self.max
        if source == pl.Null:
            return column
        if not source.is_numeric() and source not in (pl.Date, pl.Datetime):
            raise DataError(f"column '{name}' has no bounds", expected="numbers, dates or times", found=str(source))
        if source.is_integer():
            smallest, largest = limits(source)
            low = None if isinstance(low, int | float) and low < smallest else low
            high = None if isinstance(high, int | float) and high > largest else high
        return column.clip(
            None if low is None else literal(low, source, name), None if high is None else literal(high, source, name)
        )
