"""The words of a text, weighted."""

from collections.abc import Sequence
from typing import Literal

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import FittedTransformer, require
from plugins.transformers import _names

_WORD = r"\b\w\w+\b"
_WORDS, _LENGTH = "__words__", "__length__"
_SCHEMA = pl.Schema({"term": pl.String(), "documents": pl.Int64(), "count": pl.Int64()})


class TfIdf(FittedTransformer):
    """Replace a column of text by a column a word: how often it is in the text, weighted by how rare it is elsewhere.

    Word ``late`` of column ``note`` becomes ``note=late`` (Float64): its count times ``ln((1 + n) / (1 + d)) + 1``,
    where ``d`` of ``n`` training texts have it, as in scikit-learn's ``TfidfVectorizer``. Words are runs of two
    letters or digits and more, in lower case. A missing text has no words and is not counted; words that the
    vocabulary does not have are left out. A text without words is 0 everywhere.
    """

    column: str = Field(description="The column of text to replace.")
    max_features: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="How many words have a column: the most frequent ones in all training texts, of equal ones the first "
        "by name. More tell more and cost a column each.",
    )
    min_documents: int = Field(
        default=1,
        ge=1,
        description="In how many training texts a word must be. Raise it to leave out names and misspelt words.",
    )
    max_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="In what share of the training texts, 0 to 1, a word may be. Lower it to leave out words that are "
        "everywhere, such as 'the'.",
    )
    norm: Literal["l2", "l1"] | None = Field(
        default="l2",
        description="What a text's weights are divided by, so that long and short texts compare: l2, the root of the sum of "
        "their squares; l1, their sum. null divides by nothing.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return, for each word, in how many texts it is and how often; without a word, how many texts there are."""
        schema = frame.collect_schema()
        require([self.column], schema.names())
        self._require_text(schema[self.column])
        texts = frame.select(_words(self.column).alias("term")).drop_nulls().with_row_index("text").collect()
        # A text at a time: of a word that is twice in one, two are counted and one text.
        words = texts.explode("term", empty_as_null=True).drop_nulls("term").group_by("text", "term").len("count")
        found = words.group_by("term").agg(pl.len().cast(pl.Int64).alias("documents"), pl.col("count").cast(pl.Int64).sum())
        every = pl.DataFrame({"term": [None], "documents": [texts.height], "count": [0]}, schema=_SCHEMA)
        return pl.concat([every, found]).sort("term")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([a, b]).group_by("term").agg(pl.col("documents", "count").sum()).sort("term")

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return the ``term`` of the vocabulary in order and the ``idf`` of each."""
        texts = summary.filter(pl.col("term").is_null())["documents"].item()
        documents = pl.col("documents")
        words = summary.drop_nulls("term").filter((documents >= self.min_documents) & (documents <= self.max_share * texts))
        chosen = words.sort(["count", "term"], descending=[True, False]).head(self.max_features)
        idf = ((1 + texts) / (1 + documents)).log() + 1
        return chosen.select("term", idf=idf.cast(pl.Float64)).sort("term")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require([self.column], schema.names())
        self._require_text(schema[self.column])
        terms, weights = state["term"].to_list(), state["idf"].to_list()
        made = [f"{self.column}={term}" for term in terms]
        _names.require_new(made, schema.names(), hint="rename that column under view.features")
        if not made:
            return frame.drop(self.column)
        codes = pl.int_range(len(terms), dtype=pl.Int32, eager=True)
        known = pl.element().replace_strict(state["term"], codes, default=None, return_dtype=pl.Int32)
        worded = frame.with_columns(_words(self.column).list.eval(known).alias(_WORDS)).drop(self.column)
        count = pl.col(_WORDS).list.count_matches
        weighted = worded.with_columns(
            (count(place).fill_null(0) * weight).alias(name)
            for place, (name, weight) in enumerate(zip(made, weights, strict=True))
        ).drop(_WORDS)
        return weighted if self.norm is None else self._normalised(weighted, made)

    def _normalised(self, frame: pl.LazyFrame, made: Sequence[str]) -> pl.LazyFrame:
        sizes = [pl.col(name) * pl.col(name) if self.norm == "l2" else pl.col(name) for name in made]
        length = _sum(sizes).sqrt() if self.norm == "l2" else _sum(sizes)
        divided = [(pl.col(name) / pl.col(_LENGTH)).alias(name) for name in made]
        some = pl.when(length > 0).then(length).otherwise(1.0)
        return frame.with_columns(some.alias(_LENGTH)).with_columns(divided).drop(_LENGTH)

    def _require_text(self, source: pl.DataType) -> None:
        if source not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
            raise DataError(f"column '{self.column}' has no words", expected="text", found=str(source))


def _words(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.to_lowercase().str.extract_all(_WORD)


def _sum(parts: Sequence[pl.Expr]) -> pl.Expr:
    """Return the sum of expressions, always in the same order; Polars' own over columns adds in any."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return _sum(parts[:middle]) + _sum(parts[middle:])
