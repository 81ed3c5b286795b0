"""Keeping the features that tell most."""

import polars as pl
from pydantic import Field, SerializeAsAny, model_validator

from engine.errors import DataError
from engine.plugin import TARGET, Columns, FittedTransformer, Selector, choose, require


class Select(FittedTransformer):
    """Keep the best features by a rating learned from the training rows, and leave the others out.

    Only the columns of the step are rated; all others pass, and so does everything when there are no more columns
    than ``keep``. Of features with equal scores the first by name is better.
    """

    by: SerializeAsAny[Selector] = Field(
        description="The selector that rates features: its name, or `{use: name, ...}` with its parameters, such as "
        "mutual_information or variance."
    )
    keep: int | None = Field(
        default=None, ge=1, description="How many of the columns stay at most. Left out, only the threshold counts."
    )
    threshold: float | None = Field(
        default=None,
        description="The score that a column must exceed to stay, in the selector's unit. Left out, only keep counts.",
    )
    columns: Columns = Field(
        default="numeric", description="The columns to rate, numbers or booleans: a list of names, or numeric."
    )

    @model_validator(mode="after")
    def _something_is_asked(self) -> "Select":
        if self.keep is None and self.threshold is None:
            raise ValueError("give keep (how many columns stay), threshold (the score to exceed), or both")
        return self

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        schema = frame.collect_schema()
        columns = choose("numeric" if self.columns == "all" else self.columns, schema)
        for name in columns:
            if not (schema[name].is_numeric() or schema[name] in (pl.Boolean, pl.Null)):
                raise DataError(
                    f"column '{name}' can not be rated",
                    expected="numbers or booleans",
                    found=str(schema[name]),
                    hint="encode it first, with one_hot or ordinal",
                )
        return self.by.summarize(frame.select(*columns, *([TARGET] if TARGET in schema else [])))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return self.by.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, ``score`` and whether it is ``kept``, best first."""
        scores = self.by.score(summary).sort(["score", "column"], descending=[True, False], nulls_last=True)
        kept = pl.lit(value=True) if self.keep is None else pl.int_range(pl.len()) < self.keep
        if self.threshold is not None:
            kept &= (pl.col("score") > self.threshold).fill_null(value=False)
        return scores.with_columns(kept=kept)

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        require(state.filter("kept")["column"].to_list(), frame.collect_schema().names())
        return frame.drop(state.filter(~pl.col("kept"))["column"].to_list(), strict=False)
