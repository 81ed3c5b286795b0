"""Many trials of a pipeline as one graph: what they share runs once, the best is looked at closely.

In: trials, each a specification or the reason why there is none. Out: a ``Sweep``: a run for each trial, ranked on
validation rows, and the best trial's final run, the only one that sees test rows.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

import polars as pl

from engine.candidates import Measured, candidates, compared, rank, redrawn
from engine.compile import ranking_part
from engine.config.spec import PipelineSpec
from engine.errors import LevadaError, NotInstalled, Unsuitable
from engine.execute import Execution, Outcome, Watcher
from engine.graph import Graph, Task
from engine.names import new_id
from engine.opened import opened, workers_of
from engine.registry import name_of
from engine.runs import Compiler, Run, run_compiled
from engine.summary import stages

_BASELINES = ("sklearn.DummyClassifier", "sklearn.DummyRegressor")  # they look at no feature: what others must beat


@dataclass(frozen=True, slots=True)
class Trial:
    """A member of a sweep: its number, its overrides, and its specification or what is wrong with it."""

    number: int
    overrides: tuple[str, ...]
    spec: PipelineSpec | LevadaError


@dataclass(frozen=True, slots=True, repr=False)
class Sweep:
    """What came of a sweep. ``summary`` is all of it as plain data; ``runs`` are by number of trial."""

    summary: Mapping[str, Any]
    runs: Mapping[int, Run]
    errors: Mapping[int, LevadaError]
    best: Run | None

    def __repr__(self) -> str:
        best = f", best {' '.join(self.summary['best_overrides'])}" if self.best is not None else ""
        return f"<Sweep of {self.summary['pipeline']}: {len(self.summary['trials'])} trials{best}>"

    @property
    def ranking(self) -> pl.DataFrame:
        """A row a candidate, the best first: a trial, or trials that differ only in ``splitter.fold`` or ``splitter.seed``.

        ``trials`` are their numbers, ``overrides`` are those that not all have; then come the metrics, of several trials
        their means, that which ranks first, with its interval of 95 % (``low``, ``high``), the seconds of fits and of
        predicting, None where they were done before, the bytes of the model, and the status.
        """
        trials, first = self.summary["candidates"], self.summary["question"]["metric"]
        others = sorted({name for entry in trials for name in entry["metrics"]} - {first})
        rows = []
        for entry in trials:
            low, high = entry["intervals"].get(first, (None, None))
            measured = {name: entry["metrics"].get(name) for name in others}
            took = {name: entry[name] for name in ("fit_seconds", "predict_seconds", "model_bytes", "status")}
            ranked = {first: entry["metrics"].get(first), "low": low, "high": high}
            rows.append({"trials": entry["numbers"], "overrides": " ".join(entry["own"]), **ranked, **measured, **took})
        numbers = dict.fromkeys([first, "low", "high", *others, "fit_seconds", "predict_seconds"], pl.Float64)
        return pl.DataFrame(rows, schema_overrides={**numbers, "model_bytes": pl.Int64})

    def _repr_html_(self) -> str:
        question, table = self.summary["question"], self.ranking
        head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.iter_rows())
        caption = f"{self.summary['pipeline']}: {question['metric']} on {self.summary['part']} rows"
        return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"

    def value(self, number: int) -> float | None:
        """Return the metric of a trial, for a sweeper to optimise; None if it was left out, or the metric is not defined.

        Raises the trial's error when it failed.
        """
        if isinstance(self.errors.get(number), Unsuitable):
            return None
        if number in self.errors:
            raise self.errors[number]
        entry = next(entry for entry in self.summary["trials"] if entry["number"] == number)
        value: float | None = entry["metrics"].get(self.summary["question"]["metric"])
        return value


def _cell(value: object) -> str:
    match value:
        case None:
            return "<td></td>"
        case float():
            text = f"{value:.4f}"
        case list():
            text = ", ".join(map(str, value))
        case _:
            text = str(value)
    return f"<td style='text-align:{'left' if isinstance(value, str) else 'right'}'>{escape(text)}</td>"


def run_sweep(trials: Sequence[Trial], *, final: bool = True, watchers: Sequence[Watcher] = ()) -> Sweep:
    """Run all trials at once and rank them.

    A trial that can not be composed or that fails does not stop the others; one whose model is for another task is left out.
    ``final`` runs the best trial to its end, test rows included. Raises the first trial's error when none can begin.
    """
    started = time.time()
    errors = {trial.number: trial.spec for trial in trials if isinstance(trial.spec, LevadaError)}
    specs = {trial.number: trial.spec for trial in trials if isinstance(trial.spec, PipelineSpec)}
    if not specs:
        raise next(iter(errors.values()))
    overrides = {trial.number: trial.overrides for trial in trials}
    first = next(iter(specs.values()))
    with opened(first.store) as stores, workers_of(first, watchers) as workers:
        compiler = Compiler(stores)
        able = _planned(compiler, specs, errors)
        given = [overrides[number] for number in able]
        found = run_compiled(
            compiler,
            list(able.values()),
            stores,
            workers,
            final=False,
            overrides=given,
            watchers=watchers,
            enough=_goal_reached(first),
        )
        runs = dict(zip(able, found, strict=True))
        errors |= {number: run.execution.failures()[0][1] for number, run in runs.items() if run.execution.failures()}
        question = found[0].summary["question"]
        entries = rank([_entry(trial, runs.get(trial.number), errors.get(trial.number)) for trial in trials], question)
        measured = {number: told for number, run in runs.items() if (told := _measured(run)) is not None}
        bounds = {name_of(type(metric)): metric.bounds for spec in able.values() for metric in spec.metrics}
        ranked = candidates(entries, measured, question, bounds)
        best = ranked[0]["number"] if ranked[0]["status"] == "done" else None
        last = None
        if final and best is not None:
            given = [overrides[best]]
            last = run_compiled(compiler, [specs[best]], stores, workers, final=True, overrides=given, watchers=watchers)[0]
    judged = last or (runs[best] if best is not None else found[0])
    comparison = compared(ranked, entries, measured, question["metric"])
    choice = {"candidates": ranked, "comparison": comparison, "redrawn": redrawn(entries)}
    summary = {**_summary(entries, best, judged, runs, started), **choice}
    return Sweep(summary, runs, errors, last)


def _goal_reached(spec: PipelineSpec) -> Callable[[Task, Outcome], bool]:
    """Return what tells of an outcome that a trial has reached the goal, where a sweep is to end there."""
    metric, goal = spec.metric, spec.problem.goal

    def reached(task: Task, outcome: Outcome) -> bool:
        if not spec.stop_at_goal or goal is None or task.function != "evaluate" or outcome.artifact is None:
            return False
        value = outcome.artifact.data()["metrics"].get(name_of(type(metric)))
        return value is not None and (value >= goal if metric.greater_is_better else value <= goal)

    return reached


def _planned(compiler: Compiler, specs: Mapping[int, PipelineSpec], errors: dict[int, LevadaError]) -> dict[int, PipelineSpec]:
    """Return the trials that can begin, and put what is wrong with the others into ``errors``."""
    able = {}
    for number, spec in specs.items():
        try:
            compiler.plan(spec)
            able[number] = spec
        except LevadaError as error:
            errors[number] = error
    if not able:
        raise next(iter(errors.values()))
    return able


def _summary(
    entries: Sequence[Mapping[str, Any]], best: int | None, judged: Run, runs: Mapping[int, Run], started: float
) -> dict[str, Any]:
    """Return all there is to say about a sweep; ``judged`` is the run whose answer counts."""
    union = _union([judged, *runs.values()])
    spec = judged.compiled.spec
    overrides: list[str] = next((entry["overrides"] for entry in entries if entry["number"] == best), [])
    return {
        "id": new_id(),
        "pipeline": spec.name,
        "status": "done" if best is not None else "failed",
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - started, 2),
        "question": judged.summary["question"],
        "part": ranking_part(spec),
        "tested": sorted({number for number, run in runs.items() if "test" in run.metrics} | _if_tested(best, judged)),
        "trials": list(entries),
        "best": best,
        "best_overrides": overrides,
        "command": shlex.join(["levada", *overrides]) if best is not None else "",
        "run": dict(judged.summary) if best is not None else None,
        "stages": stages(union),
        "edges": [list(edge) for edge in union.graph.edges()],
    }


def _measured(run: Run) -> Measured | None:
    """Return what a trial was measured on, None for one that was not."""
    part = run.compiled.ranking
    if part not in run.summary["evaluation"]:
        return None
    rows = {entry["part"]: entry["rows"] for entry in run.summary["split"]}
    return Measured(rows[part], rows["train"], _asked(run), lambda: list(run.evaluated(part)["resamples"]))


def _asked(run: Run) -> tuple[object, ...]:
    """Return what two runs have in common whose predictions can be compared row by row."""
    split = run.execution.artifact(run.compiled.segregation)
    question = run.summary["question"]
    return split.digest if split is not None else None, run.compiled.ranking, question["target"], question["metric"]


def _if_tested(best: int | None, judged: Run) -> set[int]:
    return {best} if best is not None and "test" in judged.metrics else set()


def _entry(trial: Trial, run: Run | None, error: LevadaError | None) -> dict[str, Any]:
    """Return a trial's line of the table; ``seconds`` is what its model took to fit and predict, none where all was known."""
    measured: Mapping[str, Any] = next(iter(run.summary["evaluation"].values()), {}) if run is not None else {}
    fit, predict = _outcomes(run) if run is not None else (None, None)
    model = name_of(type(trial.spec.model)) if isinstance(trial.spec, PipelineSpec) else None
    return {
        "number": trial.number,
        "overrides": list(trial.overrides),
        "model": model,
        "baseline": model in _BASELINES,
        "status": _status(run, error),
        "metrics": dict(measured.get("metrics", {})),
        "intervals": dict(measured.get("intervals", {})),
        "seconds": round(sum(outcome.seconds for outcome in (fit, predict) if outcome is not None), 2),
        "fit_seconds": _took(fit),
        "predict_seconds": _took(predict),
        "model_bytes": fit.artifact.bytes if fit is not None and fit.artifact is not None else None,
        "error": str(error) if error is not None else None,
        "install": error.hint if isinstance(error, NotInstalled) else None,
    }


def _status(run: Run | None, error: LevadaError | None) -> str:
    if error is not None or run is None:
        return "left_out" if isinstance(error, Unsuitable) else "failed"
    return str(run.summary["status"])


def _outcomes(run: Run) -> tuple[Outcome, Outcome]:
    """Return what became of the fit and of its measurement on the part that ranks."""
    compiled = run.compiled
    return run.execution.outcomes[compiled.model], run.execution.outcomes[compiled.evaluation[compiled.ranking]]


def _took(outcome: Outcome | None) -> float | None:
    """Return how long a task took; None where its result was there before."""
    return round(outcome.seconds, 3) if outcome is not None and outcome.status in ("ran", "failed") else None


def _union(runs: Sequence[Run]) -> Execution:
    outcomes = {key: outcome for run in runs for key, outcome in run.execution.outcomes.items()}
    return Execution(Graph(task for run in runs for task in run.execution.graph.values()), outcomes)
