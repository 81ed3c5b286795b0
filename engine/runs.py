"""One execution of a pipeline, or of several at once: from specifications to results with a history.

In: specifications. Out: a ``Run`` for each. The way is always the same: what the sources hold, columns, graph, execution,
batches made visible, the run recorded.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from engine import digest
from engine.columns import check_columns
from engine.compile import Compiled, compile_pipeline
from engine.config.spec import Dataset, PipelineSpec
from engine.errors import Interrupted, LevadaError
from engine.execute import Execution, Outcome, Watcher, execute
from engine.graph import Graph, Task
from engine.names import new_id
from engine.plugin import Source, SourcePartition
from engine.registry import describe
from engine.stores.artifacts import Artifact, ArtifactStore, store_at
from engine.stores.catalog import BatchPartition, Catalog, RunRecord, SqliteCatalog
from engine.summary import summarize


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """What came of a pipeline. ``summary`` is all of it as plain data; the rest reads results from the store."""

    summary: Mapping[str, Any]
    compiled: Compiled
    execution: Execution
    store: ArtifactStore

    def __repr__(self) -> str:
        question = self.summary["question"]
        answer = (
            f", {question['metric']} {question['answer']:.4f} on {question['part']} rows"
            if question["answer"] is not None
            else ""
        )
        return f"<Run of {self.summary['pipeline']}: {self.summary['status']}{answer}>"

    @property
    def id(self) -> str:
        """The run's id in the catalog."""
        return str(self.summary["id"])

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float | None]]:
        """The metrics by part: ``run.metrics["test"]["roc_auc"]``."""
        found: Mapping[str, Mapping[str, float | None]] = self.summary["metrics"]
        return found

    def predictions(self, part: str = "test") -> pl.DataFrame:
        """Return the predictions for a part's rows, with the truth as ``__target__``. ``KeyError`` for another part."""
        artifact = self.execution.artifact(self.compiled.evaluation[part])
        if artifact is None:
            raise KeyError(part)
        return self.store.scan(artifact).collect()

    def features(self) -> pl.LazyFrame:
        """Return the rows of the view."""
        artifacts = [self.execution.artifact(key) for key in self.compiled.view]
        return pl.concat([self.store.scan(artifact) for artifact in artifacts if artifact is not None])

    def raise_failure(self) -> None:
        """Raise the first failure, if there is one."""
        for _, error in self.execution.failures():
            raise error

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(part)}</td><td>{escape(name)}</td><td style='text-align:right'>{value:.4f}</td></tr>"
            for part, metrics in self.metrics.items()
            for name, value in metrics.items()
            if value is not None
        )
        title = f"{escape(str(self.summary['pipeline']))}: {escape(str(self.summary['status']))}, {self.summary['seconds']} s"
        return f"<table><caption>{title}</caption><tr><th>part</th><th>metric</th><th>value</th></tr>{rows}</table>"


@contextmanager
def opened(spec: PipelineSpec, *, look: bool = False) -> Iterator[tuple[ArtifactStore, Catalog]]:
    """Open the store of a pipeline for the time of the context. To ``look`` only makes no store where there is none."""
    root = Path(spec.store.root).absolute()
    file = root / "catalog.sqlite"
    catalog = SqliteCatalog(None if look and not file.exists() else file)
    try:
        yield store_at(root), catalog
    finally:
        catalog.close()


class Compiler:
    """Compiles pipelines against one catalog; what their sources hold is looked up once for each dataset.

    To ``look`` only is to leave the catalog as it is: no batch is opened for what is new.
    """

    def __init__(self, catalog: Catalog, *, look: bool = False) -> None:
        self._catalog, self._look = catalog, look
        self._sources: dict[str, Source] = {}
        self._batches: dict[str, str] = {}

    def compile(self, spec: PipelineSpec, *, final: bool) -> Compiled:
        """Return the compiled pipeline. Raises ``ConfigError`` for columns that can not be there, ``DataError`` for sources."""
        sources = {name: self._source(name, dataset) for name, dataset in spec.datasets.items()}
        with spec.origin.placed():
            check_columns(spec, sources)
            return compile_pipeline(spec, sources, self._batches, final=final)

    def _source(self, name: str, dataset: Dataset) -> Source:
        definition = digest.of_value([name, dataset.mode, describe(dataset.extract)])
        if definition not in self._sources:
            self._sources[definition] = plan_source(name, dataset, self._catalog)
            if not self._look and name not in self._batches:
                self._batches[name] = self._catalog.open_batch(name, new_id())
        return self._sources[definition]


