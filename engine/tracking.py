"""Tells a tracker what a run or a sweep came to, once all of it is recorded.

In: a finished run or sweep. Out: where the tracker says it can be seen, or why it could not be told. A tracker gets plain data
and a folder of files, so it needs to know nothing of stores; nothing that it does makes a run fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, SecretStr

from engine import digest
from engine.bundling import SHORT, Registered
from engine.config.spec import PipelineSpec
from engine.deployment import export
from engine.errors import HostError, LevadaError
from engine.names import masked
from engine.plugin import Plugin, RunSummary, Tracker
from engine.registry import describe
from engine.report import render_run, render_sweep
from engine.runs import Run
from engine.stores.commit import StoredFile
from engine.trials import Sweep, Trial


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it: where the run can be seen, or why the tracker was not told."""

    where: str = ""
    error: LevadaError | None = None

    def __str__(self) -> str:
        return self.where if self.error is None else f"not tracked: {self.error}"


def track_run(run: Run) -> Told | None:
    """Tell the tracker of a run's pipeline, None where it has none. Raises nothing that the tracker does."""
    tracker = run.compiled.spec.tracker
    return None if tracker is None else _told(tracker, lambda folder: _Account(tracker, folder).of_run(run, "run", whole=True))


def track_sweep(sweep: Sweep, trials: Sequence[Trial], identity: str) -> Told | None:
    """Tell the tracker of the first trial's pipeline of a sweep, its trials and its final run, None where it has none.

    ``identity`` is the sweep's: when one is made in rounds, all of them have the same. Trials that were not begun, or left out,
    are not told of.
    """
    specs = {trial.number: trial.spec for trial in trials if isinstance(trial.spec, PipelineSpec)}
    tracker = next((spec.tracker for spec in specs.values()), None)
    return (
        None if tracker is None else _told(tracker, lambda folder: _Account(tracker, folder, identity).of_sweep(sweep, specs))
    )


def _told(tracker: Tracker, account: Callable[[Path], RunSummary]) -> Told:
    """Tell a tracker, with a folder for the files for so long."""
    try:
        with TemporaryDirectory(prefix="levada-") as folder:
            return Told(tracker.track(account(Path(folder))))
    except LevadaError as error:
        return Told(error=error)
    except Exception as error:  # noqa: BLE001  a tracker may be anybody's code, and the run is done
        return Told(error=HostError(f"{type(error).__name__}: {error}", where=f"tracker {describe(tracker)['use']}"))


