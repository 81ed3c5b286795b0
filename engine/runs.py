"""One execution of a pipeline, or of several at once: from specifications to results with a history.

In: specifications. Out: a ``Run`` for each. The way is always the same: what the sources hold, columns, graph, execution,
batches made visible, the run recorded.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from engine import digest
from engine.bundling import keep, manifest_of
from engine.bus import Bus, CatalogBus, announce
from engine.columns import check_columns
from engine.comparison import Candidate
from engine.compile import Compiled, compile_pipeline, used
from engine.condition import plan_condition
from engine.config.spec import PipelineSpec, Store
from engine.errors import DataError, Interrupted, LevadaError, unknown
from engine.execute import All, Execution, Outcome, Watcher, Workers, execute
from engine.graph import Graph, Task
from engine.ingestion import Ingested, Planned, definition_of, foreseen, ingest, plan_dataset, recall
from engine.names import new_id
from engine.plugin import ALL, Window
from engine.promotion import decide
from engine.registry import describe
from engine.segregation import Segregation, Split
from engine.stores.artifacts import ArtifactStore, store_at
from engine.stores.catalog import Catalog, RunRecord
from engine.stores.history import Point, point_of
from engine.stores.sqlite import SqliteCatalog
from engine.summary import ingest_summary, split_summary, summarize
from engine.versioning import Versions


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

    def evaluated(self, part: str) -> Mapping[str, Any]:
        """Return all that was measured on a part, resamples included. ``KeyError`` for a part that was not."""
        artifact = self.execution.artifact(self.compiled.evaluation[part])
        if artifact is None:
            raise KeyError(part)
        found: Mapping[str, Any] = artifact.data()
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

    @property
    def segregation(self) -> Segregation:
        """How the rows of the view were divided. Raises what went wrong where they were not."""
        return Segregation.of(self.compiled, self.execution, self.store)

    def split(self, part: str, *, labels: bool = True) -> Split:
        """Return the rows of a part of the view, with or without the target, and their warnings: ``run.split("train").rows``.

        Raises ``UnknownName`` for what is none of train, validation and test.
        """
        return self.segregation.split(part, labels=labels)

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


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of a pipeline: files, the catalog, the bus."""

    files: ArtifactStore
    catalog: Catalog
    bus: Bus


@contextmanager
def opened(store: Store, *, look: bool = False) -> Iterator[Stores]:
    """Open the store that a pipeline names for the time of the context. To ``look`` only makes none where there is none."""
    catalog = open_catalog(store, look=look)
    try:
        bus = CatalogBus(catalog)
        if not look:
            announce(catalog, bus)  # what a process that ended too soon has left
        uri = store.uri if store.kind == "mongo" else None
        yield Stores(store_at(Path(store.root).absolute(), uri, store.database), catalog, bus)
    finally:
        catalog.close()


def open_catalog(store: Store, *, look: bool = False) -> Catalog:
    """Open the catalog of a store; to ``look`` only is given an empty one where there is none."""
    if store.uri is not None and store.kind == "mongo":
        from engine.stores.mongo_catalog import MongoCatalog

        return MongoCatalog(store.uri, store.database)
    file = Path(store.root).absolute() / "catalog.sqlite"
    return SqliteCatalog(None if look and not file.exists() else file)


class Compiler:
    """Plans, ingests and compiles pipelines against one store; what they share is planned and ingested once.

    To ``look`` only is to leave the catalog as it is.
    """

    def __init__(self, stores: Stores, *, look: bool = False) -> None:
        self._stores, self._look = stores, look
        self._planned: dict[str, Planned] = {}
        self._ingested: dict[str, Ingested] = {}
        self._points: dict[str, Point] = {}

    def plan(self, spec: PipelineSpec) -> dict[str, Planned]:
        """Return what is new of each dataset that a pipeline uses, and check the columns that it names.

        Raises ``ConfigError`` for columns that can not be there, and what is wrong with a source.
        """
        planned = {name: self._plan(name, spec) for name in used(spec)}
        with spec.origin.placed():
            check_columns(spec, {name: one.names for name, one in planned.items()})
        return planned

    def _plan(self, name: str, spec: PipelineSpec) -> Planned:
        key, dataset, stores = _key(name, spec), spec.datasets[name], self._stores
        if key not in self._planned:
            point = self._point(spec)
            self._planned[key] = (
                plan_dataset(name, dataset, stores.files, stores.catalog, look=self._look)
                if point is None
                else recall(name, dataset, stores.catalog, point)
            )
        return self._planned[key]

    def _point(self, spec: PipelineSpec) -> Point | None:
        """Return the point of history that a pipeline looks at; None is the present, with all that its sources have."""
        as_of = spec.view.as_of
        if as_of is not None and as_of not in self._points:
            try:
                self._points[as_of] = point_of(self._stores.catalog.batches(), as_of)
            except DataError as error:
                error.where = "view.as_of"
                raise
        return None if as_of is None else self._points[as_of]

    def ingest(
        self, specs: Sequence[PipelineSpec], workers: Workers, *, run: str, keep_going: bool, watchers: Sequence[Watcher]
    ) -> None:
        """Ingest what is new of all datasets that the pipelines use."""
        wanted = {_key(name, spec): self._plan(name, spec) for spec in specs for name in used(spec)}
        keys = [key for key in wanted if key not in self._ingested]
        stores = self._stores
        found = ingest(
            [wanted[key] for key in keys],
            stores.files,
            stores.catalog,
            stores.bus,
            workers,
            run=run,
            keep_going=keep_going,
            watchers=watchers,
        )
        self._ingested |= dict(zip(keys, found, strict=True))

    def compile(self, spec: PipelineSpec, *, final: bool) -> tuple[Compiled, dict[str, Ingested]]:
        """Return the compiled pipeline, and what came of its datasets; without ``ingest`` before, what would come of them."""
        ingested = {name: self._content(name, spec) for name in used(spec)}
        with spec.origin.placed():
            contents = {name: one.content for name, one in ingested.items()}
            return compile_pipeline(spec, contents, final=final), ingested

    def settle(self) -> None:
        """Take note that what was ingested has been told of: for what is compiled from now on it was there before."""
        self._ingested = {key: one.settled() for key, one in self._ingested.items()}

    def _content(self, name: str, spec: PipelineSpec) -> Ingested:
        key = _key(name, spec)
        return self._ingested[key] if key in self._ingested else foreseen(self._planned[key], self._stores.files)


