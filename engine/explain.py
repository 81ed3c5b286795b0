"""Answers questions about what would run, what ran and where things came from. Reads the catalog and changes nothing."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.config.spec import PipelineSpec
from engine.errors import DataError
from engine.execute import resolve
from engine.graph import Graph, Task
from engine.runs import Compiler, opened
from engine.stores.catalog import Batch, Catalog, Memory, RunRecord, SqliteCatalog


def explain(spec: PipelineSpec) -> dict[str, Any]:
    """Return, for each stage, how many tasks would run or be reused, and for what would run, why.

    What takes the result of a task that would run is counted as if it ran too; if that result turns out as it was, it
    will not.
    """
    with opened(spec, look=True) as (store, catalog):
        graph = Compiler(catalog, look=True).compile(spec, final=True).graph
        found = resolve(graph, catalog.known(task.recipe for task in graph.values()), store)
        before = {label: catalog.history(label) for label in graph.stages()}
        reasons = {key: _reason(task, graph, found, before[task.label]) for key, task in graph.items() if key not in found}
        return {
            "pipeline": spec.name,
            "stages": [
                {
                    "label": label,
                    "tasks": len(tasks),
                    "run": sum(task.key in reasons for task in tasks),
                    "reuse": sum(task.key in found for task in tasks),
                    "reasons": _counted(reasons[task.key] for task in tasks if task.key in reasons),
                }
                for label, tasks in graph.stages().items()
            ],
        }


def _reason(task: Task, graph: Graph, found: Mapping[str, Any], before: Sequence[Memory]) -> str:
    """Return why a task would run: what differs from the last time that is most like it."""
    waits = dict.fromkeys(graph[source].label for source in task.inputs if source not in found)
    own = [memory for memory in before if memory.index == task.index]
    if not own:
        return "never ran"
    old = max(own, key=lambda memory: (memory.params == task.params, memory.code == task.code, memory.created))
    when = datetime.fromtimestamp(old.created).astimezone().strftime("%Y-%m-%d %H:%M")
    if old.params != task.params:
        return f"{_changed(json.loads(old.params), json.loads(task.params))} changed since {when}"
    if old.code != task.code:
        return f"code changed since {when}"
    if waits:
        return f"takes the result of {', '.join(waits)}"
    contents = tuple(found[source].artifact.digest for source in task.inputs)
    if contents != old.contents:
        return f"its input changed since {when}"
    return "its result is no longer in the store"


def _changed(old: Any, new: Any, path: str = "") -> str:
    """Return the path of the first parameter that differs, with both values if they are short."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=lambda key: (key != "use", key)):  # another plugin has other parameters
            if old.get(key) != new.get(key):
                return _changed(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            if left != right:
                return _changed(left, right, f"{path}[{number}]")
    before, after = json.dumps(old), json.dumps(new)
    return f"{path} ({before} -> {after})" if len(before) + len(after) < 60 else path


def _counted(reasons: Iterable[str]) -> list[str]:
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    return [reason if count == 1 else f"{reason} ({count} tasks)" for reason, count in counts.items()]


def list_runs(root: Path) -> list[dict[str, Any]]:
    """Return the runs of a store, newest first."""
    catalog = _catalog(root)
    try:
        return [
            {
                "id": run.id,
                "pipeline": run.pipeline,
                "status": _status(run),
                "started": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
                "seconds": round(run.ended - run.started, 1) if run.ended else None,
                "answer": _answer(run.summary.get("question") or {}),
                "overrides": " ".join(run.summary.get("overrides", [])),
            }
            for run in catalog.runs()
        ]
    finally:
        catalog.close()


def _status(run: RunRecord) -> str:
    """Return a run's status; one that says it is running and whose process is gone was killed."""
    if run.status != "running" or run.summary.get("host") != platform.node():
        return run.status
    try:
        os.kill(run.summary["process"], 0)  # sends nothing, only asks whether it is there
    except ProcessLookupError:
        return "killed"
    except PermissionError:  # somebody else's: it is there
        pass
    return run.status


def _answer(question: Mapping[str, Any]) -> str:
    return f"{question['metric']} {question['answer']:.4f}" if question.get("answer") is not None else ""


def lineage(root: Path, identity: str) -> dict[str, Any]:
    """Return where a run, a batch or a result came from and what came of it, as indented lines.

    ``identity`` may be the beginning of an id. Raises ``DataError`` when nothing is known of it.
    """
    catalog = _catalog(root)
    try:
        run = catalog.run(identity)
        if run is not None:
            results = [(0, f"{label}  {digest}") for label, digest in run.summary.get("results", {}).items()]
            title = f"run {run.id} of {run.pipeline}, {run.status}"
            return {"title": title, "from": _run_lines(run.summary), "to": results}
        batch = next((batch for batch in catalog.batches() if batch.id.startswith(identity)), None)
        if batch is not None:
            return {"title": _batch_line(batch), "from": _source_lines(batch), "to": _uses(catalog, _artifacts(catalog, batch))}
        memory = catalog.origin(identity) if identity else None
        if memory is not None:
            title = f"{memory.label} {memory.index}: {memory.artifact.digest}"
            return {"title": title, "from": _origins(catalog, memory), "to": _uses(catalog, [memory.artifact.digest])}
    finally:
        catalog.close()
    raise DataError(f"nothing is known of '{identity}'", hint="`levada runs` lists runs; reports name batches")


def _run_lines(summary: Mapping[str, Any]) -> list[tuple[int, str]]:
    history = summary.get("lineage", {})
    lines = [(0, f"code {history.get('commit') or 'outside of git'}")] if history else []
    for batch in history.get("batches", []):
        lines.append((0, f"{batch['dataset']} batch {batch['id']} ({batch['sequence']}), committed {batch['created']}"))
        lines += [(1, source) for source in batch["sources"]]
    return lines


def _batch_line(batch: Batch) -> str:
    return f"{batch.dataset} batch {batch.id} ({batch.sequence}), {batch.rows:,} rows"


def _source_lines(batch: Batch) -> list[tuple[int, str]]:
    return [(0, f"{part.source}  {part.rows:,} rows, {part.quarantined:,} quarantined") for part in batch.partitions]


def _artifacts(catalog: Catalog, batch: Batch) -> list[str]:
    """Return the digests of the artifacts that are a batch's partitions."""
    files = {part.digest for part in batch.partitions}
    artifacts = [memory.artifact for memory in catalog.history(f"{batch.dataset}.ingest")]
    return list(dict.fromkeys(one.digest for one in artifacts if one.file is not None and one.file.digest in files))


def _origins(catalog: Catalog, memory: Memory, depth: int = 0, seen: set[str] | None = None) -> list[tuple[int, str]]:
    """Return what a result was made of, back to the files, each stage once."""
    seen = set() if seen is None else seen
    lines = []
    for content in memory.contents:
        source = catalog.origin(content)
        if source is None or source.label in seen:
            continue
        seen.add(source.label)
        count = sum(1 for other in memory.contents if (found := catalog.origin(other)) and found.label == source.label)
        note = f" and {count - 1} more" if count > 1 else ""
        lines.append((depth, f"{source.label}{note}  {_file_of(source) or source.artifact.digest}"))
        lines += _origins(catalog, source, depth + 1, seen)
    return lines


def _file_of(memory: Memory) -> str:
    """Return the piece of the source that an ingested partition came from, nothing for other results."""
    return str(json.loads(memory.params)["partition"]["name"]) if memory.label.endswith(".ingest") else ""


def _uses(catalog: Catalog, contents: Iterable[str]) -> list[tuple[int, str]]:
    """Return the stages that what came of results, and what came of that."""
    lines: list[tuple[int, str]] = []
    seen: set[str] = set()
    level, depth = list(contents), 0
    while level:
        memories = [memory for content in level for memory in catalog.uses(content) if memory.memo not in seen]
        seen |= {memory.memo for memory in memories}
        counts: dict[str, int] = {}
        for label in (memory.label for memory in {memory.memo: memory for memory in memories}.values()):
            counts[label] = counts.get(label, 0) + 1
        lines += [(depth, f"{label}  {count} result{'s' * (count > 1)}") for label, count in counts.items()]
        level, depth = list({memory.artifact.digest for memory in memories}), depth + 1
    return lines


def _catalog(root: Path) -> SqliteCatalog:
    file = root / "catalog.sqlite"
    if not file.exists():
        raise DataError(f"there is no store at {root}", hint="run a pipeline first, or name the store with store.root=…")
    return SqliteCatalog(file)
