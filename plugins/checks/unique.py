"""Keys must be there once."""

from datetime import datetime
from typing import Any, Literal

import polars as pl
from pydantic import Field, model_validator

from engine.plugin import Broken, Check, DatasetCheck
from plugins.checks._keys import complete, counted, listed


class Unique(Check):
    """No two rows have the same values in these columns.

    Within a partition, such as a file, every one of equal rows after the first breaks the rule. With ``scope: dataset`` all
    rows of all batches are compared; as they are loaded by then, such a rule only warns or stops: `deduplicate` under
    ``prepare`` keeps one of them. A row in which one of the values is missing breaks nothing; add ``not_null`` if it should.
    """

    together = True

    columns: tuple[str, ...] = Field(min_length=1, description="The columns that together make a row unique, such as a key.")
    scope: Literal["partition", "dataset"] = Field(
        default="partition",
        description="Which rows are compared: those of a partition, which may go to quarantine, or those of the whole dataset. "
        "For a dataset, `on_fail` is `stop` unless it is `warn`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _datasets_have_no_quarantine(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("scope") == "dataset":
            if values.get("on_fail") == "quarantine":
                raise ValueError(
                    "rows of a whole dataset can not be set aside any more: on_fail is warn or stop with scope: dataset"
                )
            return {"on_fail": "stop", **values}
        return values

    def violations(self) -> pl.Expr:
        again = pl.struct(self.columns).is_first_distinct().not_()
        return again & pl.all_horizontal(pl.col(name).is_not_null() for name in self.columns)

    def needs(self) -> tuple[str, ...]:
        return self.columns

    def describe(self) -> str:
        return f"{listed(self.columns)} are unique together" if len(self.columns) > 1 else f"{self.columns[0]} is unique"

    def over_dataset(self) -> DatasetCheck | None:
        if self.scope == "partition":
            return None
        return _UniqueInDataset(columns=self.columns, on_fail="warn" if self.on_fail == "warn" else "stop")


class _UniqueInDataset(DatasetCheck):
    """Counts the keys of a dataset by a digest of 128 bits of each: a summary is as small for text as for numbers."""

    columns: tuple[str, ...] = Field(description="The columns that together make a row unique.")

    def needs(self) -> tuple[str, ...]:
        return self.columns

    def describe(self) -> str:
        return Unique(columns=self.columns).describe() + " in the whole dataset"

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        keys = complete(frame, self.columns).select(key=self._digest()).sort("key")
        runs = keys.select(pl.col("key").rle()).unnest("key")
        return runs.select(key="value", rows=pl.col("len").cast(pl.Int64)).collect(engine="streaming")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        # both are sorted and have each key once, so equal keys come to stand side by side: no need to group millions of them
        again = (pl.col("key") == pl.col("key").shift(1)).fill_null(value=False)
        more = pl.when(again.shift(-1, fill_value=False)).then(pl.col("rows").shift(-1)).otherwise(0)
        return a.merge_sorted(b, "key").with_columns(pl.col("rows") + more, again=again).filter(~pl.col("again")).drop("again")

    def judge(self, summary: pl.DataFrame, other: pl.DataFrame | None, now: datetime) -> Broken | None:
        several = summary.filter(pl.col("rows") > 1)
        if not several.height:
            return None
        again = int(several["rows"].sum()) - several.height
        keys = "1 such key" if several.height == 1 else f"{several.height:,} such keys"
        complete_row = pl.all_horizontal(pl.col(name).is_not_null() for name in self.columns)
        return Broken(
            f"{counted(again)} with a key that an earlier row has, {keys}", complete_row & self._is(several["key"][0])
        )

    def _digest(self) -> pl.Expr:
        high, low = (pl.struct(self.columns).hash(seed).cast(pl.UInt128) for seed in (0, 1))
        return high * pl.lit(2**64, pl.UInt128) + low

    def _is(self, key: int) -> pl.Expr:
        return self._digest() == pl.lit(key, pl.UInt128)
