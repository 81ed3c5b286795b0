"""What is kept of rows to judge them by: counts with the first and last row that they are about.

A summary is a function of the rows alone, whatever their partitions: counts are integers; of many levels the ones with
the smallest hashes stay, each with its exact count (bottom-k sketch: Cohen, Kaplan 2007, doi 10.1145/1281100.1281133);
many numbers become logarithmic buckets (DDSketch: Masson, Rim, Lee 2019, doi 10.14778/3352063.3352135).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from engine.plugin import ROW

NUMBERS = 8_192
"""Different numbers of a column that are counted exactly; beyond, each is known within 0.5 % of itself."""

KEPT = {"level": 1_024, "missing": 256, "key": 65_536, "row": 16_384, "sample": 2_000}
"""Different values that are kept of each kind, a column each."""

SCHEMA = pl.Schema(
    {
        "column": pl.String(),
        "what": pl.String(),
        "text": pl.String(),
        "number": pl.Float64(),
        "count": pl.Int64(),
        "file": pl.String(),
        "row": pl.Int64(),
        "last_file": pl.String(),
        "last_row": pl.Int64(),
    }
)
"""``what`` is counted: column (its type), null, not_finite, number, level, format, missing, key, key_null, row, sample."""

BUCKET = "~"
"""The text beside a number that stands for a bucket."""

SEPARATOR = "\x1f"
_GAMMA = 1.01
_CELL = 200  # characters of a cell that count
_SORTED = ("key", "row", "sample")  # their text begins with their hash

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


def summarize(frame: pl.LazyFrame, source: str, key: Sequence[str]) -> pl.DataFrame:
    """Return the summary of one partition, whose rows have ``ROW``; ``key`` are the columns that identify a row."""
    schema = pl.Schema({name: dtype for name, dtype in frame.collect_schema().items() if name != ROW})
    plans = [_columns(frame, schema), *_whole(frame, schema, key)]
    for name, dtype in schema.items():
        plans += _column(frame, name, dtype)
    counted = pl.concat([SCHEMA.to_frame(), *(_placed(one, source) for one in pl.collect_all(plans))])
    found = tidy(counted)
    return tidy(pl.concat([found, _sample(frame, found, source)]))


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the summary of the rows of both; associative and commutative, an empty frame of ``SCHEMA`` changes nothing."""
    return tidy(pl.concat([a, b]))


def tidy(rows: pl.DataFrame) -> pl.DataFrame:
    """Add up equal entries, put numbers into buckets and leave out levels where there are too many."""
    rows = _added(rows)
    different = pl.len().over("column", "what")
    number, bucketed = pl.col("what") == "number", (pl.col("text") == BUCKET).any().over("column", "what")
    collapse = number & (bucketed | (different > NUMBERS))
    size = ((pl.col("number").abs().log() / math.log(_GAMMA)).ceil() * math.log(_GAMMA)).exp() * 2 / (_GAMMA + 1)
    value = pl.when(pl.col("number") == 0).then(0.0).otherwise(size * pl.col("number").sign())
    rows = rows.with_columns(
        pl.when(collapse & (pl.col("text") != BUCKET)).then(value).otherwise(pl.col("number")).alias("number"),
        pl.when(collapse).then(pl.lit(BUCKET)).otherwise(pl.col("text")).alias("text"),
    )
    order = pl.when(pl.col("what").is_in(_SORTED)).then(pl.col("text")).otherwise(_hash(pl.col("text")))
    limit = pl.col("what").replace_strict(KEPT, default=None, return_dtype=pl.UInt32)
    kept = limit.is_null() | (pl.col("order").rank("ordinal").over("column", "what") <= limit)
    return _added(rows).with_columns(order.alias("order")).sort("order", "text").filter(kept).drop("order").sort(*_NAME)


_NAME = ("column", "what", "text", "number")


def _added(rows: pl.DataFrame) -> pl.DataFrame:
    first, last = pl.struct("file", "row"), pl.struct(file="last_file", row="last_row")
    ordered = rows.group_by(*_NAME).agg(
        pl.col("count").sum(),
        first.sort_by("file", "row", nulls_last=True).first().alias("first"),
        last.sort_by("last_file", "last_row", nulls_last=False).last().alias("last"),
    )
    return ordered.select(
        *_NAME,
        "count",
        pl.col("first").struct.field("file"),
        pl.col("first").struct.field("row"),
        pl.col("last").struct.field("file").alias("last_file"),
        pl.col("last").struct.field("row").alias("last_row"),
    )


def _hash(text: pl.Expr) -> pl.Expr:
    """Return a hash of text as text that sorts as the hash does."""
    return text.hash(seed=7).cast(pl.String).str.zfill(20)


