"""Answers questions about what would run, what ran and where things came from. Reads the catalog and changes nothing."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from engine.bundling import registered
from engine.condition import plan_condition
from engine.config.spec import PipelineSpec, Store
from engine.errors import DataError
from engine.execute import resolve
from engine.graph import Graph, Task
from engine.ingestion import Planned, asked_of
from engine.learning import plan_learning_curve
from engine.opened import open_catalog, opened
from engine.plugin import ROW, Transformer
from engine.records import BATCH, PARTITION, held_now, rows
from engine.registry import build
from engine.runs import Compiler
from engine.stages.work import explained
from engine.stores.batches import Batch
from engine.stores.catalog import Catalog, Memory, RunRecord
from engine.stores.features import FeatureVersion
from engine.stores.history import find_batch


def explain(spec: PipelineSpec) -> dict[str, Any]:
    """Return, for each stage, how many tasks would run or be reused, and for what would run, why.

    What takes the result of a task that would run is counted as if it ran too; if that result turns out as it was, it
    will not.
    """
    with opened(spec.store, look=True) as stores:
        catalog, compiler = stores.catalog, Compiler(stores, look=True)
        planned = compiler.plan(spec)
        compiled, ingested = compiler.compile(spec, final=True)
        rules = asked_of(list(planned.values()), [ingested[name] for name in planned], catalog).graph
        condition = plan_condition(spec, ingested.values() if spec.assess else (), ahead=True).graph
        curve = plan_learning_curve(compiled, final=True)
        model = compiled.graph if curve is None else curve.graph
        graph = Graph([*rules.values(), *condition.values(), *model.values()])
        given = {
            key: ingested[name].outcomes[part.source]
            for name, keys in compiled.ingest.items()
            for key, part in zip(keys, ingested[name].content.parts, strict=True)
            if part.rows is not None
        }
        found = resolve(graph, catalog.known(task.recipe for task in graph.values()), stores.files, given)
        before = {label: catalog.history(label) for label in graph.stages()}
        reasons = {
            key: _why_read(task, planned) if task.function == "ingest" else _reason(task, graph, found, before[task.label])
            for key, task in graph.items()
            if key not in found
        }
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


def _why_read(task: Task, planned: Mapping[str, Planned]) -> str:
    """Return why a partition would be read."""
    one, source = planned[task.label.removesuffix(".ingest")], json.loads(task.params)["source"]
    unit = next(unit for unit in one.units if any(part.name == source for part in unit.partitions))
    if unit.restores is not None:
        return "its rows are no longer in the store"
    if source in one.held:
        return "it may have changed since it was ingested"
    return "never ran" if not one.before else "new, or to be read in another way than before"


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


def list_runs(store: Store) -> list[dict[str, Any]]:
    """Return the runs of a store, newest first."""
    catalog = _catalog(store)
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


def lineage(store: Store, identity: str, where: str | None = None) -> dict[str, Any]:
    """Return where something came from and what came of it: a dataset, run, batch, version of features or result, in lines.

    ``identity`` is the name of a dataset, an id or the beginning of one. ``where`` is an SQL condition and asks for the rows
    of a dataset that fulfil it: the batch, the piece of the source and the number there of each. Raises ``DataError`` when
    nothing is known of it.
    """
    if where is not None:
        return _lineage_of_rows(store, identity, where)
    catalog = _catalog(store)
    try:
        if of_dataset := catalog.batches(identity):
            return _lineage_of_dataset(catalog, of_dataset)
        run = catalog.run(identity)
        if run is not None:
            results = [(0, f"{label}  {digest}") for label, digest in run.summary.get("results", {}).items()]
            title = f"run {run.id} of {run.pipeline}, {run.status}"
            return {"title": title, "from": _run_lines(run.summary), "to": results}
        batch = find_batch(catalog.batches(), identity)
        if batch is not None:
            return {
                "title": _batch_line(batch),
                "from": _source_lines(batch),
                "to": _uses(catalog, [part.loaded.artifact().digest for part in batch.partitions]),
            }
        versions = [one for one in catalog.features() if identity and one.id.startswith(identity)]
        if len(versions) == 1:
            return _lineage_of_features(catalog, versions[0])
        models = [one for one in registered(catalog.runs(_LOOKED_AT_RUNS)).values() if identity and one.id.startswith(identity)]
        if len(models) == 1:
            return _lineage_of_model(catalog, models[0].id, models[0].runs)
        memory = catalog.origin(identity) if identity else None
        if memory is not None:
            title = f"{memory.label} {memory.index}: {memory.artifact.digest}"
            sources = _partitions(catalog)
            return {"title": title, "from": _origins(catalog, memory, sources), "to": _uses(catalog, [memory.artifact.digest])}
    finally:
        catalog.close()
    raise DataError(f"nothing is known of '{identity}'", hint="`levada runs` lists runs; reports name batches")


def _lineage_of_model(catalog: Catalog, identity: str, runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Return what a version of a bundle was made of, which aliases mean it and which runs came to it."""
    summary, pipeline = runs[0].summary, runs[0].pipeline
    libraries = ", ".join(f"{name} {version}" for name, version in summary["lineage"]["versions"].items())
    made_of = [(0, f"features version {summary['features']['version']}"), (0, libraries), *_run_lines(summary)]
    named = [(0, f"alias {one.name}") for one in catalog.aliases(pipeline) if one.version == identity]
    came = [(0, f"run {run.id}, {run.status}") for run in runs]
    title = f"model {identity} of {pipeline}: {summary['model']['use']}"
    return {"title": title, "from": made_of, "to": [*named, *came]}


