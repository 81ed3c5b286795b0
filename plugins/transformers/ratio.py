"""One column over another."""

import polars as pl
from pydantic import Field

from engine.plugin import Transformer
from plugins.transformers._pairs import numbers


class Ratio(Transformer):
    """Divide one column by another (Float64).

    Where the divisor is 0 the result is missing, and so it is where either is missing. Whole numbers beyond 2**53 are
    rounded before they are divided.
    """

    over: str = Field(description="The column that is divided.")
    under: str = Field(description="The column that it is divided by; where it is 0, the result is missing.")
    into: str = Field(description="The name of the new column; one of this name is replaced.")

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        numbers(frame, self.over, self.under)
        over, under = (pl.col(name).cast(pl.Float64) for name in (self.over, self.under))
        return frame.with_columns(pl.when(under != 0).then(over / under).alias(self.into))
