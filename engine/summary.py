"""Tells what a run came to as plain data: what reports draw, the catalog keeps and the command line prints."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

from engine.compile import Compiled
from engine.execute import Execution
from engine.graph import Task
from engine.registry import describe, name_of
from engine.stores.catalog import Batch, RunRecord

_REPORTED = ("levada", "polars", "scikit-learn", "dask", "hydra-core", "numpy", "skops")


def summarize(
    compiled: Compiled,
    execution: Execution,
    record: RunRecord,
    overrides: Sequence[str],
    batches: Sequence[Batch],
    seconds: float,
) -> dict[str, Any]:
    """Return everything there is to say about a run. Keys whose tasks did not end well are empty, not absent."""
    evaluation = _evaluation(compiled, execution)
    metrics = {part: found["metrics"] for part, found in evaluation.items()}
    segregation = _data(execution, compiled.segregation) or {}
    failures = execution.failures()
    used = _batches(compiled, execution, batches)
    return {
        "id": record.id,
        "pipeline": record.pipeline,
        "status": "failed" if failures else "done",
        "started": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "question": _question(compiled, metrics),
        "overrides": list(overrides),
        "model": describe(compiled.spec.model),
        "stages": stages(execution),
        "edges": [list(edge) for edge in execution.graph.edges()],
        "datasets": [_dataset(compiled, execution, name, used.get(name, [])) for name in compiled.ingest],
        "split": segregation.get("split", []),
        "warnings": segregation.get("warnings", []) + _ingest_warnings(compiled, execution),
        "features": _features(compiled, execution),
        "metrics": metrics,
        "evaluation": evaluation,
        "importance": (compiled.importance and _data(execution, compiled.importance)) or [],
        "lineage": {
            "batches": [_lineage(batch) for found in used.values() for batch in found],
            "versions": versions(),
            "commit": commit(),
        },
        "results": {
            f"{task.label} {task.index}": artifact.digest
            for task in execution.graph.values()
            if task.label.startswith("model.") and (artifact := execution.artifact(task.key)) is not None
        },
        "failures": [
            {"label": task.label, "index": task.index, "message": str(error), "exit_code": error.exit_code}
            for task, error in failures
        ],
    }


def stages(execution: Execution) -> list[dict[str, Any]]:
    """Return, for each stage, how many tasks ended how, and the rows, bytes and seconds of all of them."""
    return [_stage(label, tasks, execution) for label, tasks in execution.graph.stages().items()]


def _stage(label: str, tasks: Sequence[Task], execution: Execution) -> dict[str, Any]:
    outcomes = [execution.outcomes[task.key] for task in tasks]
    artifacts = [outcome.artifact for outcome in outcomes if outcome.artifact is not None]
    rows = [artifact.rows for artifact in artifacts if artifact.rows is not None]
    counts = {
        status: sum(outcome.status == status for outcome in outcomes) for status in ("ran", "reused", "failed", "skipped")
    }
    return {
        "label": label,
        "tasks": len(tasks),
        **counts,
        "rows": sum(rows) if rows else None,
        "bytes": sum(artifact.bytes for artifact in artifacts),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 3),
    }


def _question(compiled: Compiled, metrics: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    """Return what was asked and, on test rows if there are any, what the answer is."""
    problem, metric = compiled.spec.problem, compiled.spec.metric
    part = next((part for part in ("test", "validation", "train") if part in metrics), None)
    answer = metrics[part].get(name_of(type(metric))) if part is not None else None
    better = metric.greater_is_better
    reached = None
    if problem.goal is not None and answer is not None:
        reached = answer >= problem.goal if better else answer <= problem.goal
    return {
        "task": problem.task,
        "target": problem.target,
        "metric": name_of(type(metric)),
        "goal": problem.goal,
        "greater_is_better": better,
        "answer": answer,
        "part": part,
        "reached": reached,
    }


def _evaluation(compiled: Compiled, execution: Execution) -> dict[str, Any]:
    found = {part: _data(execution, key) for part, key in compiled.evaluation.items()}
    return {part: data for part, data in found.items() if data is not None}


def _dataset(compiled: Compiled, execution: Execution, name: str, batches: Sequence[Batch]) -> dict[str, Any]:
    ingested = [artifact for key in compiled.ingest[name] if (artifact := execution.artifact(key)) is not None]
    told = [artifact.data() for artifact in ingested]
    schema = _data(execution, compiled.schemas[name]) or {}
    reasons: dict[str, int] = {}
    for reason in (reason for one in told for reason in one["reasons"] if reason["on_fail"] != "warn"):
        reasons[reason["check"]] = reasons.get(reason["check"], 0) + reason["rows"]
    return {
        "name": name,
        "mode": compiled.spec.datasets[name].mode,
        "batches": [
            {"id": batch.id, "sequence": batch.sequence, "rows": batch.rows, "partitions": len(batch.partitions)}
            for batch in batches
        ],
        "rows": sum(artifact.rows or 0 for artifact in ingested),
        "quarantined": sum(one["quarantined"] for one in told),
        "partitions": len(compiled.ingest[name]),
        "columns": schema.get("columns", []),
        "reasons": [{"check": check, "rows": rows} for check, rows in reasons.items()],
    }


def _ingest_warnings(compiled: Compiled, execution: Execution) -> list[dict[str, str]]:
    found = []
    for name, keys in compiled.ingest.items():
        told = [artifact.data() for key in keys if (artifact := execution.artifact(key)) is not None]
        quarantined = sum(one["quarantined"] for one in told)
        if quarantined:
            message = f"{_rows(quarantined)} of {name} broke a rule and went to quarantine"
            advice = "the report's data table has the rules; mend the source, or the rule"
            found.append({"code": "quarantined", "message": message, "advice": advice})
        warned = [reason for one in told for reason in one["reasons"] if reason["on_fail"] == "warn"]
        for check in dict.fromkeys(reason["check"] for reason in warned):
            rows = sum(reason["rows"] for reason in warned if reason["check"] == check)
            message = f"{_rows(rows)} of {name} broke the rule: {check}"
            found.append({"code": "rule_broken", "message": message, "advice": "they were kept, as on_fail: warn says"})
    return found


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _features(compiled: Compiled, execution: Execution) -> dict[str, Any]:
    encoded: dict[str, Any] = next((data for key in compiled.encoded if (data := _data(execution, key)) is not None), {})
    return {"used": encoded.get("features", []), "left_out": encoded.get("left_out", [])}


def _batches(compiled: Compiled, execution: Execution, batches: Sequence[Batch]) -> dict[str, list[Batch]]:
    """Return the batches whose files the run has used, by dataset."""
    used = {
        (json.loads(execution.graph[key].params)["partition"]["name"], artifact.file.digest)
        for keys in compiled.ingest.values()
        for key in keys
        if (artifact := execution.artifact(key)) is not None and artifact.file is not None
    }
    found: dict[str, list[Batch]] = {}
    for batch in batches:
        if batch.dataset in compiled.ingest and any((part.source, part.digest) in used for part in batch.partitions):
            found.setdefault(batch.dataset, []).append(batch)
    return found


def _lineage(batch: Batch) -> dict[str, Any]:
    return {
        "dataset": batch.dataset,
        "id": batch.id,
        "sequence": batch.sequence,
        "created": datetime.fromtimestamp(batch.created, UTC).isoformat(timespec="seconds"),
        "sources": [part.source for part in batch.partitions],
    }


def _data(execution: Execution, key: str) -> Any:
    artifact = execution.artifact(key)
    return artifact.data() if artifact is not None else None


@cache
def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for name in _REPORTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str | None:
    """Return the git commit of the working directory, marked when something is not committed; None outside of git."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty= (with uncommitted changes)", "--abbrev=12"],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
