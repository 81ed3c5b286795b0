"""From a row's place in an order to its part, and the orders: by lot, by time."""

import numpy as np
import polars as pl

from engine.errors import ConfigError
from engine.plugin import PARTS, Roles, Shares


def part(shares: Shares, place: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Return the part of the row at ``place`` (from 0) of ``count``: the first are train, the last are test."""
    return chosen(*(place < until for until in bounds(shares, count)))


def bounds(shares: Shares, count: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return how many of ``count`` rows are train, and how many are train or validation: the shares, rounded."""
    # Counted from the end, so that shares whose sum is 1 - 1e-16 do not leave a row to a part that has no share.
    until_test = 1 - shares.test if shares.validation else shares.train
    train = (count * shares.train + 0.5).floor().cast(pl.Int64)
    return train, (count * until_test + 0.5).floor().cast(pl.Int64) if shares.test else count.cast(pl.Int64)


def chosen(train: pl.Expr, validation: pl.Expr) -> pl.Expr:
    """Return train where ``train`` is true, else validation where ``validation`` is, else test."""
    names = [pl.lit(name) for name in PARTS]
    return pl.when(train).then(names[0]).when(validation).then(names[1]).otherwise(names[2])


def shuffled(count: int, seed: int) -> pl.Series:
    """Return the numbers from 0 below ``count`` in an order that the seed alone decides.

    NumPy has frozen the stream of ``RandomState``; Polars' shuffle may change with its version.
    """
    return pl.Series("place", np.random.RandomState(seed).permutation(count), dtype=pl.Int64)


def time_column(named: str | None, roles: Roles, splitter: str) -> str:
    """Return the column that orders rows: the one named, else the dataset's time. Raises ``ConfigError`` without either."""
    column = named or roles.time
    if column is None:
        raise ConfigError(
            f"the splitter {splitter} needs a time",
            expected="a column of times",
            found="no time in the dataset",
            hint="set `time:` of the dataset that the view starts from, or splitter.column",
        )
    return column
