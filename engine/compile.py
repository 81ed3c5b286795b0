"""From a specification and what its datasets hold to one immutable graph.

In: a ``PipelineSpec`` and, for each dataset, its partitions and columns, as they were ingested. Out: a ``Compiled``, whose
graph has one task for each partition and stage. Pure: nothing is read, equal inputs give equal graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from engine import digest
from engine.config.spec import PipelineSpec
from engine.graph import Graph, Task
from engine.plugin import PARTS, FittedTransformer, Plugin, Roles, TimeAware
from engine.registry import describe, modules_of, name_of
from engine.schemas import Columns
from engine.stages.join import unique_by
from engine.stores.artifacts import Artifact, plain

_MICROSECOND = timedelta(microseconds=1)
_FAN_IN = 32  # summaries that one task merges
_IMPORTANCE = {"repeats": 3, "sample": 2_000}


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


@dataclass(frozen=True, slots=True)
class History:
    """Partitions with rows in the past of another one, and which of the rows: column, since (None: all), until (included)."""

    partitions: tuple[int, ...] = ()
    between: tuple[str, int | None, int] | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A graph, and the keys of the tasks whose results a run speaks of."""

    spec: PipelineSpec
    graph: Graph
    ingest: Mapping[str, tuple[str, ...]]
    view: tuple[str, ...]
    segregation: str
    encoded: tuple[str, ...]
    model: str
    evaluation: Mapping[str, str]
    importance: str | None

    @property
    def ranking(self) -> str:
        """The part on which candidates are compared."""
        return ranking_part(self.spec)


def ranking_part(spec: PipelineSpec) -> str:
    """Return validation if it has rows, else test, else train."""
    shares = {"validation": spec.splitter.validation, "test": spec.splitter.test}
    return next((part for part, share in shares.items() if share > 0), "train")


def roles_of(spec: PipelineSpec) -> Roles:
    """Return which columns of the view mean what."""
    dataset = spec.datasets[spec.view.from_]
    return Roles(spec.problem.task, spec.problem.target, dataset.key, dataset.time)


def compile_pipeline(spec: PipelineSpec, contents: Mapping[str, Content], *, final: bool = True) -> Compiled:
    """Return the graph of a pipeline.

    A partition is a task that nobody performs: its outcome is given, by whoever ingested it. ``final`` adds what is only
    done for a chosen model: the test part, and the importance of features. A trial of a sweep goes without.
    """
    builder = _Builder(spec, contents)
    for name in used(spec):
        builder.partitions(name)
    view = builder.view()
    segregation = builder.segregate(view)
    encoded = builder.encode(view, builder.assign(view, segregation))
    model = builder.add("estimate", {"model": describe(spec.model)}, encoded, "model.estimate", plugins=[spec.model])
    evaluation = builder.evaluate(model, encoded, final=final)
    importance = builder.importance(model, encoded) if final and spec.problem.task != "clustering" else None
    graph = Graph(builder.tasks)
    return Compiled(spec, graph, builder.ingested, view, segregation, encoded, model, evaluation, importance)


def used(spec: PipelineSpec) -> list[str]:
    """Return the datasets that the view is made of, and those that their rules refer to."""
    found = list(dict.fromkeys([spec.view.from_, *(join.with_ for join in spec.view.join)]))
    for name in found:  # which grows: a dataset that is referred to may refer to others
        others = (check.refers_to() for check in spec.datasets[name].dataset_checks.values())
        found += [other[0] for other in others if other is not None and other[0] not in found]
    return found


