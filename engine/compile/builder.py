"""Collects tasks: what a task is made of, what the partitions of datasets are, and how many results become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from engine import digest
from engine.config.spec import PipelineSpec
from engine.graph import Task
from engine.plugin import Plugin
from engine.registry import modules_of
from engine.schemas import Columns
from engine.stores.artifacts import Artifact, plain


@dataclass(frozen=True, slots=True)
class Part:
    """A partition of a dataset: the piece of the source it is, and its rows, None while they are not ingested.

    ``spans`` are the least and the greatest value of each column of dates or times, in microseconds since 1970.
    """

    source: str
    rows: Artifact | None
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """What a dataset holds: its partitions in order, and the columns of all of them as plain data."""

    parts: tuple[Part, ...]
    columns: Columns

    @property
    def bytes(self) -> int:
        """How large the ingested partitions are, as they are stored."""
        return sum(part.rows.bytes for part in self.parts if part.rows is not None)


@dataclass(slots=True)
class Tasks:
    """The tasks so far; those of a label are numbered in the order in which they come."""

    tasks: list[Task] = field(default_factory=list, init=False)
    _counts: dict[str, int] = field(default_factory=dict, init=False)

    def add(
        self,
        function: str,
        params: Mapping[str, Any],
        inputs: Sequence[str],
        label: str,
        *,
        plugins: Sequence[Plugin] = (),
        place: str = "",
    ) -> str:
        """Add a task and return its key."""
        code = code_of(function, plugins)
        return self._added(function, params, tuple(inputs), code, label, place or f"artifacts/{label}")

    def partition(self, name: str, source: str, rows: str | None) -> str:
        """Add a partition of a dataset: a task that nobody performs, whose outcome is given. Return its key.

        ``rows`` is the digest of its rows. Two files of equal contents are two partitions: the source is part of the key.
        """
        return self._added("ingest", {"source": source, "rows": rows}, (), "", f"{name}.ingest", "")

    def _added(
        self, function: str, params: Mapping[str, Any], inputs: tuple[str, ...], code: str, label: str, place: str
    ) -> str:
        number = self._counts.get(label, 0)
        self._counts[label] = number + 1
        task = Task(function, plain(params), inputs, code, label, number, place)
        self.tasks.append(task)
        return task.key


def merged(keys: Sequence[str], merge: Callable[[Sequence[str]], str], fan_in: int, *, to: int = 1) -> Sequence[str]:
    """Return the keys of the at most ``to`` results that trees of merges make of many.

    ``merge`` adds a task over at most ``fan_in`` results.
    """
    while len(keys) > to:
        groups = [keys[start : start + fan_in] for start in range(0, len(keys), fan_in)]
        keys = [group[0] if len(group) == 1 else merge(group) for group in groups]
    return keys


@dataclass(slots=True)
class Builder(Tasks):
    """The tasks of a pipeline so far. Each function that is given one adds those of a stage and returns their keys."""

    spec: PipelineSpec
    contents: Mapping[str, Content]
    ingested: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def partitions(self, name: str) -> None:
        """Add the partitions of a dataset."""
        parts = self.contents[name].parts
        self.ingested[name] = tuple(
            self.partition(name, part.source, None if part.rows is None else part.rows.digest) for part in parts
        )


def code_of(function: str, plugins: Sequence[Plugin]) -> str:
    """Return the digest of the code of a stage function with its plugins."""
    return _code(function, *sorted({module for plugin in plugins for module in modules_of(plugin)}))


@cache
def _code(function: str, *modules: str) -> str:
    return digest.of_code(f"engine.stages.{function}", *modules)


def forget_code() -> None:
    """Read code anew: for a notebook or a test in which it changes while it runs."""
    digest.forget()
    _code.cache_clear()
