"""Reads one partition of a source into the raw store; rows that break a rule go to quarantine with the reason.

In: nothing. Out: a Parquet file of the rows that were loaded, types as learned; the value says how many rows were read
and where the quarantined ones are. Every row read is in one of the two files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from engine.digest import canonical
from engine.errors import DataError
from engine.plugin import Check, Extractor, SourcePartition, require
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact
from engine.stores.commit import StoredFile

_ROW = "__row__"  # number of the row in its source, from 1
_CHECK = "__check__"  # the rule that it broke, in words


def run(work: Work) -> Artifact:
    """Ingest one partition."""
    extractor: Extractor = work.plugin("extractor", "extract")
    checks = [check for check in work.plugins("check", "expect") if isinstance(check, Check)]
    partition = SourcePartition(**work.params["partition"])
    with explained(f"cannot read {partition.name}", hint="is the file complete?"):
        loaded, aside = _write(work, extractor, partition, checks)
        extractor.verify(partition, _read_back(work, loaded, aside))
    artifact = work.store.adopt(loaded)
    reasons = _reasons(work, aside) if aside else []
    _stop(reasons, partition)
    kept = [reason for reason in reasons if reason["on_fail"] != "warn"]
    # nothing of the source's name or age is in the value: equal rows are equal results, and what follows is reused
    value = {
        "quarantined": sum(reason["rows"] for reason in kept),
        "reasons": reasons,
        # without its folder, which holds the batch
        "quarantine": [Path(aside.path).name, aside.digest, aside.bytes] if aside and reasons else None,
    }
    return Artifact(canonical(value), artifact.file, artifact.rows)


def _write(
    work: Work, extractor: Extractor, partition: SourcePartition, checks: list[Check]
) -> tuple[StoredFile, StoredFile | None]:
    """Write both files in one pass; if a guessed type turns out wrong, again with types learned from every row."""
    try:
        return _pass(work, extractor.read(partition), checks)
    except pl.exceptions.ComputeError:
        try:
            return _pass(work, extractor.read(partition, thorough=True), checks)
        except pl.exceptions.ComputeError:
            extractor.diagnose(partition)
            raise


def _read_back(work: Work, loaded: StoredFile, aside: StoredFile | None) -> pl.LazyFrame:
    """Return all that was read: a row that was cut short is as likely to be among those set aside."""
    rows = pl.scan_parquet(work.store.root / loaded.path, glob=False)
    if aside is None:
        return rows
    return pl.concat([rows, pl.scan_parquet(work.store.root / aside.path, glob=False).drop(_ROW, _CHECK)])


def _pass(work: Work, frame: pl.LazyFrame, checks: list[Check]) -> tuple[StoredFile, StoredFile | None]:
    if not checks:
        return work.store.sink(frame, work.place, work.stem), None
    columns = frame.collect_schema().names()
    for check in checks:
        require(check.needs(), columns)
    numbered = frame.with_row_index(_ROW, offset=1)
    broken = numbered.with_columns(_first_broken(checks))
    loaded = broken.filter(pl.col(_CHECK).is_null() | pl.col(_CHECK).is_in(_warnings(checks))).drop(_ROW, _CHECK)
    aside = broken.filter(pl.col(_CHECK).is_not_null())
    return work.store.sink_two(
        (loaded, work.place, work.stem), (aside, work.place.replace("raw/", "quarantine/", 1), work.stem)
    )


def _first_broken(checks: list[Check]) -> pl.Expr:
    """Return the words of the first rule that a row breaks, null if it keeps all."""
    words = [pl.when(check.violations()).then(pl.lit(check.describe())) for check in sorted(checks, key=_is_warning)]
    return pl.coalesce([word.otherwise(pl.lit(None, pl.String)) for word in words]).alias(_CHECK)


def _is_warning(check: Check) -> bool:
    return check.on_fail == "warn"


def _warnings(checks: list[Check]) -> list[str]:
    return [check.describe() for check in checks if check.on_fail == "warn"]


def _reasons(work: Work, aside: StoredFile) -> list[dict[str, Any]]:
    checks = {check.describe(): check.on_fail for check in work.plugins("check", "expect") if isinstance(check, Check)}
    counts = (
        pl.scan_parquet(work.store.root / aside.path, glob=False)
        .group_by(_CHECK)
        .agg(rows=pl.len(), first=pl.col(_ROW).first())
    )
    rows = counts.sort(_CHECK).collect().rows()
    return [{"check": check, "rows": count, "first": first, "on_fail": checks[check]} for check, count, first in rows]


def _stop(reasons: list[dict[str, Any]], partition: SourcePartition) -> None:
    for reason in reasons:
        if reason["on_fail"] == "stop":
            raise DataError(
                f"{reason['rows']:,} rows break the rule: {reason['check']}",
                where=f"{partition.name}, row {reason['first']}",
                hint="mend the source, or let the rule quarantine such rows (on_fail: quarantine)",
            )
