"""Features that do not say the same."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from engine.plugin import TARGET, Selector
from plugins.selectors import _relations


class Correlation(Selector):
    """Of columns that correlate with each other keep one: the one that goes best with the target, else the first by name.

    Columns are looked at from the best on. One that correlates with a column that stays goes; so each column that goes
    has one that stands for it, and no two that stay correlate. The correlation is Pearson's, its sign does not count;
    it sees straight relations only. A column is rated by the size of its correlation with the target, 0 to 1 (for
    classes by the correlation ratio eta), and by 0 without a target. A pair counts where both have a value; infinite
    values count as missing. The time grows with the square of the number of columns.
    """

    measure: ClassVar[str] = "correlation with the target"
    decides: ClassVar[bool] = True

    above: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="The size of the correlation, 0 to 1, above which two columns say the same. Lower it for fewer "
        "features of less overlap; linear models gain most.",
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        columns = [name for name in frame.collect_schema().names() if name != TARGET]
        rows = frame.collect()
        return pl.concat([_relations.with_target(rows, columns), _relations.between(rows, columns)]).sort(_relations.KEYS)

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _relations.merge(a, b)

    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        strengths = {name: relation.explained**0.5 for name, relation in _relations.relations(summary).items()}
        sizes = _relations.correlations(summary)
        stands_for: dict[str, list[str]] = {}
        reasons: dict[str, str] = {}
        for name in sorted(strengths, key=lambda name: (-strengths[name], name)):
            twin = max(stands_for, key=lambda other: sizes[name, other], default=None)
            if twin is None or sizes[name, twin] <= self.above:
                stands_for[name] = []
                continue
            stands_for[twin].append(name)
            better = "goes better with the target" if strengths[twin] > strengths[name] else "is the first by name"
            reasons[name] = f"correlates {sizes[name, twin]:.3f} with '{twin}', which {better}"
        for name, others in stands_for.items():
            listed = ", ".join(f"'{other}'" for other in others)
            reasons[name] = f"stands for {listed}" if others else f"correlates above {self.above:g} with none that stays"
        return pl.DataFrame(
            {
                "column": list(strengths),
                "score": list(strengths.values()),
                "kept": [name in stands_for for name in strengths],
                "reason": [reasons[name] for name in strengths],
            },
            schema={"column": pl.String, "score": pl.Float64, "kept": pl.Boolean, "reason": pl.String},
        )
