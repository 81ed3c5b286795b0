"""Brings quarantined rows in that keep the rules by now, as a run of its own.

In: a specification. Out: plain data, and what went wrong. The rules about a dataset as a whole are looked at once its rows are
in, as after any ingestion.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from engine.config.spec import PipelineSpec
from engine.errors import LevadaError, unknown
from engine.execute import Watcher, Workers
from engine.ingestion.checks import Verdict, check_datasets, last_ingested, plan_checks
from engine.ingestion.replay import Replayed, plan_replay, replay
from engine.runs import Stores, opened, recorded, workers_of
from engine.stores.catalog import RunRecord


@dataclass(frozen=True, slots=True, repr=False)
class Replays:
    """What came of ``levada quarantine replay``: plain data, and what went wrong."""

    summary: Mapping[str, Any]
    errors: Sequence[LevadaError]

    def raise_failure(self) -> None:
        """Raise the first failure, if there is one."""
        for error in self.errors:
            raise error


def replay_quarantine(spec: PipelineSpec, dataset: str | None = None, *, watchers: Sequence[Watcher] = ()) -> Replays:
    """Bring in the quarantined rows of a dataset, or of all datasets of a pipeline, that keep the rules of the pipeline now.

    One that fails does not stop the others. Raises ``UnknownName`` for a dataset that the pipeline does not have,
    ``Interrupted`` on Ctrl-C.
    """
    if dataset is not None and dataset not in spec.datasets:
        raise unknown("dataset", dataset, spec.datasets, where="datasets")
    names = list(spec.datasets) if dataset is None else [dataset]
    errors: dict[str, LevadaError] = {}
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers, spec.origin.placed():
        with recorded(stores.catalog, [spec.name]) as (record,):
            planned = []
            for name in names:
                try:
                    planned.append(plan_replay(name, spec.datasets[name], stores.catalog))
                except LevadaError as error:
                    errors[name] = error
            found = replay(
                planned,
                stores.files,
                stores.catalog,
                stores.bus,
                workers,
                run=record.id,
                keep_going=spec.keep_going,
                watchers=watchers,
            )
            verdicts = _judged(spec, found, stores, workers, record.id, watchers)
        broken = [verdict.error for verdict in verdicts if verdict.error is not None]
        failures = [*errors.values(), *(error for one in found for error in one.failures.values()), *broken]
        summary = _summary(record, found, verdicts, failures)
        ended = RunRecord(record.id, record.pipeline, summary["status"], record.started, time.time(), summary)
        stores.catalog.save_run(ended)
    return Replays(summary, failures)


def _judged(
    spec: PipelineSpec, found: Sequence[Replayed], stores: Stores, workers: Workers, run: str, watchers: Sequence[Watcher]
) -> list[Verdict]:
    """Return what datasets break now that have new rows: those stay, as they are committed."""
    names = [one.name for one in found if one.batch is not None]
    subjects = [replace(last_ingested(name, stores.catalog), dataset=spec.datasets[name]) for name in names]
    asked = plan_checks(subjects, stores.catalog)
    return check_datasets(asked, stores.files, stores.catalog, workers, run=run, keep_going=spec.keep_going, watchers=watchers)


def _summary(
    record: RunRecord, found: Sequence[Replayed], verdicts: Sequence[Verdict], failures: Sequence[LevadaError]
) -> dict[str, Any]:
    return {
        "id": record.id,
        "pipeline": record.pipeline,
        "kind": "replay",
        "status": "failed" if failures else "done",
        "started": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        "datasets": [
            {
                "name": one.name,
                "batch": one.batch.id if one.batch is not None else None,
                "sequence": one.batch.sequence if one.batch is not None else None,
                "replays": list(one.batch.replays) if one.batch is not None else [],
                "rows_in": one.rows_in,
                "rows": one.rows,
                "failures": [str(error) for error in one.failures.values()],
            }
            for one in found
        ],
        "warnings": [asdict(finding) for verdict in verdicts for finding in verdict.findings],
        "failures": [{"message": str(error), "exit_code": error.exit_code} for error in failures],
    }