def _key(name: str, spec: PipelineSpec) -> str:
    dataset = spec.datasets[name]
    rules = [describe(check) for check in dataset.expect]
    how = [dataset.mode, dataset.on_change, dataset.on_drift, definition_of(dataset)]
    return digest.of_value([name, how, rules, spec.view.as_of])


def run_pipeline(spec: PipelineSpec, *, overrides: Sequence[str] = (), watchers: Sequence[Watcher] = ()) -> Run:
    """Run a pipeline to its end and return what came of it, also when tasks failed (see ``Run.raise_failure``).

    Raises ``ConfigError`` or ``DataError`` when it can not begin, ``Interrupted`` on Ctrl-C.
    """
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers:
        compiler = Compiler(stores)
        compiler.plan(spec)
        return run_compiled(compiler, [spec], stores, workers, final=True, overrides=[overrides], watchers=watchers)[0]


@dataclass(frozen=True, slots=True, repr=False)
class Ingestion:
    """What came of ``levada ingest``: plain data, and what went wrong."""

    summary: Mapping[str, Any]
    errors: Sequence[LevadaError]

    def raise_failure(self) -> None:
        """Raise the first failure, if there is one."""
        for error in self.errors:
            raise error


def ingest_pipeline(
    spec: PipelineSpec,
    names: Sequence[str] | None = None,
    window: Window = ALL,
    *,
    watchers: Sequence[Watcher] = (),
) -> Ingestion:
    """Ingest what is new of the datasets of a pipeline, of all or of those named; one that fails does not stop the others.

    A window is for datasets of mode append: unless they are named, the others are left out of it. Raises ``UnknownName``
    for a dataset that the pipeline does not have, ``Interrupted`` on Ctrl-C.
    """
    able = [name for name, dataset in spec.datasets.items() if window == ALL or dataset.mode == "append"]
    wanted = (able or list(spec.datasets)) if names is None else list(dict.fromkeys(names))
    for name in wanted:
        if name not in spec.datasets:
            raise unknown("dataset", name, spec.datasets, where="datasets")
    errors: dict[str, LevadaError] = {}
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers, spec.origin.placed():
        with recorded(stores.catalog, [spec.name]) as (record,):
            planned = []
            for name in wanted:
                try:
                    planned.append(plan_dataset(name, spec.datasets[name], stores.files, stores.catalog, window))
                except LevadaError as error:
                    errors[name] = error
            found = ingest(
                planned,
                stores.files,
                stores.catalog,
                stores.bus,
                workers,
                run=record.id,
                keep_going=spec.keep_going,
                watchers=watchers,
            )
        failures = [*errors.values(), *(error for one in found for error in one.failures())]
        summary = ingest_summary(spec, found, errors, record)
        _end(stores.catalog, record, summary["status"], summary)
    return Ingestion(summary, failures)


def segregate_pipeline(
    spec: PipelineSpec, *, overrides: Sequence[str] = (), watchers: Sequence[Watcher] = ()
) -> tuple[Segregation, Mapping[str, Any]]:
    """Divide the rows of a pipeline's view and return what came of it, and a summary of it as plain data.

    Only what that needs is done: what is new is ingested, the view is made, its rows are assigned and looked at. Raises the
    first failure, what a strict splitter refuses among them, and ``Interrupted`` on Ctrl-C.
    """
    with opened(spec.store) as stores, workers_of(spec, watchers) as workers:
        compiler = Compiler(stores)
        compiler.plan(spec)
        with recorded(stores.catalog, [spec.name]) as (record,):
            compiler.ingest([spec], workers, run=record.id, keep_going=spec.keep_going, watchers=watchers)
            compiled, ingested = compiler.compile(spec, final=True)
            versions = Versions(stores.files, stores.catalog, stores.bus, [(compiled, ingested, record.id)])
            execution = execute(
                compiled.graph.cull([compiled.judgement, *compiled.parts]),
                stores.files,
                stores.catalog,
                workers,
                run=record.id,
                keep_going=spec.keep_going,
                watchers=[*watchers, versions],
                given=given_to(compiled, ingested),
            )
            found = Segregation.of(compiled, execution, stores.files)
        summary = split_summary(found.parts, found.warnings, execution, ingested, record, overrides)
        _end(stores.catalog, record, "done", summary)
        return found, summary


