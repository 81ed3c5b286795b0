"""One execution of a pipeline, or of several at once: from specifications to results with a history.

In: specifications. Out: a ``Run`` for each. The way is always the same: what the sources hold, columns, graph, execution,
batches made visible, the run recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import polars as pl

from engine import digest
from engine.bundling import keep, manifest_of
from engine.columns import check_columns
from engine.comparison import Candidate
from engine.compile import Compiled, compile_pipeline, used
from engine.condition import Condition, plan_condition
from engine.config.spec import PipelineSpec
from engine.errors import DataError
from engine.execute import Execution, Outcome, Watcher, Workers, execute
from engine.graph import Graph, Task
from engine.ingestion import Ingested, Planned, definition_of, foreseen, ingest, plan_dataset, recall
from engine.learning import LearningCurve, plan_learning_curve
from engine.opened import Stores, ended, opened, recorded, workers_of
from engine.plugin import ROW
from engine.promotion import decide
from engine.registry import describe
from engine.segregation import Segregation, Split
from engine.stages.work import Limits
from engine.stores.artifacts import ArtifactStore
from engine.stores.history import Point, point_of
from engine.summary import split_summary, summarize
from engine.versioning import Versions

CLUSTER = "__cluster__"


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

    def exemplars(self) -> pl.DataFrame:
        """Return the typical row of each cluster, where the model names them: all columns of the view.

        Before them stand ``__cluster__``, as in the predictions, and ``__row__``, the row's number in the view, from 1.
        """
        found = [(one["cluster"], one["row"]) for one in self.summary["exemplars"]]
        numbers = pl.DataFrame(found, schema={CLUSTER: pl.Int64, ROW: pl.UInt32}, orient="row")
        view = self.features().with_row_index(ROW, 1).filter(pl.col(ROW).is_in(numbers[ROW].implode()))
        return numbers.join(view.collect(), on=ROW, how="left", maintain_order="left")

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
        ended(stores.catalog, record, "done", summary)
        return found, summary


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
        curves = [plan_learning_curve(one, final=final) for one, _ in compiled]
        beside: list[Condition | LearningCurve] = [*conditions, *(curve for curve in curves if curve is not None)]
        graphs = [*(one.graph for one, _ in compiled), *(one.graph for one in beside)]
        graph = Graph(task for one in graphs for task in one.values())
        given = {key: outcome for one, ingested in compiled for key, outcome in given_to(one, ingested).items()}
        given |= {key: outcome for one in conditions for key, outcome in one.given.items()}
        advice = frozenset(key for one in beside for key in one.own)
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
            limits=Limits(specs[0].timeout, specs[0].memory),
            enough=enough,
        )
    compiler.settle()
    runs = []
    for record, (one, ingested), words, condition, curve in zip(records, compiled, overrides, conditions, curves, strict=True):
        own = Execution(one.graph, {key: execution.outcomes[key] for key in one.graph})
        assessed = condition.read(execution) if condition.graph else None
        version = versions.of(one)
        seconds, named = time.time() - record.started, None if version is None else version.id
        learned = curve.read(execution) if curve is not None else None
        summary = summarize(one, own, ingested, record, words, seconds, named, assessed, learned)
        if summary["status"] == "done" and version is not None:
            contents = {name: found.content for name, found in ingested.items()}
            manifest = manifest_of(one, own, contents, version, summary)
            summary["bundle"] = asdict(keep(manifest, stores.files))
        ended(catalog, record, summary["status"], summary)
        if one.spec.promote is not None and summary["bundle"] is not None and len(specs) == 1:
            candidate = Candidate(one, own, contents, manifest, stores.files, summary)
            summary["promotion"] = decide(one.spec.promote, record.pipeline, candidate, catalog)
            ended(catalog, record, summary["status"], summary)
        runs.append(Run(summary, one, own, stores.files))
    return runs


def given_to(compiled: Compiled, ingested: Mapping[str, Ingested]) -> dict[str, Outcome]:
    """Return the outcomes of a graph's partitions."""
    return {
        key: ingested[name].outcomes[part.source]
        for name, keys in compiled.ingest.items()
        for key, part in zip(keys, ingested[name].content.parts, strict=True)
    }
