"""Levels hashed into a fixed number of columns."""

import polars as pl
from pydantic import Field

from engine.plugin import Columns, FittedTransformer, choose, require
from plugins.transformers import _levels, _names

_PLACE = "__place__"


class HashCategories(FittedTransformer):
    """Replace columns by ``n`` columns into which their levels are hashed (Int32), as scikit-learn's ``FeatureHasher``.

    A level adds 1 or -1 to one of ``hash_0`` to ``hash_<n - 1>``, by the MurmurHash3 of ``column=level``, the same on
    every machine and for every version; so new levels need no training and there may be any number of them. Levels
    that meet in a column are added up, and the signs let them cancel out rather than pile up. Nothing but the names of
    the columns is learned. A missing value adds nothing. What a column means can no longer be said: where that counts
    take ``target_encode`` or ``one_hot``.
    """

    columns: Columns = Field(default="text", description="The columns to replace: a list of names, or text, boolean or all.")
    n: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="How many columns there are afterwards, for all of the step together. Fewer let more levels meet; "
        "a few times the number of levels that matter is enough.",
    )
    alternate_sign: bool = Field(
        default=True,
        description="Whether half of the levels count as -1. Turn it off where values may not be negative, as for chi2.",
    )
    into: str = Field(
        default="hash", min_length=1, description="What the new columns are called: `<into>_0`, and so on. Two steps need two."
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        columns = sorted(choose(self.columns, frame.collect_schema()))
        return pl.DataFrame({"column": columns}, schema={"column": pl.String})

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([a, b]).unique().sort("column")

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        return summary

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = state["column"].to_list()
        require(columns, schema.names())
        made = [f"{self.into}_{number}" for number in range(self.n)]
        taken = [name for name in schema.names() if name not in columns]
        _names.require_new(made, taken, hint=f"give this step another name, such as `into: {self.into}_b`")
        hashes = {f"{_PLACE}{number}": self._hashes(name, schema[name]) for number, name in enumerate(columns)}
        placed = frame.with_columns(**hashes).drop(columns)
        counts = [pl.sum_horizontal(pl.lit(0, pl.Int32), *(self._sign(at, k) for at in hashes)) for k in range(self.n)]
        return placed.with_columns(count.alias(name) for count, name in zip(counts, made, strict=True)).drop(*hashes)

    def _hashes(self, name: str, source: pl.DataType) -> pl.Expr:
        """Return the signed hash of each row's level (Int64), null where it is missing; each level is hashed once."""

        def hashed(levels: pl.Series) -> pl.Series:
            from sklearn.utils import murmurhash3_32

            known = levels.unique(maintain_order=True).drop_nulls()
            codes = [murmurhash3_32(f"{name}={level}".encode(), seed=0) for level in known]
            return levels.replace_strict(known, pl.Series(codes, dtype=pl.Int64), default=None, return_dtype=pl.Int64)

        return _levels.text(name, source).map_batches(hashed, return_dtype=pl.Int64, is_elementwise=True)

    def _sign(self, at: str, number: int) -> pl.Expr:
        """Return what a level adds to a column."""
        code = pl.col(at)
        place = code.abs() % self.n
        sign = pl.when(code < 0).then(-1).otherwise(1) if self.alternate_sign else pl.lit(1)
        return pl.when(place == number).then(sign).otherwise(0).cast(pl.Int32)
