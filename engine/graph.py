"""Tasks and graphs: immutable values, named by what they mean.

A task is a stage function, plain parameters and the tasks whose results it takes. Its key is a digest of all that and
of its code, so equal work has equal keys wherever it is described, and the union of graphs is a graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from engine import digest
from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work.

    ``function`` names a module of ``engine.stages``; ``params`` is canonical JSON; ``inputs`` are keys of tasks, in the
    order in which the function takes their artifacts; ``code`` is the digest of the code that will run.
    What does not belong to the meaning does not belong to the key: ``label`` and ``index`` (``flights.ingest``, 3) are
    for people and for the dashboard, ``place`` is the folder of the store where the result is kept.
    """

    function: str
    params: str
    inputs: tuple[str, ...] = ()
    code: str = ""
    label: str = field(default="", compare=False)
    index: int = field(default=0, compare=False)
    place: str = field(default="artifacts", compare=False)
    recipe: str = field(init=False, compare=False)
    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        recipe = digest.of_text(self.function, self.code, self.params)
        object.__setattr__(self, "recipe", recipe)  # frozen: the two digests are set once, here
        object.__setattr__(self, "key", digest.of_text(recipe, *self.inputs))

    def memo(self, contents: Iterable[str]) -> str:
        """Return the name under which the result is remembered: the recipe and the contents of the inputs."""
        return digest.of_text(self.recipe, *contents)


class Graph(Mapping[str, Task]):
    """An immutable mapping of keys to tasks, in an order in which every task stands after its inputs."""

    __slots__ = ("_tasks",)

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        by_key: dict[str, Task] = {}
        for task in tasks:
            by_key.setdefault(task.key, task)
        self._tasks = MappingProxyType({key: by_key[key] for key in _order(by_key)})

    def __reduce__(self) -> tuple[object, ...]:
        return Graph, (tuple(self.values()),)

    def __getitem__(self, key: str) -> Task:
        return self._tasks[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __or__(self, other: Graph) -> Graph:
        """Return the union: equal work stands in it once."""
        return Graph([*self.values(), *other.values()])

    def __repr__(self) -> str:
        return f"<Graph of {len(self)} tasks in {len(self.stages())} stages>"

    def cull(self, keys: Iterable[str]) -> Graph:
        """Return the part that is needed for ``keys``."""
        needed: set[str] = set()
        todo = list(keys)
        while todo:
            key = todo.pop()
            if key not in needed:
                needed.add(key)
                todo += self._tasks[key].inputs
        return Graph(task for key, task in self.items() if key in needed)

    def without(self, keys: Iterable[str]) -> list[Task]:
        """Return the tasks that are not among ``keys``, in order."""
        done = set(keys)
        return [task for key, task in self.items() if key not in done]

    def stages(self) -> dict[str, list[Task]]:
        """Return the tasks by label, in the order in which the data meets them."""
        found: dict[str, list[Task]] = {}
        for task in self.values():
            found.setdefault(task.label, []).append(task)
        return found

    def edges(self) -> list[tuple[str, str]]:
        """Return which stage hands on to which, each pair of labels once, in order."""
        pairs = {
            (self._tasks[source].label, task.label): None
            for task in self.values()
            for source in task.inputs
            if self._tasks[source].label != task.label
        }
        return list(pairs)


def _order(tasks: Mapping[str, Task]) -> list[str]:
    sorter = TopologicalSorter({key: task.inputs for key, task in tasks.items()})
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        cycle = " -> ".join(dict.fromkeys(tasks[key].label for key in error.args[1]))
        raise ConfigError(f"the graph has a cycle: {cycle}") from error
    missing = [key for key in order if key not in tasks]
    if missing:
        raise ConfigError(f"a task takes the result of a task that is not in the graph: {missing[0]}")
    return order
