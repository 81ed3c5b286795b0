"""Levada as a library: load, plan and run pipelines, and see the results in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import polars as pl

from engine.bundles import Bundle
from engine.config.compose import load, load_store
from engine.config.spec import PipelineSpec
from engine.deployment import bundle as bundle_of
from engine.errors import LevadaError
from engine.explain import explain
from engine.plugin import Window
from engine.records import rows
from engine.report import render_run
from engine.runs import Ingestion, Run, ingest_pipeline, run_pipeline
from engine.stores.history import Moment
from engine.sweep import Sweep, Trial, run_sweep
from engine.views import Bound
from engine.views import features as features_of

__all__ = ["Plan", "bundle", "features", "ingest", "load", "plan", "raw", "report", "run", "sweep"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would run, stage by stage, and why. ``stages`` is plain data."""

    stages: Sequence[Mapping[str, Any]]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(stage['label'])}</td><td>{stage['tasks']}</td><td>{stage['run']}</td><td>{stage['reuse']}</td>"
            f"<td style='text-align:left'>{escape('; '.join(stage['reasons']))}</td></tr>"
            for stage in self.stages
        )
        return f"<table><tr><th>stage</th><th>tasks</th><th>run</th><th>reuse</th><th>why</th></tr>{rows}</table>"


def _specified(pipeline: PipelineSpec | str, overrides: Sequence[str]) -> tuple[PipelineSpec, list[str]]:
    if isinstance(pipeline, PipelineSpec):
        return pipeline, []
    given = [f"pipeline={pipeline}", *overrides]
    return load(given), given


def plan(pipeline: PipelineSpec | str, *overrides: str) -> Plan:
    """Return what would run: ``plan("flights", "model=random_forest")``. Nothing is computed."""
    return Plan(explain(_specified(pipeline, overrides)[0])["stages"])


def run(pipeline: PipelineSpec | str, *overrides: str) -> Run:
    """Run a pipeline and return its results: ``run("penguins", "splitter.seed=3").metrics["test"]``.

    Raises the first failure; everything that had ended before is kept for the next run.
    """
    spec, given = _specified(pipeline, overrides)
    found = run_pipeline(spec, overrides=given)
    found.raise_failure()
    return found


def ingest(
    pipeline: PipelineSpec | str,
    *overrides: str,
    datasets: Sequence[str] | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Ingestion:
    """Bring what is new in a pipeline's sources into the raw store, of all its datasets or of some: ``ingest("flights")``.

    ``since`` (included) and ``until`` (excluded) ask for a range, as ``levada ingest`` does. Raises the first failure;
    what does not depend on it is ingested.
    """
    found = ingest_pipeline(_specified(pipeline, overrides)[0], datasets, Window(since=since, until=until))
    found.raise_failure()
    return found


def sweep(pipeline: str, *trials: Sequence[str]) -> Sweep:
    """Run several variants of a pipeline as one graph: ``sweep("penguins", ["model=ridge"], ["model=random_forest"])``."""
    found = []
    for number, overrides in enumerate(trials):
        given = (f"pipeline={pipeline}", *overrides)
        try:
            found.append(Trial(number, given, load(given)))
        except LevadaError as error:
            found.append(Trial(number, given, error))
    return run_sweep(found)


def raw(dataset: str, *overrides: str) -> pl.LazyFrame:
    """Return the rows of a dataset as they were ingested: ``raw("flights").filter(pl.col("carrier") == "UA").collect()``.

    Three columns more say where each row is from: ``__batch__`` (id), ``__partition__`` (the file or range) and ``__row__``
    (its number there, from 1). ``overrides`` name the store when it is another: ``raw("flights", "store.root=elsewhere")``.
    """
    return rows(load_store(overrides), dataset)


def features(
    view: str,
    *overrides: str,
    version: str | None = None,
    as_of: Moment | None = None,
    since: Bound | None = None,
    until: Bound | None = None,
) -> pl.LazyFrame:
    """Return the rows of a view as the feature store keeps them: ``features("flights", since="2013-06-01").collect()``.

    The newest version, unless ``version`` (an id or the beginning of one) or ``as_of`` (a time, or a batch) names another.
    ``since`` (included) and ``until`` (excluded) bound the view's time; what is filtered and selected on the frame is pushed
    down into the files. ``overrides`` name the store when it is another.
    """
    return features_of(load_store(overrides), view, version=version, as_of=as_of, since=since, until=until)


def bundle(name: str, *overrides: str) -> Bundle:
    """Return a trained pipeline that predicts raw rows: ``bundle("flights@champion").predict(frame)``.

    ``name`` is a pipeline (its champion, else the newest), ``pipeline@alias``, ``pipeline@version``, the id of a version or of
    a run, or a folder that ``levada models export`` wrote. ``overrides`` name the store when it is another.
    """
    return bundle_of(load_store(overrides), name)


def report(found: Run) -> str:
    """Return a run's report as one HTML page."""
    return render_run(dict(found.summary))
