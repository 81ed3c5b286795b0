"""Features that tell of the target."""

from functools import reduce
from operator import xor

import polars as pl
from pydantic import Field
from sklearn.metrics import mutual_info_score

from engine.errors import DataError
from engine.plugin import TARGET, Selector
from plugins.transformers._numbers import number

_HASH, _COUNT, _CELL, _ROW = "__hash__", "__count__", "__cell__", "__row__"


class MutualInformation(Selector):
    """Rate a feature by how much it tells of the target, in nats: 0 is nothing, whatever the shape of the relation.

    Numbers of many values are cut into bins of equal frequency, and so is a numeric target. Missing values are a bin
    of their own. Each feature is rated alone: two that say the same are both rated high.
    """

    sample: int = Field(
        default=20_000,
        ge=100,
        description="How many different rows are looked at, in rows. More give steadier scores and take more memory; "
        "fewer than some thousand make noise look like information.",
    )
    bins: int = Field(
        default=16,
        ge=2,
        le=256,
        description="How many bins a number is cut into when it has more different values than that. More show finer "
        "relations and need more rows.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return a sample of the different rows, each with how often it occurs.

        The sample is the rows of the smallest hashes, so a row is in the sample of all rows only if it is in that of
        its partition: merging is exact, and rows that are equal are counted, not drawn. Polars' hash is the same for
        every process; it may change with Polars' version, which is part of the code digest.
        """
        schema = frame.collect_schema()
        if TARGET not in schema:
            raise DataError("mutual information needs a target", hint="select by variance, which needs none")
        columns = [*(_canonical(name, dtype) for name, dtype in schema.items() if name != TARGET), pl.col(TARGET)]
        # A hash a column, joined: several times as fast as the hash of a struct of them.
        hashes = [column.hash(seed=place) for place, column in enumerate(columns)]
        rows = frame.select(*columns, reduce(xor, hashes).alias(_HASH), pl.lit(1, pl.Int64).alias(_COUNT))
        return _smallest(rows.collect(), self.sample)

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _smallest(pl.concat([a, b]), self.sample)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        features = [name for name in summary.columns if name not in (TARGET, _HASH, _COUNT)]
        target = self._cells(summary, TARGET)
        scores = [_information(self._cells(summary, name), target, summary[_COUNT]) for name in features]
        return pl.DataFrame({"column": features, "score": scores}, schema={"column": pl.String, "score": pl.Float64})

    def _cells(self, rows: pl.DataFrame, name: str) -> pl.Series:
        """Return a number for each row, equal for rows that are equal in a column, or of one bin if it has many."""
        numeric = rows.schema[name].is_numeric()
        weights = rows.group_by(name).agg(pl.col(_COUNT).sum()).sort(name)
        if not numeric or weights.height - weights[name].null_count() <= self.bins:
            return rows[name].rank("dense").fill_null(0).cast(pl.Int64)
        known = weights.drop_nulls(name)
        before = pl.col(_COUNT).cum_sum() - pl.col(_COUNT)
        cell = (before * self.bins // pl.col(_COUNT).sum()) + 1
        cells = known.select(name, cell.cast(pl.Int64).alias(_CELL))
        return rows.select(name).join(cells, on=name, how="left", maintain_order="left")[_CELL].fill_null(0)


def _canonical(name: str, source: pl.DataType) -> pl.Expr:
    """Return a feature such that values that are equal have equal bytes: zero has one sign, and NaN is missing."""
    if not source.is_float():
        return pl.col(name)
    column = number(name, source)
    return pl.when(column == 0).then(pl.lit(0.0)).otherwise(column).alias(name)


def _smallest(rows: pl.DataFrame, sample: int) -> pl.DataFrame:
    """Return the different rows of the smallest hashes, each once with its count, by hash.

    The hashes are looked at by themselves: most rows are not in the sample, and are never moved.
    """
    seen = rows.select(_HASH, _COUNT).with_row_index(_ROW)
    kept = seen.group_by(_HASH).agg(pl.col(_ROW).first(), pl.col(_COUNT).sum()).sort(_HASH).head(sample)
    return rows[kept[_ROW]].with_columns(kept[_COUNT])


def _information(feature: pl.Series, target: pl.Series, counts: pl.Series) -> float:
    if not len(counts):
        return 0.0
    cells = pl.DataFrame({"feature": feature, "target": target, "count": counts})
    table = cells.pivot("target", index="feature", values="count", aggregate_function="sum").drop("feature")
    return max(0.0, float(mutual_info_score(None, None, contingency=table.fill_null(0).to_numpy())))
