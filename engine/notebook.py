"""Levada as a library: load, plan and run pipelines, and see the results in a notebook.

``%load_ext engine.notebook`` adds the cell magic ``%%plugin KIND NAME``, which keeps the cell as a plugin of your own.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from engine.bundles import Bundle
from engine.compile import forget_code
from engine.config.compose import load, load_store
from engine.config.spec import PipelineSpec
from engine.deployment import bundle as bundle_of
from engine.errors import ConfigError, LevadaError
from engine.execute import Outcome, Watcher
from engine.explain import explain
from engine.graph import Graph, Task
from engine.intake import Intake, ingest_pipeline
from engine.plugin import Window
from engine.records import rows
from engine.registry import KINDS, find, forget, use_folder
from engine.report import render_run
from engine.runs import Run, run_pipeline, segregate_pipeline
from engine.segregation import Segregation
from engine.stores.history import Moment
from engine.tracking import Told, track_run, track_sweep
from engine.trials import Sweep, Trial, run_sweep
from engine.views import Bound
from engine.views import features as features_of

__all__ = ["Plan", "bundle", "features", "ingest", "load", "plan", "raw", "report", "run", "segregate", "sweep"]


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
    found = run_pipeline(spec, overrides=given, watchers=_watchers())
    _say(track_run(found))
    found.raise_failure()
    return found


def segregate(pipeline: PipelineSpec | str, *overrides: str) -> Segregation:
    """Divide the rows of a pipeline's view: ``segregate("flights", "splitter.seed=3").split("train", labels=True).rows``.

    What is new is ingested and the view is made; no model is fitted. The ``parts`` and the ``warnings`` about them come with
    it. Raises the first failure, what a strict splitter refuses among them.
    """
    spec, given = _specified(pipeline, overrides)
    return segregate_pipeline(spec, overrides=given)[0]


def ingest(
    pipeline: PipelineSpec | str,
    *overrides: str,
    datasets: Sequence[str] | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Intake:
    """Bring what is new in a pipeline's sources into the raw store, of all its datasets or of some: ``ingest("flights")``.

    ``since`` (included) and ``until`` (excluded) ask for a range, as ``levada ingest`` does. Raises the first failure;
    what does not depend on it is ingested.
    """
    found = ingest_pipeline(
        _specified(pipeline, overrides)[0], datasets, Window(since=since, until=until), watchers=_watchers()
    )
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
    swept = run_sweep(found, watchers=_watchers())
    _say(track_sweep(swept, found, str(swept.summary["id"])))
    return swept


def _say(told: Told | None) -> None:
    """Warn that the tracker was not told; the run stands."""
    if told is not None and told.error is not None:
        warnings.warn(str(told), stacklevel=3)


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


class Page(str):
    """A page of HTML, which a notebook shows in a frame of its own: graph, tables and plots."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self)}" style="width:100%;height:46em;border:1px solid #ccc"></iframe>'


def report(found: Run) -> Page:
    """Return a run's report as one HTML page; a notebook shows it."""
    return Page(render_run(dict(found.summary)))


def _watchers() -> list[Watcher]:
    """Return what shows how a run goes: in a notebook's kernel a table, elsewhere nothing."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return [_Shown()] if hasattr(shell, "kernel") else []


_PACE = 0.25  # seconds between two pictures of how a run goes


class _Shown(Watcher):
    """Shows the stages of a run below the cell, and how many tasks of each have ended."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._place = display(HTML(""), display_id=True)
        self._stages: dict[str, list[int]] = {}
        self._last = 0.0

    def begin(self, graph: Graph) -> None:
        """Show what is to be done."""
        self._stages |= {label: [0, len(tasks)] for label, tasks in graph.stages().items()}
        self._show()

    def ended(self, task: Task, outcome: Outcome) -> None:
        """Count a task; the last one of all, and others from time to time, are shown."""
        self._stages[task.label][0] += 1
        if time.monotonic() - self._last > _PACE or all(done == total for done, total in self._stages.values()):
            self._show()

    def note(self, text: str) -> None:
        """Print a line."""
        print(text)

    def _show(self) -> None:
        self._last = time.monotonic()
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(label)}</td><td><progress value='{done}' max='{total}'></progress></td>"
            f"<td>{done} of {total}</td></tr>"
            for label, (done, total) in self._stages.items()
        )
        self._place.update(self._html(f"<table>{rows}</table>"))


def load_ipython_extension(shell: Any) -> None:
    """Add the cell magic ``%%plugin``; IPython calls it for ``%load_ext engine.notebook``."""
    shell.register_magic_function(keep_plugin, "cell", "plugin")


def keep_plugin(line: str, cell: str) -> None:
    """Keep a cell as a plugin of your own: ``%%plugin model nearest_mean`` writes ``plugins/models/nearest_mean.py``.

    The file is where the kernel stands, and is what the command line and workers find too. Raises ``ConfigError`` when the
    cell has no plugin of that name; the file stays, to be written again.
    """
    kind, _, name = line.strip().partition(" ")
    if kind not in KINDS or not name.strip().isidentifier():
        expected = f"%%plugin KIND NAME; KIND is one of {', '.join(KINDS)}, NAME is that of the class in snake_case"
        raise ConfigError("this says not which plugin it is", where=f"%%plugin {line}", expected=expected)
    file = Path("plugins") / f"{kind}s" / f"{name.strip()}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(cell, encoding="utf-8")
    use_folder(Path.cwd())
    forget(f"plugins.{kind}s.{name.strip()}")
    forget_code()
    find(kind, name.strip(), where=f"{file}")
    print(f"{file} is the {kind} {name.strip()}")