@dataclass(slots=True)
class _Builder:
    """Collects the tasks of one pipeline; each method adds those of a stage and returns their keys."""

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
        code = code_of(function, plugins)
        task = Task(function, plain(params), tuple(inputs), code, label, index, place or f"artifacts/{label}")
        self.tasks.append(task)
        return task.key

    def partitions(self, name: str) -> None:
        self.ingested[name] = tuple(
            # two files of equal contents are two partitions: the source is part of the key
            self._given({"source": part.source, "rows": part.rows and part.rows.digest}, f"{name}.ingest", number)
            for number, part in enumerate(self.contents[name].parts)
        )

    def _given(self, params: dict[str, Any], label: str, index: int) -> str:
        task = Task("ingest", plain(params), (), "", label, index, "")
        self.tasks.append(task)
        return task.key

    def view(self) -> tuple[str, ...]:
        """Add the view: steps in a row are one task a partition; a step over the whole table makes it one task in all."""
        spec, name = self.spec.view, self.spec.view.from_
        prepare = self.spec.datasets[name].prepare
        nodes = [join.model_dump(mode="json", by_alias=True) for join in spec.join]
        sides = [self._side(node["with"], unique_by(node)) for node in nodes]
        joins = [{"join": node, "side": number} for number, node in enumerate(nodes)]
        steps = [*map(describe, prepare), *joins, *map(describe, spec.features)]
        plugins = [*prepare, *spec.features]
        if any(step.scope == "table" for step in plugins):
            groups = [(list(self.ingested[name]), History())]
        else:
            aware = [step for step in plugins if isinstance(step, TimeAware)]
            groups = [([key], self._history(name, number, aware)) for number, key in enumerate(self.ingested[name])]
        params = {"steps": steps, "schema": self.contents[name].columns, "unique": [], "dataset": name}
        place = f"features/{name}/version={digest.of_value(steps)[:12]}"
        return tuple(
            self.add(
                "transform",
                {**params, "partitions": len(group), "earlier": len(history.partitions), "between": history.between},
                [*group, *(self.ingested[name][other] for other in history.partitions), *sides],
                f"{name}.features",
                number,
                plugins=plugins,
                place=place,
            )
            for number, (group, history) in enumerate(groups)
        )

    def _history(self, name: str, number: int, steps: Sequence[TimeAware]) -> History:
        """Return which partitions may have rows in the past of one, by the times that they were seen to have.

        Those that are not ingested yet have none: rows mostly come in the order of their times.
        """
        if not steps:
            return History()
        parts, time = self.contents[name].parts, self.spec.datasets[name].time
        others = {other: part for other, part in enumerate(parts) if other != number and part.rows is not None}
        own = parts[number].spans.get(time) if time is not None and all(step.on == time for step in steps) else None
        if own is None or time is None:
            return History(tuple(others))
        looks = [step.lookback for step in steps]
        far = [look // _MICROSECOND for look in looks if look is not None]
        since = own[0] - sum(far) if len(far) == len(looks) else None
        spans = {other: part.spans.get(time) for other, part in others.items()}
        chosen = [
            other
            for other, span in spans.items()
            if span is None or (span[0] <= own[1] and (since is None or since <= span[1]))
        ]
        return History(tuple(chosen), (time, since, own[1]))

    def _side(self, name: str, unique: Sequence[str]) -> str:
        prepare, parts = self.spec.datasets[name].prepare, self.ingested[name]
        steps = [describe(step) for step in prepare]
        schema = self.contents[name].columns
        params = {"steps": steps, "schema": schema, "unique": list(unique), "dataset": name, "partitions": len(parts)}
        params |= {"earlier": 0, "between": None}
        return self.add("transform", params, parts, f"{name}.prepare", plugins=prepare)

    def segregate(self, view: Sequence[str]) -> str:
        roles = roles_of(self.spec)
        params = {
            "splitter": describe(self.spec.splitter),
            "roles": {"task": roles.task, "target": roles.target, "key": list(roles.key), "time": roles.time},
        }
        return self.add("segregate", params, view, "view.segregate", plugins=[self.spec.splitter])

    def assign(self, view: Sequence[str], segregation: str) -> list[str]:
        return [self.add("assign", {"partition": number}, [segregation], "view.assign", number) for number in range(len(view))]

    def encode(self, view: Sequence[str], parts: Sequence[str]) -> tuple[str, ...]:
        """Add the fits of the encoding, each after those before it, and the encoded partitions."""
        problem = self.spec.problem.model_dump(mode="json", include={"task", "target", "features"})
        nodes = [describe(step) for step in self.spec.encode]
        states: list[str] = []
        for number, step in enumerate(self.spec.encode):
            if isinstance(step, FittedTransformer):
                params = {"step": nodes[number], "before": nodes[:number], "problem": problem}
                label = f"encode.{number + 1}_{name_of(type(step))}"
                summaries = [
                    self.add("summarize", params, [*pair, *states], label, index, plugins=self.spec.encode[: number + 1])
                    for index, pair in enumerate(zip(view, parts, strict=True))
                ]
                states.append(self._merge(summaries, nodes[number], step, label))
        params = {"steps": nodes, "problem": problem}
        return tuple(
            self.add("encode", params, [*pair, *states], "encode.apply", index, plugins=self.spec.encode)
            for index, pair in enumerate(zip(view, parts, strict=True))
        )

    def _merge(self, summaries: list[str], node: dict[str, Any], step: Plugin, label: str) -> str:
        """Add a tree of merges over summaries; the last one makes the state."""
        index = len(summaries)
        while True:
            groups = [summaries[start : start + _FAN_IN] for start in range(0, len(summaries), _FAN_IN)]
            params = {"step": node, "finish": len(groups) == 1}
            summaries = [
                self.add("merge", params, group, label, index + number, plugins=[step]) for number, group in enumerate(groups)
            ]
            index += len(groups)
            if len(groups) == 1:
                return summaries[0]

    def evaluate(self, model: str, encoded: Sequence[str], *, final: bool) -> dict[str, str]:
        shares = {part: getattr(self.spec.splitter, part) for part in PARTS[1:]}
        parts = [part for part, share in shares.items() if share > 0] or ["train"]
        wanted = parts if final else [ranking_part(self.spec)]
        metrics = [describe(metric) for metric in self.spec.metrics]
        plugins = [self.spec.model, *self.spec.metrics]
        return {
            part: self.add(
                "evaluate",
                {"model": describe(self.spec.model), "metrics": metrics, "part": part},
                [model, *encoded],
                "model.evaluate",
                PARTS.index(part),
                plugins=plugins,
            )
            for part in wanted
        }

    def importance(self, model: str, encoded: Sequence[str]) -> str:
        params = {
            "model": describe(self.spec.model),
            "metric": describe(self.spec.metric),
            "part": ranking_part(self.spec),
            **_IMPORTANCE,
        }
        plugins = [self.spec.model, self.spec.metric]
        return self.add("importance", params, [model, *encoded], "model.importance", plugins=plugins)


def code_of(function: str, plugins: Sequence[Plugin]) -> str:
    """Return the digest of the code of a stage function with its plugins."""
    return _code(function, *sorted({module for plugin in plugins for module in modules_of(plugin)}))


@cache
def _code(function: str, *modules: str) -> str:
    return digest.of_code(f"engine.stages.{function}", *modules)
