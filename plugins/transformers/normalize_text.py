"""One way of writing for what is the same text."""

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from engine.errors import DataError
from engine.plugin import Columns, Transformer, choose
from plugins.transformers._values import is_text


class NormalizeText(Transformer):
    """Write equal texts in one way: characters, blanks, case, and the spelling of categories.

    Steps in this order: Unicode form, case, blanks, spelling, empty. Doing it twice changes nothing more. Categories
    become text.
    """

    columns: Columns = Field(default="text", description="The columns of text: a list of names, or text.")
    form: Literal["NFC", "NFKC", "keep"] = Field(
        default="NFKC",
        description="The Unicode normal form (UAX 15). NFKC: characters that only look different become one, such as wide "
        "letters, ligatures and no-break spaces. NFC: only accents are composed. keep: characters stay.",
    )
    case: Literal["keep", "lower", "upper"] = Field(default="keep", description="Whether letters become lower or upper case.")
    trim: bool = Field(default=True, description="Whether white space at both ends goes.")
    collapse: bool = Field(
        default=True, description="Whether white space within, line ends and tabs included, becomes one blank."
    )
    spelling: dict[str, str | None] = Field(
        default={},
        description="The one spelling of each variant, as `variant: spelling`, such as `N.Y.: New York`; null makes it "
        "missing. Compared after the steps before and regardless of case, variants and spellings alike, so `NEW YORK` "
        "becomes `New York` too. Other texts stay.",
    )
    empty_to_missing: bool = Field(default=True, description="Whether a text of which nothing is left becomes missing.")

    @model_validator(mode="after")
    def _spellings_are_clear(self) -> "NormalizeText":
        self._spellings()
        return self

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        return frame.with_columns(self._normal(name, schema[name]) for name in choose(self.columns, schema))

    def _normal(self, name: str, source: pl.DataType) -> pl.Expr:
        if not is_text(source) and source != pl.Null:
            raise DataError(f"column '{name}' is no text", expected="text", found=str(source))
        text = self._written(pl.col(name).cast(pl.String))
        if self.spelling:
            one = self._spellings()
            text = text.str.to_lowercase().replace_strict([*one], [*one.values()], default=text, return_dtype=pl.String)
        return pl.when(text != "").then(text).alias(name) if self.empty_to_missing else text.alias(name)

    def _written(self, text: pl.Expr) -> pl.Expr:
        if self.form != "keep":
            text = text.str.normalize(self.form)
        if self.case != "keep":
            text = text.str.to_lowercase() if self.case == "lower" else text.str.to_uppercase()
            if self.form != "keep":  # a letter in the other case may be one more that is to be composed
                text = text.str.normalize(self.form)
        if self.collapse:
            text = text.str.replace_all(r"\s+", " ")
        return text.str.strip_chars() if self.trim else text

    def _spellings(self) -> dict[str, str | None]:
        """Return the spelling by variant, both spellings and variants as they are compared."""
        one: dict[str, str | None] = {}
        pairs = [*self.spelling.items(), *((spelling, spelling) for spelling in self.spelling.values() if spelling)]
        keys = pl.DataFrame({"key": [variant for variant, _ in pairs]}, schema={"key": pl.String})
        found = keys.select(self._written(pl.col("key")).str.to_lowercase()).to_series().to_list()
        for key, (variant, spelling) in zip(found, pairs, strict=True):
            if one.setdefault(key, spelling) != spelling:
                raise ValueError(f"'{variant}' would be written both '{one[key]}' and '{spelling}'")
        return one
