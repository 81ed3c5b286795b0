"""Rows that belong together, and how whole groups make up parts of about the sizes that are wanted."""

from collections.abc import Sequence

import polars as pl

from engine.errors import ConfigError
from engine.plugin import Roles
from plugins.splitters._shares import shuffled
from plugins.splitters._text import texts_of


def columns_of(named: Sequence[str] | None, roles: Roles, splitter: str) -> list[str]:
    """Return the columns that make a group: those named, else the dataset's key. Raises ``ConfigError`` without either."""
    columns = list(named or roles.key)
    if not columns:
        raise ConfigError(
            f"the splitter {splitter} needs groups",
            expected="columns that say which rows belong together",
            found="no key in the dataset",
            hint="set splitter.columns, such as [customer]",
        )
    return columns


def bins_of(keys: pl.Series, sizes: Sequence[float], seed: int) -> pl.Series:
    """Return for each row the number of its bin; rows of equal keys are in one.

    ``keys`` are structs. Bins should have ``sizes`` rows. The groups, in an order by lot that depends on nothing but their keys
    and the seed, each go where most rows are lacking: a bin is off by less than the largest group.
    """
    if keys.is_empty():
        return pl.Series("bin", [], dtype=pl.Int64)
    text = texts_of(keys).alias("text")
    groups = text.to_frame().group_by("text").len().sort("text")
    order = shuffled(groups.height, seed)
    lacking, chosen = list(sizes), [0] * groups.height
    rows = groups["len"].to_list()
    for group in order:
        best = max(range(len(lacking)), key=lacking.__getitem__)
        lacking[best] -= rows[group]
        chosen[group] = best
    return text.to_frame().join(
        groups.with_columns(bin=pl.Series(chosen, dtype=pl.Int64)), on="text", how="left", maintain_order="left"
    )["bin"]
