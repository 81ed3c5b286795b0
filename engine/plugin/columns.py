"""Columns with a meaning of their own, and how steps name the columns that they work on."""

from __future__ import annotations

from typing import Literal, TypeAlias

import polars as pl
import polars.selectors as cs

from engine.errors import MissingColumn, nearest

TARGET = "__target__"
"""The column that holds the target wherever frames are encoded: text for classes, Float64 for regression."""

PART = "__part__"
"""The column that says which part of the segregation a row belongs to."""

PARTS = ("train", "validation", "test")

TaskName: TypeAlias = Literal["classification", "regression", "clustering"]

Columns: TypeAlias = Literal["all", "numeric", "text", "boolean", "temporal"] | tuple[str, ...]
"""Which columns a step works on: a list of names, or all of a type."""

_GROUPS = {
    "all": cs.all(),
    "numeric": cs.numeric(),
    "text": cs.string() | cs.categorical() | cs.enum(),
    "boolean": cs.boolean(),
    "temporal": cs.temporal(),
}


def choose(columns: Columns, schema: pl.Schema) -> list[str]:
    """Return the names that ``columns`` means in a schema, in the schema's order for groups.

    The target and the part are never among them. A listed name that is not there raises ``MissingColumn`` with the
    nearest one that is.
    """
    names = [name for name in schema.names() if name not in (TARGET, PART)]
    if isinstance(columns, str):
        return [name for name in cs.expand_selector(schema, _GROUPS[columns]) if name in names]
    require(columns, names)
    return list(columns)


def require(columns: tuple[str, ...] | list[str], known: list[str]) -> None:
    """Raise ``MissingColumn`` with the nearest name unless every one of ``columns`` is known."""
    for column in columns:
        if column not in known:
            near = nearest(column, known)
            raise MissingColumn(
                f"no column '{column}'",
                expected="one of " + ", ".join(known),
                hint=f"did you mean '{near}'?" if near else "",
            )


ROW = "__row__"
"""The column that holds the number of a row in its source partition, from 1, what precedes the first row not counted."""

CHECK = "__check__"
"""The column of the quarantine that says, in words, which rule a row broke or why it could not be parsed."""

RAW = "__raw__"
"""The column of the quarantine that holds the text of a row that could not be parsed; null for rows that broke a rule."""
