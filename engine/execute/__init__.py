"""From a graph to the outcomes of its tasks.

In: a graph, the store and catalog, an executor. Out: an ``Execution``. First everything that is already known is looked
up, here; what remains is sent out, and committed as it ends. Workers never see the catalog.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from engine.config.spec import Executor
from engine.errors import Interrupted, LevadaError
from engine.execute.committer import Committer
from engine.execute.executors import Call, Workers
from engine.execute.perform import Outcome, Secrets, Setting, StageFunction
from engine.graph import Graph, Task
from engine.stages.work import UNLIMITED, Limits
from engine.stores.artifacts import Artifact, ArtifactStore
from engine.stores.catalog import Catalog, Known, Memory

__all__ = ["Execution", "Outcome", "Watcher", "Workers", "All", "execute", "resolve"]


class Watcher:
    """Is told how an execution goes, in the coordinator's thread. Does nothing; override what is of interest."""

    def begin(self, graph: Graph) -> None:
        """Be told what will be done."""

    def ended(self, task: Task, outcome: Outcome) -> None:
        """Be told what became of a task; inputs come before what needs them."""

    def note(self, text: str) -> None:
        """Be told what a person should know meanwhile: the address of a dashboard."""


@dataclass(frozen=True, slots=True)
class Execution:
    """The outcome of every task of a graph, by key."""

    graph: Graph
    outcomes: Mapping[str, Outcome]

    def artifact(self, key: str) -> Artifact | None:
        """Return a task's result, None when it failed or was skipped."""
        return self.outcomes[key].artifact

    def failures(self) -> list[tuple[Task, LevadaError]]:
        """Return the tasks that failed, in order, each with its cause. What was skipped for them is not among them."""
        ended = ((self.graph[key], outcome.error) for key, outcome in self.outcomes.items())
        return [(task, error) for task, error in ended if error is not None]

    def count(self, status: str) -> int:
        """Return how many tasks ended so."""
        return sum(outcome.status == status for outcome in self.outcomes.values())


def resolve(graph: Graph, known: Known, store: ArtifactStore, given: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the outcome of every task that has ended elsewhere, or whose result is known because those of its inputs are."""
    found: dict[str, Outcome] = {}
    for key, task in graph.items():
        if key in given:
            found[key] = given[key]
            continue
        memories = known.get(task.recipe)
        if not memories:
            continue
        inputs = [found.get(source) for source in task.inputs]
        contents = tuple(outcome.artifact.digest for outcome in inputs if outcome is not None and outcome.artifact is not None)
        if len(contents) == len(inputs):
            hit = memories.get(task.memo(contents))
            if hit is not None and store.holds(hit):
                found[key] = Outcome("reused", hit, contents)
    return found


def execute(
    graph: Graph,
    store: ArtifactStore,
    catalog: Catalog,
    executor: Executor | Workers,
    *,
    run: str = "",
    keep_going: bool = True,
    watchers: Sequence[Watcher] = (),
    given: Mapping[str, Outcome] | None = None,
    secrets: Secrets | None = None,
    advice: Container[str] = (),
    find: Callable[[str], StageFunction] | None = None,
    limits: Limits = UNLIMITED,
    enough: Callable[[Task, Outcome], bool] = lambda _task, _outcome: False,
) -> Execution:
    """Return the outcomes of a graph's tasks; what was done before is looked up, what ends is committed at once.

    ``given`` are outcomes of tasks that have ended elsewhere. Without ``keep_going`` nothing new is begun after the first
    failure; a failure of a task whose key is in ``advice`` never stops anything. ``secrets`` go to workers and nowhere else.
    ``limits`` are what a fit may take. Nothing new is begun after an outcome that is ``enough``.
    ``find`` replaces the look-up of stage functions. Workers that are passed in are used and stay open. Ctrl-C raises
    ``Interrupted``; what had ended by then is committed.
    """
    watcher = All(watchers)
    watcher.begin(graph)
    known = catalog.known(task.recipe for task in graph.values())
    outcomes = resolve(graph, known, store, given or {})
    for key, outcome in outcomes.items():
        watcher.ended(graph[key], outcome)
    remaining = graph.without(outcomes)
    if not remaining:
        return Execution(graph, outcomes)
    with Committer(catalog) as committer, ExitStack() as stack:
        own = executor if isinstance(executor, Workers) else stack.enter_context(Workers(executor, watcher.note))

        def done(task: Task, outcome: Outcome) -> None:
            outcomes[task.key] = outcome
            if outcome.status == "ran" and outcome.artifact is not None:
                committer.add(Memory.of(task, outcome.contents, outcome.artifact, run))
            watcher.ended(task, outcome)
            if ends(task, outcome):
                raise _Stopped

        def ends(task: Task, outcome: Outcome) -> bool:
            return (outcome.error is not None and not keep_going and task.key not in advice) or enough(task, outcome)

        setting = Setting(store, own.executor.retries, _folders(), find, secrets or {}, limits)
        try:
            if any(ends(graph[key], outcome) for key, outcome in outcomes.items()):
                raise _Stopped
            own.perform(setting, _calls(remaining, outcomes, known), done)
        except _Stopped:
            outcomes |= {task.key: Outcome("skipped") for task in remaining if task.key not in outcomes}
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted", hint="run the same command again: it goes on from here") from error
    return Execution(graph, {key: outcomes[key] for key in graph})


class All(Watcher):
    """Tells several watchers."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def begin(self, graph: Graph) -> None:
        for watcher in self._watchers:
            watcher.begin(graph)

    def ended(self, task: Task, outcome: Outcome) -> None:
        for watcher in self._watchers:
            watcher.ended(task, outcome)

    def note(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.note(text)


class _Stopped(Exception):
    """The first failure of a run that does not keep going, or an outcome that is enough."""


def _calls(remaining: Iterable[Task], outcomes: Mapping[str, Outcome], known: Known) -> list[Call]:
    """Return what is to be performed; inputs that have ended stand for themselves."""
    return [
        Call(
            task,
            known.get(task.recipe, _NOTHING),
            tuple(outcomes.get(source, source) for source in task.inputs),
        )
        for task in remaining
    ]


_NOTHING: Mapping[str, Artifact] = {}


def _folders() -> tuple[str, ...]:
    """Return the folders with plugins of the user's, for workers in other processes."""
    return tuple(path for path in sys.path if path and (Path(path) / "plugins").is_dir())
