"""Reads a partition once and puts every row of it into one of two files: those that are loaded, and those set aside.

In: an extractor, rules, and the columns that rows must fit, if any. Out: two Parquet files in a scratch folder, and how many
rows were seen. What rows are kept in, and what becomes of them, is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from engine.errors import DataError, MissingColumn
from engine.plugin import CHECK, RAW, ROW, Check, Extractor, SourcePartition, require
from engine.schemas import columns_of
from engine.stages.fit import fit
from engine.stores import files
from engine.stores.artifacts import sink

_WAS = "__was__"  # begins the name under which a value is kept that was given another type


@dataclass(frozen=True, slots=True)
class Written:
    """What one pass over the source has left in the scratch folder, and how many rows it saw."""

    loaded: Path
    aside: Path
    rows_in: int

    def everything(self) -> pl.LazyFrame:
        """Return all that was read: a row that was cut short is as likely to be among those set aside."""
        loaded = pl.scan_parquet(self.loaded, glob=False)
        if not self.aside.exists():
            return loaded
        aside = pl.scan_parquet(self.aside, glob=False)
        return pl.concat([loaded, aside.select(loaded.collect_schema().names())], how="vertical_relaxed")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is expected of rows: the checks, the names of columns that the dataset has, and those that rows must fit, if any.

    ``among`` are rows of the same partition that are loaded already, with numbers: rules that see rows together see them too.
    """

    checks: Sequence[Check]
    held: Sequence[str]
    fit: list[Any] | None = None
    among: pl.LazyFrame | None = None


def read_partition(extractor: Extractor, partition: SourcePartition, rules: Rules, folder: Path) -> Written:
    """Write both files in one pass; once more with types learned from every row, or row by row, where that does not do."""
    failure: Exception = DataError(f"{partition.name} is not complete")
    several = bool(rules.checks) or rules.fit is not None  # files are made of it
    for thorough in (False, True):
        try:
            frame = extractor.read(partition, thorough=thorough)
            written = split(_once(extractor, frame, folder) if several else frame, None, rules, folder)
        except (pl.exceptions.ComputeError, Unfit) as error:  # the types may have been guessed wrongly
            failure = error
            continue
        if extractor.is_complete(partition, written.everything()):
            return written
        break
    (folder / "salvage").mkdir()
    salvaged = extractor.salvage(partition, folder / "salvage")
    if salvaged is None:
        raise failure
    rows, rejected = (_once(extractor, frame, folder) for frame in (salvaged.rows, salvaged.rejected))
    return split(rows, rejected, rules, folder)


