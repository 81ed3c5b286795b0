"""Makes a lazy frame of frames that come one after another."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import polars as pl
from polars.datatypes import DataType
from polars.io.plugins import register_io_source

from engine.errors import DataError
from engine.plugin import CHECK, RAW, ROW


def streamed(frames: Callable[[], Iterator[pl.DataFrame]], schema: Mapping[str, DataType]) -> pl.LazyFrame:
    """Return a lazy frame that asks for ``frames`` anew whenever it is collected, and holds one of them at a time.

    All have the columns and types of ``schema``, and are the same each time. What ``frames`` raises is raised by the
    collection, unchanged.
    """

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        left = rows
        for whole in frames():
            frame = whole if left is None else whole.head(left)
            left = None if left is None else left - frame.height
            kept = frame if predicate is None else frame.filter(predicate)
            if columns is None:
                yield kept
            else:
                yield kept.select(columns) if columns else pl.DataFrame(height=kept.height)  # select([]) forgets the rows
            if left == 0:
                return

    return register_io_source(source, schema=dict(schema), validate_schema=True, is_pure=True)


def refuse_reserved(columns: Iterable[str]) -> None:
    """Raise ``DataError`` for a column that has the name of one that extractors add."""
    for column in columns:
        if column in {ROW, CHECK, RAW}:
            raise DataError(f"a column can not have the name '{column}'", hint="give it another name in the source")
