"""Keys must be there in another dataset."""

from datetime import datetime

import polars as pl
from pydantic import Field, model_validator

from engine.errors import DataError
from engine.plugin import Broken, DatasetCheck
from plugins.checks._keys import complete, counted, listed

_EXAMPLES = 3


class ForeignKey(DatasetCheck):
    """The values of these columns are those of a row of another dataset.

    It is about the rows of both as they are loaded, before ``prepare``. A row in which one of the values is missing breaks
    nothing. The types must be the same on both sides, whole numbers of any size apart. The other dataset is ingested with
    this one when a run uses it; `levada ingest` with a dataset's name takes it as it was last ingested.
    """

    columns: tuple[str, ...] = Field(min_length=1, description="The columns that together refer to a row of the other dataset.")
    dataset: str = Field(description="The other dataset's name.")
    references: tuple[str, ...] | None = Field(
        default=None,
        description="The other dataset's columns, in the order of ``columns``. Left out, they have the same names.",
    )

    @model_validator(mode="after")
    def _columns_correspond(self) -> "ForeignKey":
        if self.references is not None and len(self.references) != len(self.columns):
            raise ValueError(f"{len(self.columns)} columns can not refer to {len(self.references)}: give as many references")
        return self

    def needs(self) -> tuple[str, ...]:
        return self.columns

    def refers_to(self) -> tuple[str, tuple[str, ...]]:
        return self.dataset, self.references or self.columns

    def describe(self) -> str:
        return f"{listed(self.columns)} is there in {self.dataset}"

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        keys = complete(frame, self.columns).group_by(self.columns).agg(rows=pl.len().cast(pl.Int64))
        return keys.sort(self.columns).collect(engine="streaming")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([a, b]).group_by(self.columns).agg(pl.col("rows").sum()).sort(self.columns)

    def judge(self, summary: pl.DataFrame, other: pl.DataFrame | None, now: datetime) -> Broken | None:
        assert other is not None, "refers_to names one"
        missing = summary
        if summary.height and other.height:
            missing = summary.join(self._alike(summary, other), on=self.columns, how="anti").sort(self.columns)
        if not missing.height:
            return None
        keys = missing.select(self.columns).head(_EXAMPLES)
        shown = ", ".join(" and ".join(f"{name}={value}" for name, value in key.items()) for key in keys.to_dicts())
        some = pl.any_horizontal(
            pl.all_horizontal(pl.col(name) == pl.lit(value) for name, value in key.items()) for key in keys.to_dicts()
        )
        more = ", …" if missing.height > _EXAMPLES else ""
        return Broken(
            f"{counted(int(missing['rows'].sum()))} with keys that {self.dataset} does not have ({shown}{more})", some
        )

    def _alike(self, own: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
        """Return the other side's keys in the types of ours."""
        for name, reference in zip(self.columns, self.references or self.columns, strict=True):
            has, wanted = other.schema[name], own.schema[name]
            if has != wanted and not (has.is_integer() and wanted.is_integer()):
                raise DataError(
                    f"{name} and {self.dataset}.{reference} can not be compared",
                    expected="the same type on both sides",
                    found=f"{name} is {wanted}, {self.dataset}.{reference} is {has}",
                    hint="declare the same type in both extractors",
                )
        return other.select(pl.col(name).cast(own.schema[name], strict=False) for name in self.columns).drop_nulls()
