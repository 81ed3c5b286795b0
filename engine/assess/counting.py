"""Counts the rows of one partition, a slice at a time, so that memory does not grow with the partition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from engine.assess.summary import BUCKET, KEPT, NUMBERS, SCHEMA, SEPARATOR, bucket, coarse, least, tidy, written
from engine.plugin import ROW

_SLICE = 262_144  # rows
_CELL = 200  # characters of a cell that count
_SHAPED = 40  # characters of a cell whose shape counts

CODE = "digits after a zero"
"""The format of codes such as 00501, which are no numbers."""

FORMATS = {
    "blank": r"^\s*$",
    CODE: r"^0\d+$",
    "number": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$",
    "number with a comma": r"^[+-]?\d+,\d+$",
    "date 2013-01-31": r"^\d{4}-\d{2}-\d{2}$",
    "time 2013-01-31T10:00:00": r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$",
    "date 31.01.2013": r"^\d{1,2}\.\d{1,2}\.\d{4}$",
    "date 01/31/2013": r"^\d{1,2}/\d{1,2}/\d{4}$",
}
"""What texts are taken for, the first that matches; else ``text``."""

_COUNTED = (pl.len().cast(pl.Int64).alias("count"), pl.col(ROW).min().alias("row"), pl.col(ROW).max().alias("last_row"))
_ADDED = (pl.col("count").sum(), pl.col("row").min(), pl.col("last_row").max())


def summarize(frame: pl.LazyFrame, source: str, key: Sequence[str]) -> pl.DataFrame:
    """Return the summary of one partition, whose rows have ``ROW``; ``key`` are the columns that identify a row."""
    found: list[pl.DataFrame] = []
    for rows in frame.collect_batches(chunk_size=_SLICE, maintain_order=True):
        found = [tidy([*found, _slice(rows, source, key)])]
    return found[0] if found else tidy([_slice(pl.DataFrame(schema=frame.collect_schema()), source, key)])


def _slice(rows: pl.DataFrame, source: str, key: Sequence[str]) -> pl.DataFrame:
    schema = pl.Schema({name: dtype for name, dtype in rows.schema.items() if name != ROW})
    found = [_columns(rows, schema), *_whole(rows, schema, key)]
    for name, dtype in schema.items():
        found += _column(rows, name, dtype)
    return pl.concat(found).with_columns(
        pl.when(pl.col("row").is_not_null()).then(pl.lit(source)).alias(name)  # what is said of no rows is said of no place
        for name in ("file", "last_file")
    )


def _formed(counted: pl.DataFrame, column: str, what: str) -> pl.DataFrame:
    """Return counts as entries of ``SCHEMA``, without the file."""
    there = counted.columns
    return counted.select(
        (pl.col("column") if "column" in there else pl.lit(column)).alias("column"),
        pl.lit(what).alias("what"),
        (pl.col("text") if "text" in there else pl.lit("")).alias("text"),
        (pl.col("number") if "number" in there else pl.lit(None, pl.Float64)).alias("number"),
        "count",
        pl.lit(None, pl.String).alias("file"),
        pl.col("row").cast(pl.Int64),
        pl.lit(None, pl.String).alias("last_file"),
        pl.col("last_row").cast(pl.Int64),
    )


def _columns(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    types = pl.DataFrame({"column": ["", *schema], "text": ["rows", *map(str, schema.dtypes())]}, schema_overrides=_TEXTS)
    return _formed(types.join(rows.select(*_COUNTED), how="cross"), "", "column")


_TEXTS = {"column": pl.String, "text": pl.String}


def _column(rows: pl.DataFrame, name: str, dtype: pl.DataType) -> Iterator[pl.DataFrame]:
    cell = pl.col(name)
    if dtype.is_nested() or dtype in (pl.Null, pl.Binary, pl.Object):
        yield _formed(rows.filter(cell.is_null()).select(*_COUNTED).filter(pl.col("count") > 0), name, "null")
        return
    number, days = dtype.is_numeric(), _days(dtype)
    if days:
        value = cell.to_physical().cast(pl.Float64) / days
    else:
        value = (cell.cast(pl.Float64) + 0.0) if number else cell.cast(pl.String).str.slice(0, _CELL)
    counted = rows.select(value.alias("value"), pl.col(ROW)).group_by("value").agg(*_COUNTED)
    there = counted.filter(pl.col("value").is_not_null())
    yield _formed(counted.filter(pl.col("value").is_null()), name, "null")
    if days:
        yield _formed(_numbers(there, coarse), name, "time")
        return
    if number:
        finite = pl.col("value").is_finite()
        yield _formed(there.filter(~finite).select(pl.col("value").cast(pl.String).alias("text"), *_OTHERS), name, "not_finite")
        yield _formed(_numbers(there.filter(finite), bucket), name, "number")
        return
    levels = there.rename({"value": "text"})
    if dtype == pl.String:
        formats = levels.with_columns(_format(pl.col("text")).alias("text")).group_by("text").agg(*_ADDED)
        yield _formed(formats, name, "format")
        shapes = _formed(levels.with_columns(_shape(pl.col("text")).alias("text")).group_by("text").agg(*_ADDED), name, "shape")
        yield least(shapes, KEPT["shape"]) if shapes.height > KEPT["shape"] else shapes
    found = _formed(levels, name, "level")
    yield least(found, KEPT["level"]) if found.height > KEPT["level"] else found


_OTHERS = ("count", "row", "last_row")


def _numbers(there: pl.DataFrame, bucket: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    if there.height <= NUMBERS:
        return there.select(pl.col("value").alias("number"), *_OTHERS)
    buckets = there.select(bucket(pl.col("value")).alias("number"), *_OTHERS).group_by("number").agg(*_ADDED)
    return buckets.with_columns(pl.lit(BUCKET).alias("text"))


def _days(dtype: pl.DataType) -> int:
    """Return how many units of a type of dates or times are a day, 0 for all other types."""
    if isinstance(dtype, pl.Datetime | pl.Duration):
        return _PER_DAY[dtype.time_unit]
    return 1 if dtype == pl.Date else _PER_DAY["ns"] if dtype == pl.Time else 0


_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def _format(text: pl.Expr) -> pl.Expr:
    found = pl.lit("text")
    for label, pattern in reversed(FORMATS.items()):
        found = pl.when(text.str.contains(pattern)).then(pl.lit(label)).otherwise(found)
    return found


def _shape(text: pl.Expr) -> pl.Expr:
    """Return a text with 9 for digits, A and a for letters in a row: N723MQ and N10156QX are both A9A."""
    short = text.str.slice(0, _SHAPED).str.replace_all("[0-9]+", "9").str.replace_all("[A-Z]+", "A")
    return short.str.replace_all("[a-z]+", "a")


def _whole(rows: pl.DataFrame, schema: pl.Schema, key: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Return the counts of patterns of missing values, of keys and of equal rows, and a sample of these."""
    if not schema:
        return
    gaps = [name for name in sorted(schema) if rows[name].null_count()]
    if gaps:
        lacking = [pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in gaps]
        patterns = rows.select(pl.concat_str(lacking, separator=SEPARATOR, ignore_nulls=True).alias("text"), pl.col(ROW))
        yield _formed(patterns.filter(pl.col("text") != "").group_by("text").agg(*_COUNTED), "", "missing")
    found = _counted(rows, identity(schema, list(schema)), KEPT["row"])
    yield _formed(found, "", "row")
    yield _sample(rows, schema, found.head(KEPT["sample"]))
    if key and all(name in schema for name in key):
        lacks = pl.any_horizontal(pl.col(name).is_null() for name in key)
        yield _formed(rows.filter(lacks).select(*_COUNTED).filter(pl.col("count") > 0), "", "key_null")
        yield _formed(_counted(rows.filter(~lacks), identity(schema, key), KEPT["key"]), "", "key")


