"""Features that a model makes use of."""

from typing import ClassVar

import polars as pl

from engine.plugin import TARGET
from plugins.selectors._by_model import ByModel


class ModelImportance(ByModel):
    """Rate a feature by what a model makes of it: the importance in trees, the mean size of coefficients in linear models.

    It sees relations of several features together, which rating each alone does not. Of features that say the same,
    trees share the importance out: use ``correlation`` before. Coefficients compare only after ``standardize``.
    Importances of trees sum to 1.
    """

    measure: ClassVar[str] = "importance"

    def _scores(self, rows: pl.DataFrame) -> dict[str, float]:
        names = [name for name in rows.columns if name != TARGET]
        return dict(zip(names, self._importances(rows, names), strict=True))
