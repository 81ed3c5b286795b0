"""The words of a text as numbers, by feature hashing."""

from typing import Literal

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import Transformer, require
from plugins.transformers._values import is_text


class HashTokens(Transformer):
    """Count the words of a text in a fixed number of columns, each word in the one that its hash names (Float64).

    Columns are `<column>_hash_0` and so on. This is scikit-learn's HashingVectorizer (Weinberger et al. 2009): words are
    two letters or digits at least, their hash is MurmurHash3, the same on every machine, and nothing is learned. Words
    that share a column can not be told apart. A missing text has no words: all its columns are 0. The text itself stays.
    """

    column: str = Field(description="The column of text whose words are counted.")
    features: int = Field(
        default=32,
        ge=1,
        le=4096,
        description="How many columns there are. More tell more words apart, and cost memory: 8 bytes a row each.",
    )
    lowercase: bool = Field(default=True, description="Whether `Late` and `late` are one word.")
    alternate_sign: bool = Field(
        default=True,
        description="Whether half of the words count down, so that those that share a column cancel out on average. Turn it "
        "off for models that need numbers from 0 up, such as naive Bayes.",
    )
    norm: Literal["l1", "l2"] | None = Field(
        default=None,
        description="What makes texts of different length alike: l2 divides by the Euclidean length of the row, l1 by the sum "
        "of its absolute values. Left out, columns are counts.",
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require((self.column,), schema.names())
        source = schema[self.column]
        if not is_text(source) and source != pl.Null:
            raise DataError(f"column '{self.column}' is no text", expected="text", found=str(source))
        names = [f"{self.column}_hash_{number}" for number in range(self.features)]
        taken = [name for name in names if name in schema]
        if taken:
            raise DataError(f"there is a column '{taken[0]}' already", hint=f"drop or rename '{taken[0]}' first")
        fields = pl.Struct(dict.fromkeys(names, pl.Float64))
        text = pl.col(self.column).cast(pl.String)
        hashed = text.map_batches(self._hashed, return_dtype=fields, is_elementwise=True)
        return frame.with_columns(hashed.alias(names[0])).unnest(names[0])

    def _hashed(self, texts: pl.Series) -> pl.Series:
        from sklearn.feature_extraction.text import HashingVectorizer

        names = [f"{self.column}_hash_{number}" for number in range(self.features)]
        if texts.is_empty():
            return pl.Series(dtype=pl.Struct(dict.fromkeys(names, pl.Float64)))
        twin = HashingVectorizer(
            n_features=self.features, lowercase=self.lowercase, alternate_sign=self.alternate_sign, norm=self.norm
        )
        counts = twin.transform(texts.fill_null("").to_list()).toarray()
        return pl.DataFrame(counts, schema=names, orient="row").to_struct(texts.name)