def _counted(rows: pl.DataFrame, identity: pl.Expr, most: int) -> pl.DataFrame:
    """Return the counts of rows that are the same, those of the smallest hashes."""
    counted = rows.select(identity.alias("hash"), pl.col(ROW)).group_by("hash").agg(*_COUNTED)
    return counted.sort("hash").head(most).with_columns(written(pl.col("hash")).alias("text"))


def identity(schema: pl.Schema, names: Sequence[str]) -> pl.Expr:
    """Return a hash of some columns that is the same for equal values in whatever partition.

    It is the sum of the hashes of the cells, each seeded by the place of its column; that such a sum wraps is meant.
    """
    usable = [name for name in sorted(names) if schema[name] not in (pl.Binary, pl.Object)]
    hashes = [_plain(name, schema[name]).hash(seed=place) for place, name in enumerate(usable)]
    return pl.sum_horizontal(pl.lit(0, pl.UInt64), *hashes)


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column as one of few types, so that a value is hashed as it is in a file where the type is narrower."""
    if dtype.is_nested():
        return pl.struct(name).struct.json_encode()
    if dtype.is_float():
        return pl.col(name).cast(pl.Float64) + 0.0
    if dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128):
        return pl.col(name).cast(pl.Int64)
    return pl.col(name).to_physical().cast(pl.Int64) if dtype.is_temporal() else pl.col(name).cast(pl.String)


def _sample(rows: pl.DataFrame, schema: pl.Schema, counted: pl.DataFrame) -> pl.DataFrame:
    """Return whole rows, as JSON: those whose hashes are smallest, so that it is a random choice of different rows."""
    names = [name for name, dtype in schema.items() if sampled(dtype)]
    if not names:
        return SCHEMA.to_frame()
    shown = rows.filter(pl.col(ROW).is_in(counted["row"].implode())).select(
        pl.col(ROW).alias("row"), pl.struct(names).struct.json_encode().alias("json")
    )
    found = counted.join(shown, on="row", how="inner", maintain_order="left")
    return _formed(found.with_columns(pl.concat_str("text", "json").alias("text")), "", "sample")


def sampled(dtype: pl.DataType) -> bool:
    """Say whether values of a type are in the sample: those that JSON holds."""
    return (dtype.is_numeric() and not dtype.is_decimal()) or dtype in (pl.String, pl.Boolean, pl.Date, pl.Datetime)