def plan_source(name: str, dataset: Dataset, catalog: Catalog) -> Source:
    """Return the partitions of a dataset: those of the source and, for ``append``, those ingested before that are gone."""
    found = dataset.extract.plan()
    if dataset.mode == "snapshot":
        return found
    ingested = [part for batch in catalog.batches(name) for part in batch.partitions]  # the latest version of each last
    gone = {part.source: SourcePartition(part.source, part.fingerprint) for part in ingested if not Path(part.source).exists()}
    present = gone | {partition.name: partition for partition in found.partitions}
    return Source(tuple(present[source] for source in sorted(present)), found.columns)


def run_pipeline(spec: PipelineSpec, *, overrides: Sequence[str] = (), watchers: Sequence[Watcher] = ()) -> Run:
    """Run a pipeline to its end and return what came of it, also when tasks failed (see ``Run.raise_failure``).

    Raises ``ConfigError`` or ``DataError`` when it can not begin, ``Interrupted`` on Ctrl-C.
    """
    with opened(spec) as (store, catalog):
        compiled = Compiler(catalog).compile(spec, final=True)
        return run_compiled([compiled], store, catalog, overrides=[overrides], watchers=watchers)[0]


def run_compiled(
    compiled: Sequence[Compiled],
    store: ArtifactStore,
    catalog: Catalog,
    *,
    overrides: Sequence[Sequence[str]],
    watchers: Sequence[Watcher] = (),
) -> list[Run]:
    """Execute the union of graphs once, and return a run for each."""
    graph = Graph(task for one in compiled for task in one.graph.values())
    ids, spec, started = [new_id() for _ in compiled], compiled[0].spec, time.time()
    process = {"process": os.getpid(), "host": platform.node()}
    records = [
        RunRecord(run_id, one.spec.name, "running", started, summary=process) for run_id, one in zip(ids, compiled, strict=True)
    ]
    for record in records:
        catalog.save_run(record)
    batches = _Batches(compiled, catalog, ids[0])
    try:
        execution = execute(
            graph,
            store,
            catalog,
            spec.executor,
            run=ids[0],
            keep_going=spec.keep_going,
            watchers=[batches, *watchers],
        )
    except BaseException as error:  # whatever it is, the record says how it ended, and it goes on its way
        status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
        for record in records:
            _end(catalog, record, status, {"message": str(error)})
        raise
    runs, committed = [], catalog.batches()
    for record, one, given in zip(records, compiled, overrides, strict=True):
        own = Execution(one.graph, {key: execution.outcomes[key] for key in one.graph})
        summary = summarize(one, own, record, given, committed, time.time() - started)
        _end(catalog, record, summary["status"], summary)
        runs.append(Run(summary, one, own, store))
    return runs


def _end(catalog: Catalog, record: RunRecord, status: str, summary: Mapping[str, Any]) -> None:
    catalog.save_run(RunRecord(record.id, record.pipeline, status, record.started, time.time(), dict(summary)))


class _Batches(Watcher):
    """Makes a dataset's new partitions visible as one batch, once all are there and agree on a schema."""

    def __init__(self, compiled: Sequence[Compiled], catalog: Catalog, run: str) -> None:
        self._catalog, self._run = catalog, run
        self._datasets = {key: (name, one.ingest[name]) for one in compiled for name, key in one.schemas.items()}
        self._partitions: dict[str, BatchPartition] = {}

    def ended(self, task: Task, outcome: Outcome) -> None:
        if task.function == "ingest" and outcome.artifact is not None:
            self._partitions[task.key] = _partition(task, outcome.artifact)
        elif task.key in self._datasets and outcome.artifact is not None:
            name, keys = self._datasets[task.key]
            self._catalog.commit_batch(name, [self._partitions[key] for key in keys], self._run)


def _partition(task: Task, artifact: Artifact) -> BatchPartition:
    """Return what a batch says of one of its files. An ingested partition always has one."""
    if artifact.file is None:
        raise LevadaError(f"{task.label} left no file")
    source = json.loads(task.params)["partition"]
    return BatchPartition(
        source["name"],
        source["fingerprint"],
        artifact.file.path,
        artifact.file.digest,
        artifact.rows or 0,
        artifact.file.bytes,
        artifact.data()["quarantined"],
    )
