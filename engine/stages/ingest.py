"""Reads one partition of a source into the raw store; rows that break a rule or can not be parsed go to quarantine.

In: nothing. Out: the rows that were loaded, types as learned; the value says how many rows were read, what columns they
have, which rules were broken, and where the rows set aside are. Every row read is in one of the two pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from engine.digest import canonical
from engine.errors import DataError, LevadaError, MissingColumn
from engine.plugin import CHECK, RAW, ROW, Check, Extractor, SourcePartition, require
from engine.schemas import columns_of
from engine.stages.fit import fit
from engine.stages.work import Work, explained
from engine.stores import files
from engine.stores.artifacts import Artifact, sink
from engine.stores.commit import scratch
from engine.stores.raw import Slot

_WAS = "__was__"  # begins the name under which a value is kept that was given another type


@dataclass(frozen=True, slots=True)
class _Written:
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


def run(work: Work) -> Artifact:
    """Ingest one partition: ``extract``, ``expect``, ``partition``; ``fit`` are the columns that rows must fit, or None."""
    extractor: Extractor = work.plugin("extractor", "extract")
    checks = [check for check in work.plugins("check", "expect") if isinstance(check, Check)]
    partition = SourcePartition(**work.params["partition"])
    with scratch(work.store.root) as folder:
        with explained(f"cannot read {partition.name}", hint="is the file complete?"):
            written = _write(work, extractor, partition, checks, folder)
        reasons = _reasons(written.aside, checks)
        _stop(reasons, partition)
        columns = _columns(written.loaded)
        loaded = work.store.raw.put(written.loaded, _slot(work, "raw"))
        aside = work.store.raw.put(written.aside, _slot(work, "quarantine")) if reasons else None
    quarantined = sum(reason["rows"] for reason in reasons if reason["on_fail"] != "warn")
    if written.rows_in != (loaded.rows or 0) + quarantined:
        raise LevadaError(
            f"{partition.name}: rows went missing", expected=f"{written.rows_in:,}", found=f"{loaded.rows:,} + {quarantined:,}"
        )
    value = {"rows_in": written.rows_in, "reasons": reasons, "columns": columns, "aside": aside and aside.to_json()}
    return Artifact(canonical(value), loaded.file, loaded.rows)


def _columns(loaded: Path) -> list[list[Any]]:
    """Return names and types. A text column without any value has no type: text is what there is in want of a better one."""
    rows = pl.scan_parquet(loaded, glob=False)
    schema = rows.collect_schema()
    texts = [name for name, dtype in schema.items() if dtype == pl.String]
    for part in (rows.head(1000), rows):  # nearly always the first rows are enough
        if texts:
            there = part.select(pl.col(texts).is_not_null().any()).collect(engine="streaming").row(0)
            texts = [name for name, has_value in zip(texts, there, strict=True) if not has_value]
    return [[name, "Null" if name in texts else dtype] for name, dtype in columns_of(schema)]


def _slot(work: Work, area: Any) -> Slot:
    return Slot(area, work.params["dataset"], work.params["batch"], work.params["number"])


def _write(work: Work, extractor: Extractor, partition: SourcePartition, checks: Sequence[Check], folder: Path) -> _Written:
    """Write both files in one pass; once more with types learned from every row, or row by row, where that does not do."""
    failure: Exception = DataError(f"{partition.name} is not complete")
    for thorough in (False, True):
        try:
            written = _pass(work, extractor.read(partition, thorough=thorough), None, checks, folder)
        except pl.exceptions.ComputeError as error:
            failure = error
            continue
        if extractor.is_complete(partition, written.everything()):
            return written
        break
    (folder / "salvage").mkdir()
    salvaged = extractor.salvage(partition, folder / "salvage")
    if salvaged is None:
        raise failure
    return _pass(work, salvaged.rows, salvaged.rejected, checks, folder)


def _pass(work: Work, frame: pl.LazyFrame, rejected: pl.LazyFrame | None, checks: Sequence[Check], folder: Path) -> _Written:
    loaded, aside = folder / "loaded.parquet", folder / "aside.parquet"
    wanted = work.params["fit"]
    if not checks and rejected is None and wanted is None:
        files.write(loaded, lambda path: sink((frame, path)))
        return _Written(loaded, aside, pl.scan_parquet(loaded, glob=False).select(pl.len()).collect().item())
    numbered = frame if rejected is not None else frame.with_row_index(ROW, offset=1)
    columns = [name for name in numbered.collect_schema().names() if name != ROW]
    numbered, rules = _rules(numbered, columns, checks, work.params)
    misfit, casts = (pl.lit(None, pl.String), []) if wanted is None else fit(numbered.select(columns).collect_schema(), wanted)
    was = [pl.col(name).alias(f"{_WAS}{name}") for name, _ in casts]
    broken = (
        numbered.with_columns(misfit.alias(CHECK), *was)  # rules are about values of the dataset's own types
        .with_columns(cast.alias(name) for name, cast in casts)
        .with_columns(pl.coalesce(CHECK, _first(rules)).alias(CHECK))
    )
    good = pl.col(CHECK).is_null() | pl.col(CHECK).is_in([words for words, _, on_fail in rules if on_fail == "warn"])
    kept = broken.filter(good).select(columns)
    original = [pl.col(f"{_WAS}{name}").alias(name) if name in dict(casts) else pl.col(name) for name in columns]
    set_aside = broken.filter(pl.col(CHECK).is_not_null()).select(ROW, *original, CHECK, pl.lit(None, pl.String).alias(RAW))
    if rejected is not None:
        set_aside = pl.concat([set_aside, rejected.select(pl.col(ROW).cast(pl.UInt32), CHECK, RAW)], how="diagonal")
    more = rejected.select(pl.len()).collect().item() if rejected is not None else 0
    seen = files.write(loaded, lambda path: sink((kept, path), (set_aside, aside), count=numbered))
    return _Written(loaded, aside, seen + more)


Rule = tuple[str, pl.Expr, str]
"""A rule in words, which rows break it, and what becomes of them."""


def _rules(
    frame: pl.LazyFrame, columns: Sequence[str], checks: Sequence[Check], params: Mapping[str, Any]
) -> tuple[pl.LazyFrame, list[Rule]]:
    """Return the rules, those that only warn last. A column that the dataset has and these rows lack counts as empty."""
    known, source = [*columns, *(name for name in params["held"] if name not in columns)], params["partition"]["name"]
    for check in checks:
        try:
            require(check.needs(), known)
        except MissingColumn as error:
            error.where = f"the rule '{check.describe()}' of {source}"
            raise
    lacking = {name for check in checks for name in check.needs() if name not in columns}
    frame = frame.with_columns(pl.lit(None).alias(name) for name in sorted(lacking))
    ordered = sorted(checks, key=lambda check: check.on_fail == "warn")
    return frame, [(check.describe(), check.violations(), check.on_fail) for check in ordered]


def _first(rules: Sequence[Rule]) -> pl.Expr:
    """Return the words of the first rule that a row breaks, null if it keeps all."""
    words = [pl.when(broken).then(pl.lit(words)).otherwise(pl.lit(None, pl.String)) for words, broken, _ in rules]
    return pl.coalesce([*words, pl.lit(None, pl.String)])


def _reasons(aside: Path, checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return how many rows broke which rule. What could not be parsed or did not fit has a reason of its own each."""
    if not aside.exists():
        return []
    on_fail = {check.describe(): check.on_fail for check in checks}
    counts = pl.scan_parquet(aside, glob=False).group_by(CHECK).agg(rows=pl.len(), first=pl.col(ROW).min())
    return [
        {"check": words, "rows": rows, "first": first, "on_fail": on_fail.get(words, "quarantine")}
        for words, rows, first in counts.sort("first", CHECK).collect().rows()
    ]


def _stop(reasons: Sequence[dict[str, Any]], partition: SourcePartition) -> None:
    for reason in reasons:
        if reason["on_fail"] == "stop":
            raise DataError(
                f"{reason['rows']:,} rows break the rule: {reason['check']}",
                where=f"{partition.name}, row {reason['first']}",
                hint="mend the source, or let the rule quarantine such rows (on_fail: quarantine)",
            )