def _once(extractor: Extractor, frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    """Return a frame that may be read several times: both files are made of it, and its rows are counted.

    A scan of a file may. A query would be asked anew each time, and might answer otherwise.
    """
    if extractor.scans:
        return frame
    copy = folder / f"copy-{uuid4().hex}.parquet"
    files.write(copy, lambda path: sink((frame, path)))
    return pl.scan_parquet(copy, glob=False)


def split(frame: pl.LazyFrame, rejected: pl.LazyFrame | None, rules: Rules, folder: Path) -> Written:
    """Write the rows that keep the rules to one file and all others to a second one, in one pass.

    With ``rejected`` rows, those that could not be parsed, the frame has numbers; else they are counted from 1.
    """
    loaded, aside = folder / "loaded.parquet", folder / "aside.parquet"
    if not rules.checks and rejected is None and rules.fit is None:
        files.write(loaded, lambda path: sink((frame, path)))
        return Written(loaded, aside, pl.scan_parquet(loaded, glob=False).select(pl.len()).collect().item())
    numbered = frame if rejected is not None else frame.with_row_index(ROW, offset=1)
    columns = [name for name in numbered.collect_schema().names() if name != ROW]
    numbered, listed = with_rules(numbered, columns, rules)
    schema = numbered.select(columns).collect_schema()
    misfit, casts = (pl.lit(None, pl.String), []) if rules.fit is None else fit(schema, rules.fit)
    was = [pl.col(name).alias(f"{_WAS}{name}") for name, _ in casts]
    typed = numbered.with_columns(misfit.alias(CHECK), *was)  # rules are about values of the dataset's own types
    typed = typed.with_columns(cast.alias(name) for name, cast in casts)
    if rules.among is not None:
        typed = _together(typed, rules.among)
    typed, blank = fitting(rules.checks, typed)
    broken = typed.with_columns(pl.coalesce(CHECK, _first(listed)).alias(CHECK), *blank)
    if rules.among is not None:
        broken = broken.filter(pl.col(_OURS))
    broken = broken.cache()  # else the source is read once for each file: functions of Python in two plans count as different
    good = pl.col(CHECK).is_null() | pl.col(CHECK).is_in([words for words, _, on_fail in listed if on_fail == "warn"])
    kept = broken.filter(good).select(columns)
    original = [pl.col(f"{_WAS}{name}").alias(name) if name in dict(casts) else pl.col(name) for name in columns]
    set_aside = broken.filter(pl.col(CHECK).is_not_null()).select(ROW, *original, CHECK, pl.lit(None, pl.String).alias(RAW))
    if rejected is not None:
        set_aside = pl.concat([set_aside, rejected.select(pl.col(ROW).cast(pl.UInt32), CHECK, RAW)], how="diagonal")
    more = rejected.select(pl.len()).collect().item() if rejected is not None else 0
    seen = files.write(loaded, lambda path: sink((kept, path), (set_aside, aside), count=broken))
    return Written(loaded, aside, seen + more)


_OURS = "__ours__"
"""The column that tells rows that are being looked at from those that are loaded already."""


def _together(ours: pl.LazyFrame, loaded: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of both in the order of the source, ours marked, in the columns and types of ours."""
    schema, has = ours.collect_schema(), loaded.collect_schema()
    there = loaded.select(
        (pl.col(name) if name in has else pl.lit(None)).cast(dtype, strict=False).alias(name) for name, dtype in schema.items()
    )
    both = pl.concat([ours.with_columns(pl.lit(value=True).alias(_OURS)), there.with_columns(pl.lit(value=False).alias(_OURS))])
    return both.sort(ROW)


Rule = tuple[str, pl.Expr, str]
"""A rule in words, which rows break it, and what becomes of them."""


def with_rules(frame: pl.LazyFrame, columns: Sequence[str], rules: Rules) -> tuple[pl.LazyFrame, list[Rule]]:
    """Return the rules, those that only warn last. A column that the dataset has and these rows lack counts as empty."""
    checks, known = rules.checks, [*columns, *(name for name in rules.held if name not in columns)]
    for check in checks:
        try:
            require(check.needs(), known)
        except MissingColumn as error:
            error.where = f"the rule: {check.describe()}"
            raise
    lacking = {name for check in checks for name in check.needs() if name not in columns}
    frame = frame.with_columns(pl.lit(None).alias(name) for name in sorted(lacking))
    ordered = sorted(checks, key=lambda check: check.on_fail == "warn")
    return frame, [(check.describe(), check.violations(), check.on_fail) for check in ordered]


def fitting(checks: Sequence[Check], frame: pl.LazyFrame) -> tuple[pl.LazyFrame, list[pl.Expr]]:
    """Return rows to which rules can be applied, and the expressions that give the columns back that were changed for it.

    A column without any value is text for want of a better type, and any rule may be about it. Raises ``Unfit``.
    """
    try:
        try_rules(checks, frame)
    except Unfit:
        schema = frame.collect_schema()
        texts = sorted({name for check in checks for name in check.needs() if schema[name] == pl.String})
        there = frame.select(pl.col(texts).is_not_null().any()).collect(engine="streaming").row(0) if texts else ()
        empty = [name for name, has_value in zip(texts, there, strict=True) if not has_value]
        frame = frame.with_columns(pl.lit(None).alias(name) for name in empty)
        try_rules(checks, frame)
        return frame, [pl.lit(None, pl.String).alias(name) for name in empty]
    return frame, []


class Unfit(DataError):
    """A rule can not be applied to columns of the types that there are."""


def try_rules(checks: Sequence[Check], frame: pl.LazyFrame) -> None:
    """Raise ``Unfit`` unless the rules can be applied to the columns of a frame: better than in the middle of a file."""
    schema = frame.collect_schema() if checks else pl.Schema()
    for check in checks:
        types = {name: schema[name] for name in check.needs()}
        row = pl.DataFrame({name: [None] for name in types}, schema=types)
        try:
            dtype = row.select(check.violations()).to_series().dtype
            reason = "" if dtype == pl.Boolean else f"it gives {dtype}, and must be true or false"
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
        if reason:
            raise Unfit(
                f"the rule can not be applied: {reason}",
                where=f"the rule: {check.describe()}",
                found=", ".join(f"{name} is {dtype}" for name, dtype in types.items()),
                hint="declare the column's type in the extractor, or change the rule",
            )


def _first(rules: Sequence[Rule]) -> pl.Expr:
    """Return the words of the first rule that a row breaks, null if it keeps all."""
    words = [pl.when(broken).then(pl.lit(words)).otherwise(pl.lit(None, pl.String)) for words, broken, _ in rules]
    return pl.coalesce([*words, pl.lit(None, pl.String)])


def reasons_in(aside: Path, checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return how many rows broke which rule. What could not be parsed or did not fit has a reason of its own each."""
    if not aside.exists():
        return []
    on_fail = {check.describe(): check.on_fail for check in checks}
    counts = pl.scan_parquet(aside, glob=False).group_by(CHECK).agg(rows=pl.len(), first=pl.col(ROW).min())
    return [
        {"check": words, "rows": rows, "first": first, "on_fail": on_fail.get(words, "quarantine")}
        for words, rows, first in counts.sort("first", CHECK).collect().rows()
    ]


def spans_in(loaded: Path) -> dict[str, list[int]]:
    """Return the least and the greatest value of each column of dates or times, in microseconds since 1970.

    Of times with a zone in UTC, of others as they are written. A column without a value is left out.
    """
    rows = pl.scan_parquet(loaded, glob=False)
    schema = rows.collect_schema()
    times = {name: pl.col(name) for name, dtype in schema.items() if dtype == pl.Date or isinstance(dtype, pl.Datetime)}
    if not times:
        return {}
    ends = [end for column in times.values() for end in (column.min(), column.max())]
    found = rows.select(microseconds(end).alias(str(n)) for n, end in enumerate(ends)).collect(engine="streaming").row(0)
    pairs = zip(times, found[::2], found[1::2], strict=True)
    return {name: [least, greatest] for name, least, greatest in pairs if least is not None}


def microseconds(time: pl.Expr) -> pl.Expr:
    """Return dates or times in microseconds since 1970, as ``spans_in`` does."""
    return time.dt.timestamp("us")


def columns_in(loaded: Path) -> list[list[Any]]:
    """Return names and types. A text column without any value has no type: text is what there is in want of a better one."""
    rows = pl.scan_parquet(loaded, glob=False)
    schema = rows.collect_schema()
    texts = [name for name, dtype in schema.items() if dtype == pl.String]
    for part in (rows.head(1000), rows):  # nearly always the first rows are enough
        if texts:
            there = part.select(pl.col(texts).is_not_null().any()).collect(engine="streaming").row(0)
            texts = [name for name, has_value in zip(texts, there, strict=True) if not has_value]
    return [[name, "Null" if name in texts else dtype] for name, dtype in columns_of(schema)]
