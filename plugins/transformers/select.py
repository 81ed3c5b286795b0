"""Keeping the features that tell most."""

import polars as pl
from pydantic import Field, SerializeAsAny, model_validator

from engine.errors import DataError
from engine.plugin import TARGET, Columns, FittedTransformer, Selector, choose, require


class Select(FittedTransformer):
    """Keep the best features by a rating learned from the training rows, and leave the others out.

    Only the columns of the step are rated; all others pass. Selectors that decide by themselves (``missing_share``,
    ``correlation``, ``l1``) need neither ``keep`` nor ``threshold``, which then choose among those that they keep. Of
    features with equal scores the first by name is better; one whose score is not a number is the last. The report
    says of each column whether it stayed, and why.
    """

    by: SerializeAsAny[Selector] = Field(
        description="The selector that rates features: its name, or `{use: name, ...}` with its parameters. "
        "`levada plugins selector` lists them."
    )
    keep: int | None = Field(
        default=None, ge=1, description="How many of the columns stay at most. Left out, their number does not count."
    )
    threshold: float | None = Field(
        default=None,
        description="The score that a column must exceed to stay, in the selector's unit. Left out, the score does not count.",
    )
    columns: Columns = Field(
        default="numeric",
        description="The columns to rate: a list of names, or numeric. Numbers and booleans; missing_share takes "
        "columns of any type, and then all means all.",
    )

    @model_validator(mode="after")
    def _something_is_asked(self) -> "Select":
        if self.keep is None and self.threshold is None and not self.by.decides:
            raise ValueError("give keep (how many columns stay), threshold (the score to exceed), or both")
        return self

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        schema = frame.collect_schema()
        columns = choose("numeric" if self.columns == "all" and self.by.numeric else self.columns, schema)
        for name in columns if self.by.numeric else []:
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
        """Return ``column``, ``score``, whether it is ``kept``, and the ``reason``; best first, those that go last."""
        rated = self.by.score(summary).with_columns(pl.col("score").fill_nan(None))
        if not self.by.decides:
            rated = rated.with_columns(kept=pl.lit(value=True), reason=pl.lit(None, pl.String))
        ranked = rated.sort(["kept", "score", "column"], descending=[True, True, False], nulls_last=True)
        verdicts = [
            self._verdict(place, ranked.height, score, own=own, reason=reason)
            for place, (score, own, reason) in enumerate(ranked.select("score", "kept", "reason").iter_rows(), 1)
        ]
        kept, reasons = (list(part) for part in zip(*verdicts, strict=True)) if verdicts else ([], [])
        judged = (pl.Series("kept", kept, pl.Boolean), pl.Series("reason", reasons, pl.String))
        return ranked.select("column", "score").with_columns(judged)

    def _verdict(self, place: int, columns: int, score: float | None, *, own: bool, reason: str | None) -> tuple[bool, str]:
        """Return whether a column stays, and why: first what the selector itself says, then threshold, then keep."""
        rating = f"{self.by.measure} {'that is no number' if score is None else format(score, '.4g')}"
        if not own:
            return False, reason or rating
        if self.threshold is not None and (score is None or score <= self.threshold):
            return False, f"{rating}, not above {self.threshold:g}"
        if self.keep is not None and place > self.keep:
            return False, f"{rating}, number {place} of {columns}, and {self.keep} stay"
        return True, reason or f"{rating}, number {place} of {columns}"

    def choices(self, state: pl.DataFrame) -> pl.DataFrame:
        return state.select("column", "kept", "reason")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        require(state.filter("kept")["column"].to_list(), frame.collect_schema().names())
        return frame.drop(state.filter(~pl.col("kept"))["column"].to_list(), strict=False)
