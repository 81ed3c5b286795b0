"""Columns of numbers: which of them a step takes, and which it can not learn from."""

import polars as pl

from engine.errors import DataError
from engine.plugin import Columns, choose


def choose_numbers(columns: Columns, schema: pl.Schema, step: str) -> list[str]:
    """Return the names that ``columns`` means, all of them numbers; ``all`` means the numeric ones.

    A column without a type, which has no value, counts as numbers. Raises ``DataError`` for a listed column of another
    type, with the ``step`` that can not use it.
    """
    names = choose("numeric" if columns == "all" else columns, schema)
    for name in names:
        if not (schema[name].is_numeric() or schema[name] == pl.Null):
            raise DataError(
                f"{step} can not use column '{name}'",
                expected="numbers",
                found=str(schema[name]),
                hint="name other columns, or turn this one into numbers first: cast, parse_time, ordinal",
            )
    return names


def require_finite(learned: pl.DataFrame, *kinds: str) -> pl.DataFrame:
    """Return what was learned, a row a ``column``; ``DataError`` for the first column with a figure that is not finite."""
    wrong = learned.filter(pl.any_horizontal(~pl.col(kind).is_finite() for kind in kinds)).sort("column")
    if len(wrong):
        raise DataError(
            f"nothing can be learned from column '{wrong['column'][0]}'",
            expected="finite numbers of which differences and squares are finite, too",
            found="infinite values, or numbers that are too large",
            hint="put {use: winsorize} before this step, or leave such rows out with filter",
        )
    return learned


def rescaled(frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
    """Return the frame with ``(value - shift) / scale`` in each column of a state of ``column``, ``shift``, ``scale``."""
    schema = frame.collect_schema()
    return frame.with_columns(
        divided(number(name, schema[name]) - shift, scale).alias(name)
        for name, shift, scale in state.select("column", "shift", "scale").iter_rows()
    )


def number(name: str, source: pl.DataType) -> pl.Expr:
    """Return a numeric column as Float64 in which NaN is missing, as null is."""
    column = pl.col(name).cast(pl.Float64)
    return column.fill_nan(None) if source.is_float() else column


def divided(value: pl.Expr, by: float | pl.Expr) -> pl.Expr:
    """Return decimal numbers divided by a constant, exactly, whatever the number of rows."""
    return value / divisor(value, by)


def divisor(value: pl.Expr, by: float | pl.Expr) -> pl.Expr:
    """Return a constant as a column as long as ``value``.

    By a constant Polars does not divide: it multiplies by the reciprocal, which is off in the last bit for one number of four,
    but not where there is a single row. So the result would depend on how rows are partitioned.
    """
    return value.is_null().cast(pl.Float64) + by
