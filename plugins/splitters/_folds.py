"""From the number of a fold to a part."""

import polars as pl

from engine.plugin import Folds


def part(folds: Folds, number: pl.Expr) -> pl.Expr:
    """Return the part of a row by the ``number`` of its fold; a row with none is for testing."""
    return (
        pl.when(number.is_null())
        .then(pl.lit("test"))
        .when(number == folds.fold)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )


def tested(folds: Folds, place: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Return whether the row at ``place`` (from 0) of ``count`` is for testing: the first are, by the share, rounded."""
    return place < (count * folds.test + 0.5).floor()
