"""Keeping the rows for which a condition holds."""

from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field

from engine.plugin import Transformer
from plugins.transformers._sql import over, row_expression


def _parses(text: str) -> str:
    row_expression(text)
    return text


class Filter(Transformer):
    """Keep only the rows for which a condition is true.

    Rows for which it is false or null go, without a trace: use a check under ``expect`` for rows that are wrong, so
    that they go to quarantine with the reason, and this step for rows that are right but not asked about.
    """

    where: Annotated[str, AfterValidator(_parses)] = Field(
        description="Condition in Polars' SQL, such as `distance > 100 AND carrier <> 'YV'`. It sees one row at a "
        "time; null counts as false."
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.filter(over(self.where, frame.collect_schema()))
