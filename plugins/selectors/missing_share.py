"""Features that are there."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from engine.plugin import TARGET, Selector

_SCHEMA = pl.Schema({"column": pl.String(), "rows": pl.Int64(), "missing": pl.Int64()})


class MissingShare(Selector):
    """Leave out the columns of which too many values are missing; rate a column by the share that is there, 0 to 1.

    It takes columns of any type: ``columns: all`` looks at text and times too. Missing is null, and NaN in columns of
    numbers. Put it before ``impute``: afterwards nothing is missing. A column without rows stays.
    """

    measure: ClassVar[str] = "share of values that are there"
    numeric: ClassVar[bool] = False
    decides: ClassVar[bool] = True

    above: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="The share of missing values, 0 to 1, above which a column is left out. Lower it where filling in "
        "would invent too much; raise it where few values are worth having.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        schema = frame.collect_schema()
        names = [name for name in schema.names() if name != TARGET]
        if not names:
            return _SCHEMA.to_frame()
        counts = frame.select(pl.len().alias(TARGET), *(_missing(name, schema[name]).sum() for name in names)).collect()
        rows, *missing = counts.row(0)
        found = {"column": names, "rows": [rows] * len(names), "missing": missing}
        return pl.DataFrame(found, schema=_SCHEMA).sort("column")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([a, b]).group_by("column").agg(pl.col("rows", "missing").sum()).sort("column")

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        shares = [missing / rows if rows else 0.0 for rows, missing in summary.select("rows", "missing").iter_rows()]
        return pl.DataFrame(
            {
                "column": summary["column"],
                "score": [1 - share for share in shares],
                "kept": [share <= self.above for share in shares],
                "reason": [f"{share:.1%} missing, at most {self.above:.1%} may be" for share in shares],
            },
            schema={"column": pl.String, "score": pl.Float64, "kept": pl.Boolean, "reason": pl.String},
        )


def _missing(name: str, source: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    return (column.fill_nan(None) if source.is_float() else column).is_null()
