"""How long a text is."""

from typing import Literal

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import Columns, Transformer, choose
from plugins.transformers._values import is_text


class TextLength(Transformer):
    """Add the lengths of texts as columns: `<column>_characters` and `<column>_words` (Int64).

    Characters are Unicode code points, so an accent of its own counts; words are what white space separates. The column
    itself stays; a missing text has missing lengths, an empty one 0.
    """

    columns: Columns = Field(default="text", description="The columns of text: a list of names, or text.")
    parts: tuple[Literal["characters", "words"], ...] = Field(
        default=("characters", "words"), min_length=1, description="What to count: characters, words, or both."
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = choose(self.columns, schema)
        for name in columns:
            if not is_text(schema[name]) and schema[name] != pl.Null:
                raise DataError(f"column '{name}' is no text", expected="text", found=str(schema[name]))
        return frame.with_columns(
            _count(pl.col(name).cast(pl.String), part).cast(pl.Int64).alias(f"{name}_{part}")
            for name in columns
            for part in self.parts
        )


def _count(text: pl.Expr, part: str) -> pl.Expr:
    return text.str.len_chars() if part == "characters" else text.str.count_matches(r"\S+")
