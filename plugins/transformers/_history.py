"""What steps that look at earlier rows share: the events that they learn from, the rows that ask.

Times are compared as UTC, or as they are written where they have no zone, to the microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from engine.errors import DataError
from engine.names import span
from engine.plugin import require

TIME = "time"
VALUE = "value"
NUMBER = "__number__"


def events(frame: pl.LazyFrame, earlier: pl.LazyFrame | None, on: str, by: Sequence[str], value: pl.Expr) -> pl.LazyFrame:
    """Return what happened when: ``by``, ``TIME`` and ``VALUE``, in the order of time, equal times in the order of rows.

    Rows without a time, or without one of ``by``, are left out. Rows of a partition come after ``earlier`` ones.
    """
    chosen = [
        source.select(*keys(by), moment(source, on), value.alias(VALUE)) for source in (earlier, frame) if source is not None
    ]
    return pl.concat(chosen).drop_nulls([TIME, *groups(by)]).sort(TIME, maintain_order=True)


def asks(frame: pl.LazyFrame, on: str, by: Sequence[str], known_after: str) -> pl.LazyFrame:
    """Return, for each row that can be told anything, ``NUMBER``, ``by`` and the ``TIME`` before which it knows of events."""
    known = span(known_after)
    rows = frame.select(*keys(by), moment(frame, on) - known).with_row_index(NUMBER)
    return rows.drop_nulls([TIME, *groups(by)]).sort(TIME, maintain_order=True)


def keys(by: Sequence[str]) -> list[pl.Expr]:
    """Return the columns that group rows under names that no other column has."""
    return [pl.col(column).alias(name) for column, name in zip(by, groups(by), strict=True)]


def groups(by: Sequence[str]) -> list[str]:
    """Return the names that ``keys`` gives."""
    return [f"by:{column}" for column in by]


def moment(frame: pl.LazyFrame, on: str) -> pl.Expr:
    """Return the time of each row as ``TIME``, a Datetime in microseconds. ``DataError`` for a column that holds no times."""
    dtype = frame.collect_schema()[on]
    if dtype in (pl.Date, pl.Null):
        return pl.col(on).cast(pl.Datetime("us")).alias(TIME)
    if not isinstance(dtype, pl.Datetime):
        raise DataError(
            f"column '{on}' has no times", expected="Date or Datetime", found=str(dtype), hint="parse_time makes them"
        )
    return pl.from_epoch(pl.col(on).dt.timestamp("us"), time_unit="us").alias(TIME)


def number(frame: pl.LazyFrame, column: str) -> pl.Expr:
    """Return a column as Float64, null where it is NaN or infinite; ``DataError`` for what is neither number nor boolean."""
    dtype = frame.collect_schema()[column]
    if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
        raise DataError(f"column '{column}' has no numbers", expected="numbers or booleans", found=str(dtype))
    value = pl.col(column).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def answered(frame: pl.LazyFrame, answers: pl.LazyFrame, into: str) -> pl.LazyFrame:
    """Return the frame, rows in order, with ``VALUE`` of the answers, by ``NUMBER``, as its last column."""
    numbered = frame.drop(into, strict=False).with_row_index(NUMBER)
    told = answers.select(NUMBER, pl.col(VALUE).alias(into))
    return numbered.join(told, on=NUMBER, how="left", maintain_order="left").drop(NUMBER)


def latest(happened: pl.LazyFrame, asking: pl.LazyFrame, by: Sequence[str], within: str | None) -> pl.LazyFrame:
    """Return for each ask the ``VALUE`` of the last event before its time, not older than ``within``: not before it.

    Events and asks are in the order of time.
    """
    found = asking.join_asof(
        happened.with_columns(pl.col(TIME).alias("happened")),
        on=TIME,
        by=groups(by) or None,
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    if within is not None:
        recent = pl.col("happened") >= pl.col(TIME) - span(within)
        found = found.with_columns(pl.when(recent).then(VALUE).alias(VALUE))
    return found.sort(NUMBER)


def check(frame: pl.LazyFrame, on: str, by: Sequence[str], *columns: str) -> None:
    """Raise ``MissingColumn`` for a column that is not there."""
    require([on, *by, *columns], frame.collect_schema().names())
