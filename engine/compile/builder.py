"""Collects the tasks of one pipeline: what a task is made of, and what the partitions of datasets are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
class Builder:
    """The tasks so far. Each function that is given one adds those of a stage and returns their keys."""

    spec: PipelineSpec
    contents: Mapping[str, Content]
    tasks: list[Task] = field(default_factory=list)
    ingested: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(
        self,
        function: str,
        params: dict[str, Any],
        inputs: Sequence[str],
        label: str,
        index: int = 0,
        *,
        plugins: Sequence[Plugin] = (),
        place: str = "",
    ) -> str:
        """Add a task and return its key."""
        code = code_of(function, plugins)
        task = Task(function, plain(params), tuple(inputs), code, label, index, place or f"artifacts/{label}")
        self.tasks.append(task)
        return task.key

    def partitions(self, name: str) -> None:
        """Add the partitions of a dataset: tasks that nobody performs, whose outcomes are given."""
        self.ingested[name] = tuple(
            # two files of equal contents are two partitions: the source is part of the key
            self._given({"source": part.source, "rows": part.rows and part.rows.digest}, f"{name}.ingest", number)
            for number, part in enumerate(self.contents[name].parts)
        )

    def _given(self, params: dict[str, Any], label: str, index: int) -> str:
        task = Task("ingest", plain(params), (), "", label, index, "")
        self.tasks.append(task)
        return task.key


def code_of(function: str, plugins: Sequence[Plugin]) -> str:
    """Return the digest of the code of a stage function with its plugins."""
    return _code(function, *sorted({module for plugin in plugins for module in modules_of(plugin)}))


@cache
def _code(function: str, *modules: str) -> str:
    return digest.of_code(f"engine.stages.{function}", *modules)
