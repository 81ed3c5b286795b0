"""Counts and flags that differ between classes."""

from typing import ClassVar

import polars as pl

from engine.errors import DataError
from engine.plugin import TARGET, Selector
from plugins.selectors import _relations
from plugins.transformers import _numbers


class Chi2(Selector):
    """Rate a feature by the chi-squared statistic of its sums by class, as scikit-learn's ``chi2`` does.

    For features that count something: zeros and ones of ``one_hot``, frequencies, ``tf_idf``. 0 is no relation to the
    class; it grows with the number of rows and with the unit, so do not compare counts with other numbers. Missing
    and infinite values are not counted, nor are rows without a class. Negative values are refused.
    """

    measure: ClassVar[str] = "chi-squared"

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        schema = frame.collect_schema()
        if TARGET not in schema or schema[TARGET].is_numeric():
            raise DataError(
                "chi2 needs classes as its target",
                found="a number" if TARGET in schema else "no target",
                hint="select by f_test where the target is a number, by variance where there is none",
            )
        rows = frame.collect()
        names = [name for name in schema.names() if name != TARGET]
        for name in names:
            least = rows.select(_numbers.number(name, schema[name]).min()).item()
            if least is not None and least < 0:
                raise DataError(
                    f"chi2 can not rate column '{name}'",
                    expected="counts, flags or other values that are not negative",
                    found=str(least),
                    hint="put the step before standardize, or select by f_test",
                )
        return _relations.with_target(rows, names)

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _relations.merge(a, b)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        n = pl.col("n")
        observed = n * pl.col("mean")
        classes = summary.filter(pl.col("other") == TARGET).with_columns(observed=observed).sort("column", "level")
        expected = pl.col("observed").sum() * n / n.sum()
        terms = ((pl.col("observed") - expected).pow(2) / expected).filter(expected > 0)
        found = classes.group_by("column", maintain_order=True).agg(terms.sum().alias("score"))
        columns = summary.filter(pl.col("other").is_null()).select("column")
        scores = columns.join(found, on="column", how="left", maintain_order="left")
        return scores.select("column", pl.col("score").fill_null(0.0))