def workers_of(spec: PipelineSpec, watchers: Sequence[Watcher]) -> Workers:
    """Return the workers that a pipeline asks for; nothing is started yet."""
    return Workers(spec.executor, All(watchers).note)


def run_compiled(
    compiler: Compiler,
    specs: Sequence[PipelineSpec],
    stores: Stores,
    workers: Workers,
    *,
    final: bool,
    overrides: Sequence[Sequence[str]],
    watchers: Sequence[Watcher] = (),
    enough: Callable[[Task, Outcome], bool] = lambda _task, _outcome: False,
) -> list[Run]:
    """Ingest what is new, execute the union of the pipelines' graphs once, and return a run for each.

    Nothing new is begun after an outcome that is ``enough``.
    """
    catalog, keep_going = stores.catalog, specs[0].keep_going
    with recorded(catalog, [spec.name for spec in specs]) as records:
        run = records[0].id
        compiler.ingest(specs, workers, run=run, keep_going=keep_going, watchers=watchers)
        compiled = [compiler.compile(spec, final=final) for spec in specs]
        conditions = [
            plan_condition(one.spec, ingested.values() if final and one.spec.assess else ()) for one, ingested in compiled
        ]
        graphs = [*(one.graph for one, _ in compiled), *(one.graph for one in conditions)]
        graph = Graph(task for one in graphs for task in one.values())
        given = {key: outcome for one, ingested in compiled for key, outcome in given_to(one, ingested).items()}
        given |= {key: outcome for one in conditions for key, outcome in one.given.items()}
        advice = frozenset(key for one in conditions for key in one.own)
        views = [(one, ingested, record.id) for record, (one, ingested) in zip(records, compiled, strict=True)]
        versions = Versions(stores.files, catalog, stores.bus, views)
        execution = execute(
            graph,
            stores.files,
            catalog,
            workers,
            run=run,
            keep_going=keep_going,
            watchers=[*watchers, versions],
            given=given,
            advice=advice,
            timeout=specs[0].timeout,
            enough=enough,
        )
    compiler.settle()
    runs = []
    for record, (one, ingested), words, condition in zip(records, compiled, overrides, conditions, strict=True):
        own = Execution(one.graph, {key: execution.outcomes[key] for key in one.graph})
        assessed = condition.read(execution) if condition.graph else None
        version = versions.of(one)
        seconds, named = time.time() - record.started, None if version is None else version.id
        summary = summarize(one, own, ingested, record, words, seconds, named, assessed)
        trained = own.artifact(one.model) is not None  # not where a sweep had enough before
        if summary["status"] == "done" and trained and version is not None:
            contents = {name: found.content for name, found in ingested.items()}
            manifest = manifest_of(one, own, contents, version, summary)
            summary["bundle"] = asdict(keep(manifest, stores.files))
        _end(catalog, record, summary["status"], summary)
        if one.spec.promote is not None and summary["bundle"] is not None and len(specs) == 1:
            candidate = Candidate(one, own, contents, manifest, stores.files, summary)
            summary["promotion"] = decide(one.spec.promote, record.pipeline, candidate, catalog)
            _end(catalog, record, summary["status"], summary)
        runs.append(Run(summary, one, own, stores.files))
    return runs


def given_to(compiled: Compiled, ingested: Mapping[str, Ingested]) -> dict[str, Outcome]:
    """Return the outcomes of a graph's partitions."""
    return {
        key: ingested[name].outcomes[part.source]
        for name, keys in compiled.ingest.items()
        for key, part in zip(keys, ingested[name].content.parts, strict=True)
    }


@contextmanager
def recorded(catalog: Catalog, pipelines: Sequence[str]) -> Iterator[list[RunRecord]]:
    """Record that runs have begun and, if they do not end by themselves, how they ended. Who opens it records a good end."""
    started = time.time()
    process = {"process": os.getpid(), "host": platform.node()}
    records = [RunRecord(new_id(), name, "running", started, summary=process) for name in pipelines]
    for record in records:
        catalog.save_run(record)
    try:
        yield records
    except BaseException as error:  # whatever it is, the record says how it ended, and it goes on its way
        status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
        for record in records:
            _end(catalog, record, status, {"message": str(error)})
        raise


def _end(catalog: Catalog, record: RunRecord, status: str, summary: Mapping[str, Any]) -> None:
    catalog.save_run(RunRecord(record.id, record.pipeline, status, record.started, time.time(), dict(summary)))
