"""What is kept of rows to judge them by: counts with the first and last row that they are about.

A summary is a function of the rows alone, whatever their partitions: counts are integers; of many levels the ones with
the smallest hashes stay, each with its exact count (bottom-k sketch: Cohen, Kaplan 2007, doi 10.1145/1281100.1281133);
many numbers become logarithmic buckets (DDSketch: Masson, Rim, Lee 2019, doi 10.14778/3352063.3352135).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import polars as pl

NUMBERS = 8_192
"""Different numbers of a column that are counted exactly; beyond, each is known within 0.5 % of itself, a time to the day."""

KEPT = {"level": 1_024, "shape": 64, "missing": 256, "key": 65_536, "row": 16_384, "sample": 2_000}
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
"""``what`` is counted: column (its type), null, not_finite, number, time, level, format, shape, missing,
key, key_null, row, sample. The number of a date or time is in days, since 1970 or midnight."""

ALONE = ("key", "row", "sample", "missing", "shape")
"""What is large and says nothing beside another batch."""

BUCKET = "~"
"""The text beside a number that stands for a bucket."""

SEPARATOR = "\x1f"
"""What parts the names of columns that are missing together."""

_GAMMA = 1.01
_HASHED = ("key", "row", "sample")  # their text begins with their hash: the least are kept
_NUMBERS = ("number", "time")  # of a column, these have all the same text
_NAME = ("column", "what", "text", "number")
_ROWS = 2**40  # more than a file has: a place is the number of its file times this, and the row


def merge(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the summary of the rows of both; associative and commutative, an empty frame of ``SCHEMA`` changes nothing."""
    return tidy([a, b])


def tidy(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up equal entries, put numbers into buckets and leave out levels where there are too many."""
    rows = pl.concat([SCHEMA.to_frame(), *parts])
    files = pl.concat([rows["file"], rows["last_file"]]).drop_nulls().unique().sort()
    ranks = pl.Enum(files)
    placed = rows.select(
        *_NAME,
        "count",
        (pl.col("file").cast(ranks).to_physical().cast(pl.Int64) * _ROWS + pl.col("row")).alias("first"),
        (pl.col("last_file").cast(ranks).to_physical().cast(pl.Int64) * _ROWS + pl.col("last_row")).alias("last"),
    )
    split = placed.partition_by("what", as_dict=True, maintain_order=True)
    kinds = [_of_kind(str(what[0]), split[what]) for what in sorted(split)]
    if not kinds:
        return rows
    return pl.concat(kinds).select(
        *_NAME,
        "count",
        _file("first", files).alias("file"),
        (pl.col("first") % _ROWS).alias("row"),
        _file("last", files).alias("last_file"),
        (pl.col("last") % _ROWS).alias("last_row"),
    )


def _file(place: str, files: pl.Series) -> pl.Expr:
    return pl.lit(files).gather(pl.col(place) // _ROWS) if len(files) else pl.lit(None, pl.String)


def _of_kind(what: str, rows: pl.DataFrame) -> pl.DataFrame:
    if what in _HASHED:
        return _added(rows, ["text"]).sort("text").head(KEPT[what])
    if what in _NUMBERS:
        rows = _bucketed(_added(rows, _NAME), bucket if what == "number" else coarse)
    rows = _added(rows, _NAME).sort("column", "number" if what in _NUMBERS else "text")
    return least(rows, KEPT[what]).sort("column", "text") if what in KEPT and rows.height > KEPT[what] else rows


def _added(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Add up the entries of equal names; the others of ``_NAME`` are the same in all of a kind."""
    others = [pl.col(name).first() for name in _NAME if name not in names]
    found = rows.group_by(names).agg(*others, pl.col("count").sum(), pl.col("first").min(), pl.col("last").max())
    return found.select(*_NAME, "count", "first", "last")


def _bucketed(rows: pl.DataFrame, bucket: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    """Put the numbers of a column into buckets where they are many, or where some are in buckets already."""
    many = (pl.len().over("column") > NUMBERS) | (pl.col("text") == BUCKET).any().over("column")
    return rows.with_columns(
        pl.when(many & (pl.col("text") != BUCKET)).then(bucket(pl.col("number"))).otherwise("number").alias("number"),
        pl.when(many).then(pl.lit(BUCKET)).otherwise("text").alias("text"),
    )


def bucket(number: pl.Expr) -> pl.Expr:
    """Return the number that stands for the bucket of a finite one."""
    size = ((number.abs().log() / math.log(_GAMMA)).ceil() * math.log(_GAMMA)).exp() * 2 / (_GAMMA + 1)
    return pl.when(number == 0).then(0.0).otherwise(size * number.sign())


def coarse(days: pl.Expr) -> pl.Expr:
    """Return the day of a time, or the minute of one within a day."""
    return pl.when(days.abs() < 1).then((days * 1440).floor() / 1440).otherwise(days.floor())


def least(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the entries of each column whose texts have the least hashes, at most so many."""
    ranked = rows.with_columns(pl.col("text").hash(seed=7).alias("hash")).sort("hash", "text")
    return ranked.group_by("column", maintain_order=True).head(most).select(rows.columns)


def written(number: pl.Expr) -> pl.Expr:
    """Return a hash as text that sorts as the hash does."""
    return number.cast(pl.String).str.zfill(20)
