"""SQL expressions as parameters: parsed and judged before any data is read."""

import json
import re
from functools import lru_cache
from io import StringIO
from typing import Any, TypeGuard

import polars as pl
from polars.exceptions import PolarsError

from engine.plugin import require
from plugins.transformers._numbers import divisor

_FOREIGN = re.compile(r"\bselect\b", re.IGNORECASE)
"""Polars runs a subquery while it parses, and a subquery may name ``read_csv('/any/file')``: text in a configuration
would read files. The word is refused wherever it stands, also inside quotes: which quotes count is the parser's secret.
"""

_CLOCK = re.compile(r"\bnow\s*\(|\bcurrent_(?:date|time|timestamp)\b|\blocaltime(?:stamp)?\b", re.IGNORECASE)

_TABLE_WIDE = frozenset(
    {"Agg", "Correlation", "Explode", "Filter", "Gather", "Len", "NullCount", "Over", "Quantile", "Range", "Rank"}
    | {"Rolling", "Shift", "Slice", "Sort", "SortBy", "SubPlan", "StringExpr.ConcatVertical"}
)
"""The nodes of a Polars expression whose value for a row depends on other rows."""

_ARITHMETIC = frozenset({"Abs", "Minus", "Mul", "Multiply", "Plus", "Pow"})
"""The nodes whose result may be a whole number that the type of their columns does not hold."""

_WIDE = (pl.UInt64, pl.Int128, pl.UInt128)

_CELLS = frozenset({"StringExpr", "ListExpr", "ArrayExpr", "StructExpr"})
"""Functions on what one cell holds: their ``Slice`` or ``Sort`` is not that of a column."""

_OPAQUE = frozenset({"Column", "Literal", "format", "evaluation", "FieldByName"})
"""Parts of an expression that hold a user's words, or work inside one cell."""


@lru_cache(maxsize=1024)  # each partition of each step asks again
def row_expression(text: str) -> pl.Expr:
    """Return the expression that an SQL text means, one value a row, from that row alone.

    Raises ``ValueError`` for text that Polars can not parse, a subquery, the clock, and anything that looks at other
    rows (aggregates, windows): its result would change with how rows are partitioned.
    """
    if _FOREIGN.search(text):
        raise ValueError(f"'{text}': subqueries are not supported (the word SELECT may not stand in an expression)")
    if _CLOCK.search(text):
        raise ValueError(f"'{text}': the clock would give another result each time; take the time from a column")
    try:
        expression = pl.sql_expr(text)
    except PolarsError as error:
        raise ValueError(f"'{text}' is not an SQL expression: {str(error).splitlines()[0]}") from error
    nodes = _nodes(_tree(expression))
    if "Selector" in nodes:
        raise ValueError(f"'{text}' means several columns, but an expression here has one result")
    if wide := nodes & _TABLE_WIDE:
        raise ValueError(
            f"'{text}' looks at other rows ({', '.join(sorted(wide))}), but a step works on each row alone; "
            "aggregates and windows are not supported here"
        )
    return expression


def over(text: str, schema: pl.Schema) -> pl.Expr:
    """Return the expression that a text means for a frame's columns, exact and the same for any number of rows.

    Whole numbers are computed in 128 bits, and divisions by a constant as ``_numbers.divisor`` says.

    Polars computes in the type of the columns and wraps without a word: 23 * 60 of an hour, which is Int8, is 100. A result
    that is a whole number is Int64, or the wider type that it had; where that does not hold it, Polars raises when it is
    collected. Raises ``MissingColumn`` with the nearest name unless the frame has every column that the expression reads.
    """
    expression = row_expression(text)
    columns = expression.meta.root_names()
    require(columns, schema.names())
    whole = {name for name in columns if schema[name].is_integer()}
    tree = _tree(expression)
    if not whole or not calculates(expression):
        return _expression(_divided(tree, schema))
    exact = _expression(_divided(_widened(tree, whole), schema))
    made = _type(expression, schema)
    return exact.cast(made if made in _WIDE else pl.Int64) if made.is_integer() else exact


def calculates(expression: pl.Expr) -> bool:
    """Say whether an expression makes numbers that the types of its columns may not hold."""
    return not _ARITHMETIC.isdisjoint(_nodes(_tree(expression)))


def _widened(tree: object, columns: set[str]) -> object:
    if isinstance(tree, list):
        return [_widened(part, columns) for part in tree]
    if not _is_mapping(tree):
        return tree
    if tree.keys() == {"Column"} and tree["Column"] in columns:
        return {"Cast": {"expr": tree, "dtype": {"Literal": "Int128"}, "options": "Strict"}}
    return {key: _widened(part, columns) for key, part in tree.items()}


def _divided(tree: object, schema: pl.Schema) -> object:
    """Return a tree in which decimal numbers are divided exactly by constants, however many rows there are."""
    if isinstance(tree, list):
        return [_divided(part, schema) for part in tree]
    if not _is_mapping(tree):
        return tree
    parts: dict[str, Any] = {key: _divided(part, schema) for key, part in tree.items()}
    match parts:
        case {"Function": {"input": [left, right], "function": {"Sql": {"Binary": "Div" | "Rem" | "IntDiv"}}}}:
            dividend, constant = _expression(left), _expression(right)
            if dividend.meta.root_names() and not constant.meta.root_names() and _type(_expression(parts), schema).is_float():
                column = _tree(divisor(dividend, constant.cast(pl.Float64)))
                return {"Function": {**parts["Function"], "input": [left, column]}}
    return parts


def _type(expression: pl.Expr, schema: pl.Schema) -> pl.DataType:
    return pl.LazyFrame(schema=schema).select(expression.alias("made")).collect_schema()["made"]


def _expression(tree: object) -> pl.Expr:
    return pl.Expr.deserialize(StringIO(json.dumps(tree)), format="json")


def _tree(expression: pl.Expr) -> object:
    return json.loads(expression.meta.serialize(format="json"))


def _nodes(tree: object) -> set[str]:
    """Return the names of all nodes of a serialised expression."""
    if isinstance(tree, str):
        return {tree}
    if isinstance(tree, list):
        return {name for part in tree for name in _nodes(part)}
    if _is_mapping(tree):
        if isinstance(named := tree.get("Alias"), list):
            return _nodes(named[0])
        parts = {key: _nodes(part) for key, part in tree.items() if key not in _OPAQUE}
        inner = {f"{key}.{name}" if key in _CELLS else name for key, names in parts.items() for name in names}
        return inner | parts.keys()
    return set()


def _is_mapping(tree: object) -> TypeGuard[dict[str, object]]:
    return isinstance(tree, dict)
