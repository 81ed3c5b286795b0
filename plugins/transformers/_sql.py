"""SQL expressions as parameters: parsed and judged before any data is read."""

import json
import re
from functools import lru_cache
from typing import TypeGuard

import polars as pl
from polars.exceptions import PolarsError

from engine.plugin import require

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
    nodes = _nodes(json.loads(expression.meta.serialize(format="json")))
    if "Selector" in nodes:
        raise ValueError(f"'{text}' means several columns, but an expression here has one result")
    if wide := nodes & _TABLE_WIDE:
        raise ValueError(
            f"'{text}' looks at other rows ({', '.join(sorted(wide))}), but a step works on each row alone; "
            "aggregates and windows are not supported here"
        )
    return expression


def require_columns(expression: pl.Expr, frame: pl.LazyFrame) -> None:
    """Raise ``DataError`` with the nearest name unless the frame has every column that the expression reads."""
    require(expression.meta.root_names(), frame.collect_schema().names())


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
