"""Features that tell of the target."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from engine.plugin import TARGET, Selector
from plugins.selectors import _sample

_CELL = "__cell__"


class MutualInformation(Selector):
    """Rate a feature by how much it tells of the target, in nats: 0 is nothing, whatever the shape of the relation.

    Numbers of many values are cut into bins of equal frequency, and so is a numeric target. Missing values are a bin
    of their own. Each feature is rated alone: two that say the same are both rated high.
    """

    measure: ClassVar[str] = "mutual information"

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
        return _sample.summarize(frame, self.sample, selector="mutual information")

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _sample.merge(a, b, self.sample)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        features = _sample.features(summary)
        target = self._cells(summary, TARGET)
        scores = [_information(self._cells(summary, name), target, summary[_sample.COUNT]) for name in features]
        return pl.DataFrame({"column": features, "score": scores}, schema={"column": pl.String, "score": pl.Float64})

    def _cells(self, rows: pl.DataFrame, name: str) -> pl.Series:
        """Return a number for each row, equal for rows that are equal in a column, or of one bin if it has many."""
        numeric = rows.schema[name].is_numeric()
        weights = rows.group_by(name).agg(pl.col(_sample.COUNT).sum()).sort(name)
        if not numeric or weights.height - weights[name].null_count() <= self.bins:
            return rows[name].rank("dense").fill_null(0).cast(pl.Int64)
        known = weights.drop_nulls(name)
        before = pl.col(_sample.COUNT).cum_sum() - pl.col(_sample.COUNT)
        cell = (before * self.bins // pl.col(_sample.COUNT).sum()) + 1
        cells = known.select(name, cell.cast(pl.Int64).alias(_CELL))
        return rows.select(name).join(cells, on=name, how="left", maintain_order="left")[_CELL].fill_null(0)


def _information(feature: pl.Series, target: pl.Series, counts: pl.Series) -> float:
    from sklearn.metrics import mutual_info_score

    if not len(counts):
        return 0.0
    cells = pl.DataFrame({"feature": feature, "target": target, "count": counts})
    table = cells.pivot("target", index="feature", values="count", aggregate_function="sum").drop("feature")
    return max(0.0, float(mutual_info_score(None, None, contingency=table.fill_null(0).to_numpy())))
