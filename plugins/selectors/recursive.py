"""Features that are left when the weakest go again and again."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from engine.plugin import TARGET
from plugins.selectors._by_model import ByModel


class Recursive(ByModel):
    """Rate a feature by how long it stays while a model is estimated anew and the weakest features go, round by round.

    The score is the place from the first that goes, 1, to the best, the number of features; ``keep`` says how many
    stay. It is recursive feature elimination (Guyon et al. 2002, scikit-learn's ``RFE``): dearer than
    ``model_importance`` by the number of rounds, and better where features say the same, because what is left is rated
    without those that went.
    """

    measure: ClassVar[str] = "place in the elimination"

    step: int | float = Field(
        default=0.1,
        gt=0,
        description="How many features go each round: a whole number, or below 1 the share of all features, at least "
        "one. Smaller is more careful and takes more rounds.",
    )

    def _scores(self, rows: pl.DataFrame) -> dict[str, float]:
        left = [name for name in rows.columns if name != TARGET]
        many = int(max(1, self.step * len(left) if self.step < 1 else self.step))
        gone: list[str] = []
        while len(left) > 1:
            rated = dict(zip(left, self._importances(rows, left), strict=True))
            # Of equal ones the last by name goes first, so that the first by name is the better one, as in `select`.
            weakest = sorted(sorted(left, reverse=True), key=rated.__getitem__)[: min(many, len(left) - 1)]
            gone += weakest
            left = [name for name in left if name not in weakest]
        return {name: float(place) for place, name in enumerate([*gone, *left], 1)}
