"""Features whose mean changes with the target."""

from typing import ClassVar

import polars as pl

from engine.errors import DataError
from engine.plugin import TARGET, Selector
from plugins.selectors import _relations


class FTest(Selector):
    """Rate a feature by the F statistic: how much of its variation goes with the target, beside what does not.

    For classes it is the analysis of variance (scikit-learn's ``f_classif``), for a number the test of a straight line
    (``f_regression``). 0 is no relation; it grows with the number of rows, so compare within one run only. It sees
    differences of means and straight relations, nothing else. Missing and infinite values are not counted, nor are rows
    without a target. A relation without any rest counts as the largest number.
    """

    measure: ClassVar[str] = "F"

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        names = frame.collect_schema().names()
        if TARGET not in names:
            raise DataError("the F test needs a target", hint="select by variance, which needs none")
        return _relations.with_target(frame.collect(), [name for name in names if name != TARGET])

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _relations.merge(a, b)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        scores = {name: relation.f for name, relation in _relations.relations(summary).items()}
        found = {"column": list(scores), "score": list(scores.values())}
        return pl.DataFrame(found, schema={"column": pl.String, "score": pl.Float64})
