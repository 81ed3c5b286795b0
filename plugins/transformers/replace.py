"""Other values for some."""

from typing import Annotated

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from engine.errors import DataError
from engine.plugin import Columns, Transformer, choose
from plugins.transformers._values import Value, fit, is_text, literal, read


def _key(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(  # noqa: TRY004  a validator raises no other
            f"YAML reads this key as {str(value).lower()}: put it in quotes ('yes', 'no', 'true', ...)"
        )
    return str(value) if isinstance(value, int | float) else value


class Default(BaseModel):
    """The value of all that a mapping does not list."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    constant: Value | None = Field(description="The value that stands for all others; null makes them missing.")


class Replace(Transformer):
    """Replace values by others, all at once: ``{a: b, b: a}`` swaps two.

    What is not listed stays, or becomes the ``default``. A missing value stays missing (``fill`` is for those), and NaN
    is one. Without a default a column keeps its type; with one, new values of another type make a column of it, such as
    Int64 for grades instead of words. Categories become text.
    """

    columns: Columns = Field(description="The columns to work on: a list of names, or all, numeric, text or boolean.")
    values: dict[Annotated[str, BeforeValidator(_key)], Value | None] = Field(
        min_length=1,
        description="What replaces what, as `old: new`; null makes a value missing. Words that YAML takes for true or false "
        "(yes, no, on, off) need quotes, and dates and times are ISO 8601 text.",
    )
    default: Default | None = Field(
        default=None,
        description="What becomes of values that are not listed: {constant: other} gives them one value, {constant: null} "
        "makes them missing. Left out, they stay.",
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        return frame.with_columns(self._replaced(name, schema[name]) for name in choose(self.columns, schema))

    def _replaced(self, name: str, source: pl.DataType) -> pl.Expr:
        target = self._type(name, source)
        if source == pl.Null:
            return pl.col(name) if target is None else pl.col(name).cast(target)
        assert target is not None  # only the type of a column that is known can be none
        column = pl.col(name).cast(pl.String) if is_text(source) else pl.col(name)
        known = {self._old(key, source, name): new for key, new in self.values.items()}
        if len(known) < len(self.values):
            raise DataError(f"two of the values to replace are the same in column '{name}'", found=", ".join(self.values))
        old = pl.Series([*known], dtype=pl.String() if is_text(source) else source)
        new = pl.Series([None if value is None else fit(value, target) for value in known.values()], dtype=target)
        if self.default is None:
            others = column
        elif self.default.constant is None:
            others = pl.lit(None, dtype=target)
        else:
            others = literal(self.default.constant, target, name)
        replaced = column.replace_strict(old, new, default=others, return_dtype=target)
        if self.default is None:
            return replaced
        missing = column.is_null() | column.is_nan() if source.is_float() else column.is_null()
        return pl.when(~missing).then(replaced).otherwise(pl.lit(None, dtype=target)).alias(name)

    def _old(self, key: str, source: pl.DataType, name: str) -> object:
        value = read(key, source)
        if value is None:
            raise DataError(
                f"'{key}' is no value of column '{name}', so it can not be replaced",
                expected=f"a value of the column's type, {source}",
            )
        return value

    def _type(self, name: str, source: pl.DataType) -> pl.DataType | None:
        """Return the type of the result; None when it is not known and does not matter, for a column without values."""
        news = [value for value in self.values.values() if value is not None]
        if self.default is not None and self.default.constant is not None:
            news.append(self.default.constant)
        if source != pl.Null and all(fit(value, source) is not None for value in news):
            return pl.String() if is_text(source) else source
        if self.default is None:
            if source == pl.Null:
                return None
            wrong = next(value for value in news if fit(value, source) is None)
            raise DataError(
                f"{wrong!r} is no value for column '{name}', of which other values stay",
                expected=f"a value of the column's type, {source}",
                hint="cast the column first, or say with `default` what becomes of the others",
            )
        for target in (pl.Boolean(), pl.Int64(), pl.Float64(), pl.String()):
            if news and all(fit(value, target) is not None for value in news):
                return target
        if not news:
            return None
        raise DataError(f"the new values for column '{name}' have several types", found=", ".join(map(repr, news)))