def _lineage_of_features(catalog: Catalog, version: FeatureVersion) -> dict[str, Any]:
    by_id = {batch.id: batch for batch in catalog.batches()}
    batches = [by_id[one.id] for one in version.batches if one.id in by_id]
    lines = [line for batch in batches for line in ((0, _batch_line(batch)), *((1, text) for _, text in _source_lines(batch)))]
    return {
        "title": f"features of {version.view}, version {version.id}: {version.rows:,} rows, made by run {version.run}",
        "from": lines,
        "to": _uses(catalog, [part.piece.artifact().digest for part in version.partitions]),
    }


def _lineage_of_dataset(catalog: Catalog, batches: Sequence[Batch]) -> dict[str, Any]:
    held = held_now(batches)
    count = sum(one.partition.loaded.rows for one in held)
    lines = [line for batch in batches for line in ((0, _batch_line(batch)), *((1, text) for _, text in _source_lines(batch)))]
    digests = dict.fromkeys(one.artifact().digest for one in held)
    title = f"dataset {batches[0].dataset}: {count:,} rows of {len({one.batch.id for one in held})} batches"
    return {"title": title, "from": lines, "to": [*_uses(catalog, digests), *_runs_of(catalog, batches)]}


def _lineage_of_rows(store: Store, dataset: str, where: str) -> dict[str, Any]:
    condition = build("transformer", {"use": "filter", "where": where})
    assert isinstance(condition, Transformer)
    frame = rows(store, dataset)
    with explained(f"cannot look for rows where {where}"):
        found = condition.apply(frame).select(BATCH, PARTITION, ROW)
        first = found.head(_SHOWN_ROWS).collect()
        counts: dict[str, int] = dict(found.group_by(BATCH).len().collect(engine="streaming").rows())
    count = sum(counts.values())
    more = count - first.height
    catalog = _catalog(store)
    try:
        everything = catalog.batches(dataset)
        of_rows = [batch for batch in everything if batch.id in counts]
        lines: list[tuple[int, str]] = []
        for batch in of_rows:
            own = first.filter(pl.col(BATCH) == batch.id)
            lines.append((0, f"{_batch_line(batch)}, {counts[batch.id]:,} such"))
            lines += [(1, f"{source}, row {row:,}") for source, row in own.select(PARTITION, ROW).rows()]
        if more:
            lines.append((0, f"and {more:,} rows more"))
        digests = dict.fromkeys(one.artifact().digest for one in held_now(everything) if one.batch.id in counts)
        rows_said = "1 row" if count == 1 else f"{count:,} rows"
        return {
            "title": f"{rows_said} of {dataset} where {where}",
            "from": lines,
            "to": [*_uses(catalog, digests), *_runs_of(catalog, of_rows)],
            "rows": [{"batch": batch, "source": source, "row": row} for batch, source, row in first.rows()],
            "more": more,
        }
    finally:
        catalog.close()


_SHOWN_ROWS = 20


def _runs_of(catalog: Catalog, batches: Sequence[Batch]) -> list[tuple[int, str]]:
    """Return the runs that used batches."""
    wanted = {batch.id for batch in batches}
    return [
        (0, f"run {run.id} of {run.pipeline}, {run.status}")
        for run in reversed(catalog.runs(_LOOKED_AT_RUNS))
        if any(one["id"] in wanted for one in run.summary.get("lineage", {}).get("batches", []))
    ]


_LOOKED_AT_RUNS = 1_000


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
    return [(0, f"{part.source}  {part.loaded.rows:,} rows, {part.quarantined:,} quarantined") for part in batch.partitions]


def _partitions(catalog: Catalog) -> dict[str, list[tuple[Batch, str]]]:
    """Return the batches and sources from which rows came, by the digest of their artifact."""
    found: dict[str, list[tuple[Batch, str]]] = {}
    for batch in catalog.batches():
        for part in batch.partitions:
            found.setdefault(part.loaded.artifact().digest, []).append((batch, part.source))
    return found


def _origins(catalog: Catalog, memory: Memory, sources: Mapping[str, Sequence[tuple[Batch, str]]]) -> list[tuple[int, str]]:
    """Return what a result was made of: the stages, from the last to the first, then every batch with its source."""
    lines: list[tuple[int, str]] = []
    seen, stages, batches = {memory.memo}, dict[str, int](), dict[str, tuple[Batch, list[str]]]()
    level = [memory]
    while level:
        above: list[Memory] = []
        for content in dict.fromkeys(content for one in level for content in one.contents):
            for batch, source in sources.get(content, ()):
                batches.setdefault(batch.id, (batch, []))[1].append(source)
            origin = catalog.origin(content) if content not in sources else None
            if origin is not None and origin.memo not in seen:
                seen.add(origin.memo)
                stages[origin.label] = stages.get(origin.label, 0) + 1
                above.append(origin)
        level = above
    lines += [(0, f"{label}  {count} result{'s' * (count > 1)}") for label, count in stages.items()]
    for batch, names in sorted(batches.values(), key=lambda pair: (pair[0].dataset, pair[0].sequence)):
        lines.append((0, _batch_line(batch)))
        lines += [(1, source) for source in dict.fromkeys(names)]
    return lines


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


def _catalog(store: Store) -> Catalog:
    if store.kind == "local" and not (Path(store.root) / "catalog.sqlite").exists():
        where = Path(store.root).absolute()
        raise DataError(f"there is no store at {where}", hint="run a pipeline first, or name the store with store.root=…")
    return open_catalog(store)