def _columns(frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    count = frame.select(
        pl.len().cast(pl.Int64).alias("count"), pl.col(ROW).min().alias("row"), pl.col(ROW).max().alias("last_row")
    )
    types = pl.LazyFrame(
        {"column": ["", *schema], "text": ["rows", *map(str, schema.dtypes())]}, schema={"column": pl.String, "text": pl.String}
    )
    return _formed(types.join(count, how="cross"), pl.col("column"), "column")


def _column(frame: pl.LazyFrame, name: str, dtype: pl.DataType) -> list[pl.LazyFrame]:
    cell = pl.col(name)
    plans = [_counted(frame.filter(cell.is_null()), name, "null")]
    if dtype.is_numeric():
        number = cell.cast(pl.Float64) + 0.0
        finite = number.is_finite()
        plans.append(_counted(frame.filter(~finite), name, "not_finite", number.cast(pl.String)))
        plans.append(_counted(frame.filter(finite), name, "number", number=number))
    elif dtype.is_temporal():
        plans.append(_counted(frame.filter(cell.is_not_null()), name, "number", number=cell.to_physical().cast(pl.Float64)))
    elif not dtype.is_nested() and dtype not in (pl.Null, pl.Binary, pl.Object):
        text = cell.cast(pl.String).str.slice(0, _CELL)
        there = frame.filter(cell.is_not_null())
        plans.append(_counted(there, name, "level", text))
        if dtype == pl.String:
            plans.append(_counted(there, name, "format", _format(text)))
    return plans


def _format(text: pl.Expr) -> pl.Expr:
    found = pl.lit("text")
    for label, pattern in reversed(FORMATS.items()):
        found = pl.when(text.str.contains(pattern)).then(pl.lit(label)).otherwise(found)
    return found


def _whole(frame: pl.LazyFrame, schema: pl.Schema, key: Sequence[str]) -> list[pl.LazyFrame]:
    """Return the counts of patterns of missing values, of keys and of equal rows."""
    if not schema:
        return []
    names = [pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in sorted(schema)]
    pattern = pl.concat_str(names, separator=SEPARATOR, ignore_nulls=True)
    plans = [
        _counted(frame.filter(pattern != ""), "", "missing", pattern),
        _counted(frame, "", "row", _identity(schema, list(schema))),
    ]
    if key and all(name in schema for name in key):
        lacking = pl.any_horizontal(pl.col(name).is_null() for name in key)
        plans.append(_counted(frame.filter(lacking), "", "key_null"))
        plans.append(_counted(frame.filter(~lacking), "", "key", _identity(schema, key)))
    return plans


def _identity(schema: pl.Schema, names: Sequence[str]) -> pl.Expr:
    """Return a hash of some columns that is the same for equal values in whatever partition."""
    plain = [
        (pl.col(name).cast(pl.String) if not schema[name].is_nested() else pl.struct(name).struct.json_encode()).fill_null("\0")
        for name in sorted(names)
        if schema[name] not in (pl.Binary, pl.Object)
    ]
    return _hash(pl.concat_str(plain or [pl.lit("")], separator=SEPARATOR))


def _sample(frame: pl.LazyFrame, summary: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return whole rows, as JSON: those whose hashes are smallest, so that it is a random choice of different rows."""
    chosen = summary.filter(pl.col("what") == "row").sort("text").head(KEPT["sample"])
    names = [name for name, dtype in frame.collect_schema().items() if name != ROW and sampled(dtype)]
    if not names:
        return SCHEMA.to_frame()
    rows = frame.filter(pl.col(ROW).is_in(chosen["row"].implode())).select(
        pl.col(ROW).cast(pl.Int64).alias("row"), pl.struct(names).struct.json_encode().alias("json")
    )
    found = chosen.join(rows.collect(), on="row", how="inner", maintain_order="left")
    return found.select(
        "column",
        pl.lit("sample").alias("what"),
        pl.concat_str("text", "json").alias("text"),
        *(name for name in SCHEMA if name not in ("column", "what", "text")),
    ).with_columns(pl.lit(source).alias("file"))


def sampled(dtype: pl.DataType) -> bool:
    """Say whether values of a type are in the sample: those that JSON holds."""
    return (dtype.is_numeric() and not dtype.is_decimal()) or dtype in (pl.String, pl.Boolean, pl.Date, pl.Datetime)


def _counted(
    frame: pl.LazyFrame, column: str, what: str, text: pl.Expr | None = None, number: pl.Expr | None = None
) -> pl.LazyFrame:
    names = [
        (pl.lit("") if text is None else text).alias("text"),
        (pl.lit(None, pl.Float64) if number is None else number).alias("number"),
    ]
    counted = (
        frame.select(*names, pl.col(ROW))
        .group_by("text", "number")
        .agg(pl.len().cast(pl.Int64).alias("count"), pl.col(ROW).min().alias("row"), pl.col(ROW).max().alias("last_row"))
    )
    return _formed(counted, pl.lit(column), what)


def _formed(counted: pl.LazyFrame, column: pl.Expr, what: str) -> pl.LazyFrame:
    number = "number" if "number" in counted.collect_schema() else pl.lit(None, pl.Float64).alias("number")
    return counted.select(
        column.alias("column"),
        pl.lit(what).alias("what"),
        "text",
        number,
        "count",
        pl.col("row").cast(pl.Int64),
        pl.col("last_row").cast(pl.Int64),
    )


def _placed(counted: pl.DataFrame, source: str) -> pl.DataFrame:
    place = pl.when(pl.col("row").is_not_null()).then(pl.lit(source))  # what is said of no rows is said of no place
    return counted.with_columns(place.alias("file"), place.alias("last_file")).select(list(SCHEMA))
