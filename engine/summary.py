"""Tells what a run came to as plain data: what reports draw, the catalog keeps and the command line prints."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

from engine import digest
from engine.compile import Compiled
from engine.config.spec import PipelineSpec
from engine.errors import LevadaError, nearest
from engine.execute import Execution
from engine.graph import Task
from engine.ingestion import Ingested
from engine.ingestion.replay import Replayed
from engine.plugin import Finding
from engine.registry import describe, name_of
from engine.schemas import shown
from engine.stores.batches import Batch, BatchPartition
from engine.stores.catalog import RunRecord

_REPORTED = ("levada", "polars", "scikit-learn", "dask", "hydra-core", "numpy", "skops")


def summarize(
    compiled: Compiled,
    execution: Execution,
    ingested: Mapping[str, Ingested],
    record: RunRecord,
    overrides: Sequence[str],
    seconds: float,
    version: str | None = None,
    condition: Mapping[str, Any] | None = None,
    learning_curve: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return everything there is to say about a run. Keys whose tasks did not end well are empty, not absent.

    ``version`` is that of the view's features, ``condition`` what was found out of the data.
    """
    evaluation = _evaluation(compiled, execution)
    metrics = {part: found["metrics"] for part, found in evaluation.items()}
    segregation = _data(execution, compiled.segregation) or {}
    judgement = _data(execution, compiled.judgement) or {}
    fit = (_data(execution, compiled.model) or {}).get("fit", {})
    failures = execution.failures()
    return {
        "id": record.id,
        "pipeline": record.pipeline,
        "status": _status(compiled, execution),
        "started": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "question": _question(compiled, evaluation),
        "overrides": list(overrides),
        "model": describe(compiled.spec.model),
        "stages": stages(execution),
        "edges": [list(edge) for edge in execution.graph.edges()],
        "datasets": [dataset_summary(one, compiled.spec.datasets[name].mode) for name, one in ingested.items()],
        "split": segregation.get("split", []),
        "condition": dict(condition) if condition is not None else None,
        "warnings": [
            *judgement.get("warnings", []),
            *_unknown_costs(compiled.spec, segregation.get("split", [])),
            *ingest_warnings(ingested.values()),
            *_not_assessed(condition),
            *fit.get("findings", []),
        ],
        "features": {"version": version, **_features(compiled, execution)},
        "divided": _divided(compiled, execution, version),
        "fit": fit.get("facts", {}),
        "exemplars": (compiled.exemplars and _data(execution, compiled.exemplars)) or [],
        "stability": _stability(compiled, execution),
        "metrics": metrics,
        "evaluation": evaluation,
        "slices": {part: found for part, key in compiled.slices.items() if (found := _data(execution, key)) is not None},
        "tested": "test" in evaluation,
        "learning_curve": dict(learning_curve) if learning_curve is not None else None,
        "importance": (compiled.importance and _data(execution, compiled.importance)) or [],
        "lineage": {
            "batches": [_lineage(batch, parts) for one in ingested.values() for batch, parts in _batches(one)],
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
        "bundle": None,  # the file of what can be deployed, and what its gate said: whoever keeps it says so
        "promotion": None,
    }


def _stability(compiled: Compiled, execution: Execution) -> dict[str, Any] | None:
    """Return how alike refits of a clustering were to it, and each cluster to its like; None where there were none."""
    found = [data for key in compiled.refits if (data := _data(execution, key)) is not None]
    if not found:
        return None
    alike: dict[str, list[float]] = {}
    for one in found:
        for cluster, value in one["jaccard"].items():
            alike.setdefault(cluster, []).append(value)
    rand = [one["adjusted_rand"] for one in found]
    counts = [one["clusters"] for one in found]
    return {
        "refits": len(found),
        "adjusted_rand": round(sum(rand) / len(rand), 6),
        "range": [min(rand), max(rand)],
        "clusters": [min(counts), max(counts)],
        "jaccard": [
            {"cluster": int(cluster), "mean": round(sum(values) / len(values), 6)}
            for cluster, values in sorted(alike.items(), key=lambda pair: int(pair[0]))
        ],
    }


def _unknown_costs(spec: PipelineSpec, split: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a finding for each class that has a cost and no row."""
    known = {name for entry in split for name in entry.get("classes", {})}
    named = dict.fromkeys(name for true, line in spec.problem.costs.items() for name in (true, *line))
    found = [name for name in named if known and name not in known]
    return [
        asdict(
            Finding(
                "no_such_class",
                f"problem.costs names the class {name!r}, of which there is no row",
                f"did you mean {near!r}?" if (near := nearest(name, known)) else f"there are {', '.join(sorted(known)[:12])}",
            )
        )
        for name in found
    ]


def _status(compiled: Compiled, execution: Execution) -> str:
    """Return how a run ended; not_begun is a trial whose model was not measured, because the sweep had enough before."""
    if execution.failures():
        return "failed"
    measured = execution.outcomes[compiled.evaluation[compiled.ranking]]
    return "not_begun" if measured.status == "skipped" else "done"


def _divided(compiled: Compiled, execution: Execution, version: str | None) -> str | None:
    """Return the digest that runs share whose metrics are of the same rows: of view, parts, question and metrics."""
    parts = [artifact.digest for key in compiled.parts if (artifact := execution.artifact(key)) is not None]
    if version is None or len(parts) < len(compiled.parts):
        return None
    problem = compiled.spec.problem
    return digest.of_value([version, parts, problem.task, problem.target, [describe(one) for one in compiled.spec.metrics]])


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


def _question(compiled: Compiled, evaluation: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was asked and, on test rows if there are any, what the answer is."""
    problem, metric = compiled.spec.problem, compiled.spec.metric
    part = next((part for part in ("test", "validation", "train") if part in evaluation), None)
    name, found = name_of(type(metric)), evaluation[part] if part is not None else {"metrics": {}, "intervals": {}}
    answer = found["metrics"].get(name)
    better = metric.greater_is_better
    reached = None
    if problem.goal is not None and answer is not None:
        reached = answer >= problem.goal if better else answer <= problem.goal
    return {
        "task": problem.task,
        "target": problem.target,
        "metric": name,
        "goal": problem.goal,
        "greater_is_better": better,
        "answer": answer,
        "interval": found["intervals"].get(name),
        "part": part,
        "reached": reached,
    }


def _evaluation(compiled: Compiled, execution: Execution) -> dict[str, Any]:
    found = {part: _data(execution, key) for part, key in compiled.evaluation.items()}
    return {
        part: {name: value for name, value in data.items() if name != "resamples"}  # of use beside another model's only
        for part, data in found.items()
        if data is not None
    }


def dataset_summary(ingested: Ingested, mode: str) -> dict[str, Any]:
    """Return what there is to say of a dataset: its batches, rows, columns, what is new, and what went to quarantine."""
    held, aside = [one.partition for one in ingested.held], _waiting(ingested)
    reasons: dict[str, int] = {}
    for reason in (reason for one in aside for reason in one.reasons if reason.on_fail != "warn"):
        reasons[reason.check] = reasons.get(reason.check, 0) + reason.rows
    return {
        "name": ingested.name,
        "mode": mode,
        "batches": [
            {
                "id": batch.id,
                "sequence": batch.sequence,
                "rows": sum(one.loaded.rows for one in parts),
                "partitions": len(parts),
            }
            for batch, parts in _batches(ingested)
        ],
        "new": len(ingested.new),
        "new_rows": sum(batch.rows for batch in ingested.new),
        "new_quarantined": sum(batch.quarantined for batch in ingested.new),
        "rows": ingested.rows,
        "quarantined": sum(one.quarantined for one in aside),
        "partitions": len(held),
        "columns": shown(ingested.content.columns),
        "reasons": [{"check": check, "rows": rows} for check, rows in reasons.items()],
        "drift": list(ingested.notes),
        "failures": [str(error) for error in ingested.failures()],
    }


def _waiting(ingested: Ingested) -> list[BatchPartition]:
    """Return the partitions whose rows are in quarantine now: where some were replayed, it is the last replay that says."""
    last: dict[str, BatchPartition] = {}
    for _, parts in _batches(ingested):
        last |= {part.of or part.source: part for part in parts}
    return list(last.values())


def ingest_summary(
    spec: PipelineSpec,
    ingested: Sequence[Ingested],
    errors: Mapping[str, LevadaError],
    failures: Sequence[LevadaError],
    record: RunRecord,
) -> dict[str, Any]:
    """Return everything there is to say about an ingestion; ``errors`` are of datasets that could not begin."""
    found = [dataset_summary(one, spec.datasets[one.name].mode) for one in ingested]
    empty = {"batches": [], "new": 0, "new_rows": 0, "new_quarantined": 0, "rows": 0, "quarantined": 0, "partitions": 0}
    more: dict[str, list[Any]] = {"columns": [], "reasons": [], "drift": []}
    found += [
        {"name": name, "mode": spec.datasets[name].mode, **empty, **more, "failures": [str(error)]}
        for name, error in errors.items()
    ]
    datasets = sorted(found, key=lambda one: list(spec.datasets).index(one["name"]))
    return _intake_summary("ingest", datasets, ingest_warnings(ingested), failures, record)


def replay_summary(
    replayed: Sequence[Replayed], findings: Sequence[Finding], failures: Sequence[LevadaError], record: RunRecord
) -> dict[str, Any]:
    """Return everything there is to say about rows that came in from quarantine, or stayed there."""
    datasets = [
        {
            "name": one.name,
            "batch": one.batch.id if one.batch is not None else None,
            "sequence": one.batch.sequence if one.batch is not None else None,
            "replays": list(one.batch.replays) if one.batch is not None else [],
            "rows_in": one.rows_in,
            "rows": one.rows,
            "failures": [str(error) for error in one.failures.values()],
        }
        for one in replayed
    ]
    return _intake_summary("replay", datasets, [asdict(finding) for finding in findings], failures, record)


def _intake_summary(
    kind: str,
    datasets: Sequence[Mapping[str, Any]],
    warnings: Sequence[Mapping[str, Any]],
    failures: Sequence[LevadaError],
    record: RunRecord,
) -> dict[str, Any]:
    return {
        "id": record.id,
        "pipeline": record.pipeline,
        "kind": kind,
        "status": "failed" if failures else "done",
        "started": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        "datasets": list(datasets),
        "warnings": list(warnings),
        "failures": [{"message": str(error), "exit_code": error.exit_code} for error in failures],
    }


def split_summary(
    parts: Sequence[Mapping[str, Any]],
    warnings: Sequence[Finding],
    execution: Execution,
    ingested: Mapping[str, Ingested],
    record: RunRecord,
    overrides: Sequence[str],
) -> dict[str, Any]:
    """Return everything there is to say about rows that were divided, and nothing was learned from."""
    return {
        "id": record.id,
        "pipeline": record.pipeline,
        "kind": "split",
        "status": "done",
        "started": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        "overrides": list(overrides),
        "stages": stages(execution),
        "split": list(parts),
        "warnings": [*map(asdict, warnings), *ingest_warnings(ingested.values())],
    }


def ingest_warnings(ingested: Iterable[Ingested]) -> list[dict[str, Any]]:
    """Return what a person should know of rows that broke rules and of columns that changed."""
    found: list[Finding] = []
    for one in ingested:
        quarantined = sum(partition.quarantined for partition in _waiting(one))
        if quarantined:
            message = f"{_rows(quarantined)} of {one.name} went to quarantine"
            advice = f"`levada quarantine {one.name}` says why"
            found.append(Finding("quarantined", message, advice, numbers={"dataset": one.name, "rows": quarantined}))
        warned: dict[str, int] = {}
        for reason in (reason for held in one.held for reason in held.partition.reasons if reason.on_fail == "warn"):
            warned[reason.check] = warned.get(reason.check, 0) + reason.rows
        for check, rows in warned.items():
            message = f"{_rows(rows)} of {one.name} broke the rule: {check}"
            numbers = {"dataset": one.name, "rows": rows}
            found.append(Finding("rule_broken", message, "they were kept, as on_fail: warn says", numbers=numbers))
        found += one.findings
        for note in dict.fromkeys([*(line for held in one.held for line in held.batch.drift), *one.notes]):
            advice = f"taken in as datasets.{one.name}.on_drift says"
            found.append(Finding("drift", note, advice, numbers={"dataset": one.name}))
    return [asdict(one) for one in found]


def _not_assessed(condition: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return what could not be assessed: it is no failure of a run, because nothing is made of it."""
    advice = "nothing else depends on it; assess: false goes without"
    return [
        asdict(Finding("not_assessed", f"{one['dataset']} could not be assessed: {one['message']}", advice))
        for one in (condition["failures"] if condition is not None else ())
    ]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _features(compiled: Compiled, execution: Execution) -> dict[str, Any]:
    encoded: dict[str, Any] = next((data for key in compiled.encoded if (data := _data(execution, key)) is not None), {})
    return {
        "used": encoded.get("features", []),
        "left_out": encoded.get("left_out", []),
        "chosen": _chosen(compiled, execution),
    }


def _chosen(compiled: Compiled, execution: Execution) -> list[dict[str, Any]]:
    """Return what steps of the encoding that choose columns said of each: the step, the column, whether it stayed, why."""
    states = dict.fromkeys(key for encoded in compiled.encoded for key in execution.graph[encoded].inputs)
    steps = [execution.graph[key] for key in states if execution.graph[key].function == "merge"]
    return [{"step": step.label, **choice} for step in steps for choice in _data(execution, step.key) or []]


def _batches(ingested: Ingested) -> list[tuple[Batch, list[BatchPartition]]]:
    """Return the batches that a dataset is made of now, each with the partitions that count, in their order."""
    found: dict[str, tuple[Batch, list[BatchPartition]]] = {}
    for held in ingested.held:
        found.setdefault(held.batch.id, (held.batch, []))[1].append(held.partition)
    return sorted(found.values(), key=lambda pair: pair[0].sequence)


def _lineage(batch: Batch, parts: Sequence[BatchPartition]) -> dict[str, Any]:
    return {
        "dataset": batch.dataset,
        "id": batch.id,
        "sequence": batch.sequence,
        "created": datetime.fromtimestamp(batch.created, UTC).isoformat(timespec="seconds"),
        "sources": [part.source for part in parts],
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
