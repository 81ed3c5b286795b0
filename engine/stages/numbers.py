"""Gives rows the numbers that they have in their source: what is kept of them holds none, and quarantine has left gaps.

The nth row that was loaded has the nth number that no quarantined row has. A replay brings quarantined rows in later: its
nth row has the nth number of those that were in quarantine then and are not in its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from engine.plugin import CHECK, ROW
from engine.stores.artifacts import Artifact
from engine.stores.batches import BatchPartition
from engine.stores.raw import RawStore

Ranges = Sequence[Sequence[str]]
"""Column, since (included) and until (excluded) of rows that a backfill has replaced."""


@dataclass(frozen=True, slots=True)
class Link:
    """A partition, or a replay of its quarantined rows: what was loaded, what was set aside, and which rules only warn.

    ``without`` are the ranges that a backfill had replaced when a replay was made: it did not look at quarantined rows there.
    """

    loaded: Artifact
    aside: Artifact | None
    warned: tuple[str, ...]
    without: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, partition: BatchPartition) -> Link:
        """Return the link that a partition is; a replay has its ranges in ``detail``, where it needs nothing else."""
        ranges = json.loads(partition.detail) if partition.of and partition.detail else []
        return cls(
            partition.loaded.artifact(),
            partition.aside.artifact() if partition.aside is not None else None,
            tuple(reason.check for reason in partition.reasons if reason.on_fail == "warn"),
            tuple((column, since, until) for column, since, until in ranges),
        )

    def to_json(self) -> list[Any]:
        """Return it as plain data, for a task's parameters."""
        aside = self.aside.to_json() if self.aside is not None else None
        return [self.loaded.to_json(), aside, list(self.warned), [list(one) for one in self.without]]

    @classmethod
    def from_json(cls, node: Sequence[Any]) -> Link:
        """Return the link that ``to_json`` wrote."""
        loaded, aside, warned, without = node
        ranges = tuple((column, since, until) for column, since, until in without)
        return cls(Artifact.from_json(loaded), Artifact.from_json(aside) if aside else None, tuple(warned), ranges)


def outside(frame: pl.LazyFrame, ranges: Ranges) -> pl.LazyFrame:
    """Return the rows that lie in none of the ranges; one without a value there is in none."""
    schema = frame.collect_schema() if ranges else {}
    for column, since, until in ranges:
        value = pl.col(column)
        low, high = (_bound(text, schema[column]) for text in (since, until))
        frame = frame.filter(((value >= low) & (value < high)).not_().fill_null(value=True))
    return frame


def _bound(text: str, dtype: pl.DataType) -> pl.Expr:
    """Return a bound as a value of a column's type. A time without an offset is in UTC, if the column has a zone."""
    if dtype == pl.Date:
        return pl.lit(date.fromisoformat(text))
    if not isinstance(dtype, pl.Datetime):
        return pl.lit(text).cast(dtype)
    moment = datetime.fromisoformat(text)
    if dtype.time_zone is None:
        return pl.lit(moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)).cast(dtype)
    return pl.lit(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).cast(dtype)


def waiting(raw: RawStore, link: Link, ranges: Ranges = ()) -> pl.LazyFrame | None:
    """Return the rows that a link has set aside and not loaded, by number; None when it has set none aside.

    They have ``ROW``, the columns, ``CHECK`` and ``RAW``. Rows within ``ranges`` are left out.
    """
    if link.aside is None:
        return None
    rows = raw.scan(link.aside)
    if link.warned:
        rows = rows.filter(~pl.col(CHECK).is_in(list(link.warned)))
    return outside(rows, ranges).sort(ROW)


def numbered(raw: RawStore, links: Sequence[Link]) -> pl.LazyFrame:
    """Return the loaded rows of the last link, each with its number in the source as ``ROW``, in front.

    ``links`` are a partition and the replays of it, oldest first.
    """
    last = links[-1]
    loaded, aside = raw.scan(last.loaded), waiting(raw, last)
    if len(links) == 1:
        return count_around(loaded, aside)
    before = waiting(raw, links[-2], last.without)
    assert before is not None, "a replay is of rows that were set aside"
    numbers = before.select(ROW)
    if aside is not None:
        numbers = numbers.join(aside.select(ROW), on=ROW, how="anti").sort(ROW)
    return pl.concat([numbers, loaded], how="horizontal")


def count_around(loaded: pl.LazyFrame, aside: pl.LazyFrame | None) -> pl.LazyFrame:
    """Return rows with ``ROW`` in front: their place from 1, and one more for each row of ``aside`` that came before."""
    if aside is None:
        return loaded.with_row_index(ROW, offset=1)
    # the kth gap, at number g, comes before the (g - k + 1)th row that is there, and shifts it and all later ones by k
    gaps = aside.select(pl.col(ROW).cast(pl.UInt32)).sort(ROW).with_row_index(_GAPS, offset=1)
    shifts = gaps.group_by((pl.col(ROW) + 1 - pl.col(_GAPS)).alias(ROW)).agg(pl.col(_GAPS).max()).sort(ROW)
    placed = loaded.with_row_index(ROW, offset=1).join_asof(shifts.set_sorted(ROW), on=ROW, strategy="backward")
    return placed.with_columns(pl.col(ROW) + pl.col(_GAPS).fill_null(0)).drop(_GAPS)


_GAPS = "__gaps__"
