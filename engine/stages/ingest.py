"""Reads one partition of a source into the raw store; rows that break a rule or can not be parsed go to quarantine.

In: nothing. Out: the rows that were loaded, types as learned; the value says how many rows were read, what columns they
have, between what times they lie, and which rules were broken. Rows set aside are beside it; every row is in one
of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from engine.digest import canonical
from engine.errors import DataError, LevadaError
from engine.plugin import Check, Extractor, SourcePartition
from engine.stages.reading import Rules, columns_in, read_partition, reasons_in, spans_in
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact
from engine.stores.commit import scratch
from engine.stores.raw import Slot


def run(work: Work) -> Artifact:
    """Ingest one partition: ``extract``, ``expect``, ``partition``; ``fit`` are the columns that rows must fit, or None."""
    extractor: Extractor = work.plugin("extractor", "extract")
    checks = [check for check in work.plugins("check", "expect") if isinstance(check, Check)]
    rules = Rules(checks, work.params["held"], work.params["fit"])
    partition = SourcePartition(**work.params["partition"])
    with scratch(work.store.root) as folder:
        try:
            with explained(f"cannot read {partition.name}", hint="is the file complete?"):
                written = read_partition(extractor, partition, rules, folder)
        except DataError as error:
            if partition.name not in str(error):
                error.where = ", ".join(filter(None, (partition.name, error.where)))
            raise
        reasons = reasons_in(written.aside, checks)
        _stop(reasons, partition)
        columns, spans = columns_in(written.loaded), spans_in(written.loaded)
        loaded = work.store.raw.put(written.loaded, slot_of(work, "raw"))
        aside = work.store.raw.put(written.aside, slot_of(work, "quarantine")) if reasons else None
    quarantined = sum(reason["rows"] for reason in reasons if reason["on_fail"] != "warn")
    if written.rows_in != (loaded.rows or 0) + quarantined:
        raise LevadaError(
            f"{partition.name}: rows went missing", expected=f"{written.rows_in:,}", found=f"{loaded.rows:,} + {quarantined:,}"
        )
    value = {"rows_in": written.rows_in, "reasons": reasons, "columns": columns, "spans": spans}
    return Artifact(canonical(value), loaded.file, loaded.rows, (aside,) if aside else ())


def slot_of(work: Work, area: Literal["raw", "quarantine"]) -> Slot:
    """Return where rows of the partition that a task is about are kept."""
    return Slot(area, work.params["dataset"], work.params["batch"], work.params["number"])


def _stop(reasons: Sequence[dict[str, Any]], partition: SourcePartition) -> None:
    for reason in reasons:
        if reason["on_fail"] == "stop":
            raise DataError(
                f"{reason['rows']:,} rows break the rule: {reason['check']}",
                where=f"{partition.name}, row {reason['first']}",
                hint="mend the source, or let the rule quarantine such rows (on_fail: quarantine)",
            )
