"""Filling in what is missing."""

from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import DataError
from engine.plugin import Columns, FittedTransformer, choose, require
from plugins.transformers import _levels, _moments, _quantiles, _regression
from plugins.transformers._numbers import number


class Constant(BaseModel):
    """A value that is the same for all columns of the step."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    constant: bool | int | float | str = Field(
        description="The value to fill in, of the columns' type: a number, a text, or true or false."
    )


class Impute(FittedTransformer):
    """Fill missing values with a value learned from the training rows.

    Missing is null, and NaN in columns of numbers. A column without a single value in training is filled with 0,
    ``missing`` or false, by its type. Most models need this step; the histogram and tree ensembles do without. For the
    mean and the model an infinite value in training stops the run; the median leaves it out.
    """

    columns: Columns = Field(
        default="numeric", description="The columns to fill: a list of names, or numeric, text, boolean or all."
    )
    with_: Literal["mean", "median", "mode", "model"] | Constant = Field(
        default="median",
        description="What to fill in. median: the middle value, which outliers do not move (exact up to 65,536 "
        "different values a column, beyond within 0.1 %). mean: the average, for symmetric columns. Both need numbers "
        "and give Float64. mode: the most frequent value, the smallest of several, for text and codes. "
        "model: what a ridge regression on the other columns of the step says, for columns that go together; it learns from "
        "the rows in which none is missing, takes the mean for the others where they are missing, too, and gives Float64. "
        "{constant: value}: always this value.",
    )
    add_indicator: bool = Field(
        default=False,
        description="Whether to add `<column>_missing` (Int8, 1 where the value was missing) for each column of the "
        "step. Turn it on where a missing value tells something by itself.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        schema = frame.collect_schema()
        columns = choose(self.columns, schema)
        for name in columns:
            self._require_type(name, schema[name])
        match self.with_:
            case "mean":
                return _moments.summarize(frame, columns)
            case "median":
                return _quantiles.summarize(frame, columns)
            case "mode":
                return _levels.summarize(frame, columns)
            case "model":
                return _regression.summarize(frame, columns)
            case Constant():
                return pl.DataFrame({"column": sorted(columns)}, schema={"column": pl.String})

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        match self.with_:
            case "mean":
                return _moments.merge(a, b)
            case "median":
                return _quantiles.merge(a, b)
            case "mode":
                return _levels.merge(a, b)
            case "model":
                return _regression.merge(a, b)
            case Constant():
                return pl.concat([a, b]).unique().sort("column")

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        match self.with_:
            case "mean":
                return summary.select("column", fill=pl.col("mean"))
            case "median":
                return _quantiles.quantile(summary, 0.5).select("column", fill=pl.col("quantile").fill_null(0.0))
            case "mode":
                return _modes(summary)
            case "model":
                return _regression.finish(summary)
            case Constant():
                return summary

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        names = state["column"].to_list()
        require(names, schema.names())
        fills = state["fill"].to_list() if "fill" in state.columns else [None] * len(names)
        if self.with_ == "model":
            present = [number(name, schema[name]) for name in names]
            said = _regression.predicted(state, present)
            filled = [column.fill_null(value) for column, value in zip(present, said, strict=True)]
        else:
            filled = [self._filled(name, schema[name], fill) for name, fill in zip(names, fills, strict=True)]
        if not self.add_indicator:
            return frame.with_columns(filled)
        missing = [_present(name, schema[name]).is_null().cast(pl.Int8).alias(f"{name}_missing") for name in names]
        return frame.with_columns(*filled, *missing)

    def _filled(self, name: str, source: pl.DataType, fill: float | str | None) -> pl.Expr:
        column = _present(name, source)
        if isinstance(self.with_, Constant):
            return column.fill_null(pl.lit(self.with_.constant))
        if isinstance(fill, float):
            return column.cast(pl.Float64).fill_null(fill)
        if source == pl.Boolean:
            return column.fill_null(fill == "true")
        if source.is_numeric():
            return column.fill_null(pl.lit(fill or "0").cast(source))
        return column.cast(pl.String).fill_null("missing" if fill is None else fill)

    def _require_type(self, name: str, source: pl.DataType) -> None:
        """Raise ``DataError`` unless what is filled in fits the column."""
        numeric, text = source.is_numeric(), source in (pl.String, pl.Categorical, pl.Enum)
        if source == pl.Null:
            return
        if not (numeric or text or source == pl.Boolean):
            raise DataError(f"impute can not fill column '{name}'", expected="numbers, text or booleans", found=str(source))
        if isinstance(self.with_, Constant):
            value = self.with_.constant
            fits = isinstance(value, str) if text else isinstance(value, bool) == (not numeric) and value != str(value)
            if not fits:
                raise DataError(
                    f"impute can not fill column '{name}' with {value!r}",
                    expected=f"a value of the column's type, {source}",
                    hint="write a step for each type: one with columns: numeric, one with columns: text",
                )
        elif self.with_ != "mode" and not numeric:
            raise DataError(
                f"column '{name}' " + ("can not be filled by a model" if self.with_ == "model" else f"has no {self.with_}"),
                expected="numbers",
                found=str(source),
                hint="use `with: mode` or `with: {constant: ...}` for columns that are not numbers",
            )


def _present(name: str, source: pl.DataType) -> pl.Expr:
    return pl.col(name).fill_nan(None) if source.is_float() else pl.col(name)


def _modes(levels: pl.DataFrame) -> pl.DataFrame:
    """Return the most frequent level of each column; of several the smallest, as numbers if they are numbers."""
    order = [-pl.col("count"), pl.col("level").cast(pl.Float64, strict=False), pl.col("level")]
    best = pl.col("level").sort_by(order, nulls_last=True).drop_nulls().first().alias("fill")
    return levels.group_by("column").agg(best).sort("column")
