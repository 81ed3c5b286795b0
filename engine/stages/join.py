"""Joins a dataset to rows: those of equal keys, or the last that was known at each row's own time.

In: two frames and what the YAML says of their join. Out: one frame with every row of the left, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import polars as pl

from engine.errors import DataError
from engine.names import span
from engine.plugin import require

_AT = "__at__"
_ROW = "__left_row__"
_FINER: tuple[Literal["ms"], Literal["us"], Literal["ns"]] = ("ms", "us", "ns")


def join(left: pl.LazyFrame, right: pl.LazyFrame, node: dict[str, Any]) -> pl.LazyFrame:
    """Return every row of the left, in order, with the columns of the right, null where nothing matches.

    Columns of the right that the left has as well are given the suffix; those that are equal by definition are left out.
    Raises ``MissingColumn``, and ``DataError`` for times that can not be compared.
    """
    for side, frame, more in (("the view", left, node["time"]), (node["with"], right, node["with_time"])):
        try:
            require([*node["on"], *([] if more is None else [more])], frame.collect_schema().names())
        except DataError as error:
            error.where = f"join with {node['with']}: {side}"
            raise
    suffix = node["suffix"] or f"_{node['with']}"
    if node["time"] is None:
        order: Literal["left", "left_right"] = "left_right" if node["many"] else "left"
        return left.join(right, on=node["on"], how="left", suffix=suffix, maintain_order=order)
    return _as_of(left, right, node, suffix)


def unique_by(node: dict[str, Any]) -> list[str]:
    """Return the columns of the right by which no two rows may be equal, else it would not be clear which is joined."""
    if node["many"]:
        return []
    return [*node["on"], *([] if node["time"] is None else [node["with_time"]])]


def check_unique(right: pl.LazyFrame, on: Sequence[str], dataset: str) -> None:
    """Raise ``DataError`` with an example if several rows are equal in columns that should tell them apart."""
    if not on:
        return
    counts = right.drop_nulls(on).group_by(on).len().filter(pl.col("len") > 1).sort(on)
    twice = counts.head(1).collect(engine="streaming")
    if twice.height:
        *values, count = twice.row(0)
        raise DataError(
            f"{dataset} has several rows for one key, so a join would multiply rows",
            expected=f"one row for each {', '.join(on)}",
            found=f"{count} rows for " + ", ".join(f"{name}={value}" for name, value in zip(on, values, strict=True)),
            hint="deduplicate it under prepare, join on more columns, or allow it with many: true",
        )


def _as_of(left: pl.LazyFrame, right: pl.LazyFrame, node: dict[str, Any], suffix: str) -> pl.LazyFrame:
    """Join to each row the last row of the right that was known at its time, if that is not older than ``tolerance``.

    Rows without a time, on either side, match nothing. Polars' ``join_asof`` wants both sides in the order of time.
    """
    on, known_after = node["on"], span(node["known_after"])
    asked, known_at = _comparable(left, right, node, known_after)
    rows = left.with_columns(asked.alias(_AT)).with_row_index(_ROW).sort(_AT, maintain_order=True)
    known = right.with_columns(known_at.alias(_AT)).drop_nulls([_AT, *on]).sort(_AT, maintain_order=True)
    found = rows.join_asof(
        known,
        on=_AT,
        by=on or None,
        strategy="backward",
        tolerance=None if node["tolerance"] is None else span(node["tolerance"]) - known_after,
        suffix=suffix,
        check_sortedness=False,  # both were sorted just now
    )
    return found.sort(_ROW).drop(_ROW, _AT)


def _comparable(
    left: pl.LazyFrame, right: pl.LazyFrame, node: dict[str, Any], known_after: timedelta
) -> tuple[pl.Expr, pl.Expr]:
    """Return the times at which is asked, and at which rows are known, as Datetime, in UTC if they have a zone.

    Both are in the finer unit of the two: nothing is rounded into the past.

    Raises ``DataError`` for what are no times, and for two of which one has a zone, or a time of day, and the other has not.
    """
    columns = {"the view": (left, node["time"]), node["with"]: (right, node["with_time"])}
    found: list[tuple[pl.Expr, pl.DataType]] = []
    for side, (frame, name) in columns.items():
        dtype = frame.collect_schema()[name]
        if dtype != pl.Date and not isinstance(dtype, pl.Datetime | pl.Null):
            raise DataError(
                f"column '{name}' of {side} has no times",
                where=f"join with {node['with']}",
                expected="Date or Datetime",
                found=str(dtype),
                hint="parse_time, under prepare, makes them",
            )
        found.append((pl.col(name), dtype))
    kinds = {_kind(dtype) for _, dtype in found if not isinstance(dtype, pl.Null)}
    if len(kinds) > 1:
        raise DataError(
            f"the times of the view and of {node['with']} can not be compared",
            where=f"join with {node['with']}",
            found=" and ".join(f"{name} is {dtype}" for (_, name), (_, dtype) in zip(columns.values(), found, strict=True)),
            hint="parse_time makes times with a zone; a date is a time once it is said at what time of the day it is known",
        )
    units = {dtype.time_unit for _, dtype in found if isinstance(dtype, pl.Datetime)}
    unit: Literal["ms", "us", "ns"] = next((one for one in reversed(_FINER) if one in units), "us")
    asked, happened = (_moment(column, dtype).dt.cast_time_unit(unit) for column, dtype in found)
    return asked, happened + pl.lit(known_after, dtype=pl.Duration(unit))


def _kind(dtype: pl.DataType) -> str:
    """Return what times of a type can be compared with."""
    return "date" if dtype == pl.Date else "zoned" if isinstance(dtype, pl.Datetime) and dtype.time_zone else "plain"


def _moment(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else column
    return column.cast(pl.Datetime("us"))