@dataclass(frozen=True, slots=True)
class _Account:
    """Says in a tracker's terms what came of a run or a sweep, and writes the files that it wants below ``folder``."""

    tracker: Tracker
    folder: Path
    sweep: str = ""

    def of_sweep(self, sweep: Sweep, specs: Mapping[int, PipelineSpec]) -> RunSummary:
        summary = sweep.summary
        entries = sorted(summary["trials"], key=lambda entry: int(entry["number"]))
        members = [
            self._of_trial(sweep, entry, specs.get(entry["number"]))
            for entry in entries
            if entry["status"] in ("done", "failed")
        ]
        if sweep.best is not None:
            last = self.of_run(sweep.best, "best", whole=True)
            members.append(replace(last, name=f"the best: {last.name}"))
        shared = set.intersection(*(set(parameters(spec).items()) for spec in specs.values()))
        tags = {"metric": summary["question"]["metric"], "best": " ".join(summary["best_overrides"])}
        return RunSummary(
            id=self.sweep,
            name=f"sweep of {summary['pipeline']}",
            pipeline=summary["pipeline"],
            status=summary["status"],
            started=_began(summary),
            ended=_began(summary) + summary["seconds"],
            parameters=dict(sorted(shared)),
            metrics=members[-1].metrics if sweep.best is not None else {},
            tags={**tags, "trials": str(len(summary["trials"]))},
            message="" if summary["best"] is not None else "no trial ended well",
            folder=self._files("sweep", summary, render_sweep),
            trials=tuple(members),
        )

    def _of_trial(self, sweep: Sweep, entry: Mapping[str, Any], spec: PipelineSpec | None) -> RunSummary:
        """Return what there is to say of a trial; of one that could not begin, why."""
        number, overrides = entry["number"], " ".join(entry["overrides"])
        if number in sweep.runs:
            found = self.of_run(sweep.runs[number], f"trial-{number}", whole=self.tracker.artifacts == "all")
        else:
            found = RunSummary(
                id=f"{self.sweep}.{number}",
                name=sweep.summary["pipeline"],
                pipeline=sweep.summary["pipeline"],
                status="failed",
                started=_began(sweep.summary),
                ended=_began(sweep.summary) + sweep.summary["seconds"],
                parameters={} if spec is None else parameters(spec),
                tags={"sweep": self.sweep},
            )
        tags = {**found.tags, "trial": str(number), "overrides": overrides}
        return replace(found, name=overrides or found.name, tags=tags, message=entry["error"] or "")

    def of_run(self, run: Run, place: str, *, whole: bool) -> RunSummary:
        """Return what there is to say of a run; a ``whole`` account has its report and its bundle with it."""
        summary, spec = run.summary, run.compiled.spec
        folder = self._files(place, summary, render_run if whole else None)
        if folder is not None and whole and summary["bundle"] is not None:
            file = StoredFile(**summary["bundle"])
            export(Registered(file.digest[:SHORT], file, ()).bundle(run.store), folder / "bundle")
        return RunSummary(
            id=run.id,
            name=f"{spec.name} {summary['model']['use']}",
            pipeline=spec.name,
            status=summary["status"],
            started=_began(summary),
            ended=_began(summary) + summary["seconds"],
            parameters=parameters(spec),
            metrics=dict(_metrics(summary)),
            tags={**_tags(run), **({"sweep": self.sweep} if self.sweep else {})},
            message=summary["failures"][0]["message"] if summary["failures"] else "",
            folder=folder,
        )

    def _files(
        self, place: str, summary: Mapping[str, Any], render: Callable[[Mapping[str, object]], str] | None
    ) -> Path | None:
        if self.tracker.artifacts == "none":
            return None
        folder = self.folder / place
        folder.mkdir()
        (folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
        if render is not None:
            (folder / "report.html").write_text(render(dict(summary)), encoding="utf-8")
        return folder


def _began(summary: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(summary["started"]).timestamp()


def _metrics(summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the metrics of all parts, each with the ends of its interval."""
    for part, found in summary["evaluation"].items():
        for name, value in found["metrics"].items():
            if value is not None:
                yield f"{part}.{name}", value
        for name, (low, high) in found["intervals"].items():
            yield f"{part}.{name}.low", low
            yield f"{part}.{name}.high", high
    yield "seconds", summary["seconds"]


def _tags(run: Run) -> dict[str, str]:
    """Return what a run was made of and came to: code, libraries, batches of data, version of features, bundle."""
    summary = run.summary
    lineage, bundle = summary["lineage"], summary["bundle"]
    batches: dict[str, list[str]] = {}
    for batch in lineage["batches"]:
        batches.setdefault(batch["dataset"], []).append(batch["id"])
    found = {
        "overrides": " ".join(summary["overrides"]),
        "code": digest.of_value(sorted({task.code for task in run.compiled.graph.values()})),
        "commit": lineage["commit"] or "",
        "version": lineage["versions"].get("levada", ""),
        "features": summary["features"]["version"] or "",
        "bundle": bundle["digest"][:SHORT] if bundle is not None else "",
        **{f"batches.{dataset}": " ".join(ids) for dataset, ids in batches.items()},
    }
    return {name: text for name, text in found.items() if text}


def parameters(spec: PipelineSpec) -> dict[str, str]:
    """Return a configuration as text by dotted key, defaults included; secrets are masked, the tracker is left out."""
    return dict(_flat("", {key: value for key, value in _plain(spec).items() if key != "tracker"}))


def _plain(node: Any) -> Any:
    """Return the plain data that a part of a specification is."""
    if isinstance(node, Plugin):
        return describe(node)
    if isinstance(node, SecretStr):
        return masked(node)
    if isinstance(node, BaseModel):
        fields = type(node).model_fields.items()
        return {info.alias or name: _plain(getattr(node, name)) for name, info in fields if not info.exclude}
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, tuple | list) else node


def _flat(key: str, node: Any) -> Iterator[tuple[str, str]]:
    """Yield values by dotted key; a list of values is one value, places in others count from 0."""
    within = dict(enumerate(node)) if isinstance(node, list) and any(isinstance(one, dict | list) for one in node) else node
    if isinstance(within, dict) and within:
        for name, value in within.items():
            yield from _flat(f"{key}.{name}" if key else str(name), value)
    else:
        yield key, within if isinstance(within, str) else json.dumps(within)
