"""Performs one task, on whatever worker it landed: looks it up, else runs its stage function, retrying the machine's faults."""

from __future__ import annotations

import importlib
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from polars.exceptions import PanicException

from engine.errors import HostError, LevadaError
from engine.graph import Task
from engine.registry import use_folder
from engine.stages.work import UNLIMITED, Limits, Work
from engine.stores.artifacts import Artifact, ArtifactStore

Status = Literal["ran", "reused", "failed", "skipped"]
StageFunction = Callable[[Work], Artifact]
Secrets = Mapping[str, Mapping[str, str]]
"""The secret parameters of extractors, in clear, by dataset: they are in no task."""

_BACK_OFF = 0.2  # seconds before the first retry; doubled each time


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task. It always returns one: nothing is raised into a scheduler."""

    status: Status
    artifact: Artifact | None = None
    contents: tuple[str, ...] = ()
    seconds: float = 0.0
    error: LevadaError | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What every task of an execution shares: the store, how often to retry, where the user's plugins are.

    ``limits`` are what a fit may take, ``shared`` is a folder for what several processes map into memory.
    """

    store: ArtifactStore
    retries: int = 2
    folders: tuple[str, ...] = ()
    find: Callable[[str], StageFunction] | None = None
    secrets: Secrets = field(default_factory=dict, repr=False)
    limits: Limits = UNLIMITED
    shared: Path | None = None


@cache
def find_stage(function: str) -> StageFunction:
    """Return the stage function of this name: ``run`` of a module of ``engine.stages``."""
    found: StageFunction = importlib.import_module(f"engine.stages.{function}").run
    return found


def perform(setting: Setting, task: Task, known: Mapping[str, Artifact], *inputs: Outcome) -> Outcome:
    """Return the outcome of a task whose inputs have ended; skipped when one of them has no result.

    ``known`` holds what is already remembered of the task's recipe: inputs that came out the same as before end here.
    """
    artifacts = tuple(outcome.artifact for outcome in inputs if outcome.artifact is not None)
    if len(artifacts) < len(inputs):
        return _SKIPPED
    contents = tuple(artifact.digest for artifact in artifacts)
    if known:
        hit = known.get(task.memo(contents))
        if hit is not None and setting.store.holds(hit):
            return Outcome("reused", hit, contents)
    started = time.perf_counter()
    try:
        artifact = _run(setting, task, artifacts)
    except LevadaError as error:
        return Outcome("failed", None, contents, time.perf_counter() - started, error)
    return Outcome("ran", artifact, contents, time.perf_counter() - started)


_SKIPPED = Outcome("skipped")


@cache
def _use_folders(folders: tuple[str, ...]) -> None:
    """Find the user's plugins in this process too: once, not for each task."""
    for folder in folders:
        use_folder(Path(folder))


def _run(setting: Setting, task: Task, inputs: tuple[Artifact, ...]) -> Artifact:
    for attempt in range(setting.retries + 1):
        try:
            return _attempt(setting, task, inputs)
        except HostError:
            if attempt == setting.retries:
                raise
            time.sleep(_BACK_OFF * 2**attempt)
    raise AssertionError("a loop over at least one attempt always returns or raises")


def _attempt(setting: Setting, task: Task, inputs: tuple[Artifact, ...]) -> Artifact:
    try:
        _use_folders(setting.folders)
        function = (setting.find or find_stage)(task.function)
        stem = f"part-{task.index:04d}"
        params, limits = json.loads(task.params), setting.limits
        work = Work(params, inputs, setting.store, task.place, stem, setting.secrets, limits, setting.shared)
        return function(work)
    except LevadaError:
        raise
    except (Exception, PanicException) as error:  # a plugin may raise anything, and Polars what is no Exception
        # Memory that another task has may be free a moment later. Polars says of it what the system said, in words.
        if isinstance(error, MemoryError) or "Cannot allocate memory" in str(error):
            hint = "use fewer workers (executor.workers=1), or a larger machine"
            raise HostError(f"{task.label}: not enough memory", hint=hint) from error
        if type(error).__name__ == "_DeadlockError":  # Python's own, and private: two threads imported what imports each other
            raise HostError(f"{task.label}: two threads imported a library at once", found=str(error)) from error
        raise _bug(task, error) from error


def _bug(task: Task, error: BaseException) -> LevadaError:
    """Say what an unforeseen exception was and in which line, for whoever wrote the plugin."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return LevadaError(
        f"{task.label} raised {type(error).__name__}: {error}",
        where=f"{last.filename}:{last.lineno}",
        hint="an error in a plugin, or in Levada",
    )
