"""From a specification and what its datasets hold to one immutable graph.

In: a ``PipelineSpec`` and, for each dataset, its partitions and columns, as they were ingested. Out: a ``Compiled``, whose
graph has one task for each partition and stage. Pure: nothing is read, equal inputs give equal graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.compile.builder import Builder, Content, Part, Tasks, code_of, forget_code, merged
from engine.compile.view import view_of
from engine.config.spec import PipelineSpec
from engine.graph import Graph
from engine.plugin import PARTS, FittedTransformer, Plugin, Roles
from engine.registry import describe, name_of

__all__ = [
    "Compiled",
    "Content",
    "Part",
    "Tasks",
    "code_of",
    "compile_pipeline",
    "forget_code",
    "merged",
    "ranking_part",
    "roles_of",
    "used",
]

_FAN_IN = 32  # summaries that one task merges
_SKETCHES = 8  # sketches that one task merges: few, because the last group is merged anew for a new partition
_IMPORTANCE = {"repeats": 3, "sample": 2_000}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A graph, and the keys of the tasks whose results a run speaks of."""

    spec: PipelineSpec
    graph: Graph
    ingest: Mapping[str, tuple[str, ...]]
    view: tuple[str, ...]
    segregation: str
    judgement: str
    parts: tuple[str, ...]
    encoded: tuple[str, ...]
    model: str
    evaluation: Mapping[str, str]
    importance: str | None
    exemplars: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict)
    refits: tuple[str, ...] = ()

    @property
    def ranking(self) -> str:
        """The part on which candidates are compared."""
        return ranking_part(self.spec)


def ranking_part(spec: PipelineSpec) -> str:
    """Return validation if it has rows, else test, else train."""
    return next(part for part in ("validation", "test", "train") if part in spec.splitter.parts)


def roles_of(spec: PipelineSpec) -> Roles:
    """Return which columns of the view mean what."""
    dataset = spec.datasets[spec.view.from_]
    return Roles(spec.problem.task, spec.problem.target, dataset.key, dataset.time)


def compile_pipeline(spec: PipelineSpec, contents: Mapping[str, Content], *, final: bool = True) -> Compiled:
    """Return the graph of a pipeline.

    A partition is a task that nobody performs: its outcome is given, by whoever ingested it. ``final`` adds what is only
    done for a chosen model: the test part, the importance of features, the exemplars and the stability of clusters, slices,
    a look at the rows of all parts for what is doubtful. A trial of a sweep goes without.
    """
    builder = _Builder(spec, contents)
    for name in used(spec):
        builder.partitions(name)
    view = view_of(builder)
    segregation = builder.segregate(view)
    assigned = builder.assign(view, segregation)
    judgement = builder.judge(segregation, builder.sketch(view, assigned) if final or spec.splitter.strict else ())
    parts = builder.admit(segregation, judgement, assigned) if spec.splitter.strict else assigned
    encoded = builder.encode(view, parts)
    model = builder.add("estimate", {"model": describe(spec.model)}, encoded, "model.estimate", plugins=[spec.model])
    evaluation = builder.evaluate(model, encoded, final=final)
    importance = builder.importance(model, encoded) if final and spec.problem.task != "clustering" else None
    exemplars = builder.exemplars(model, view, parts) if final and spec.problem.task == "clustering" else None
    slices = builder.slices(evaluation, view, encoded) if final and spec.slices else {}
    refits = builder.refits(model, encoded) if final else ()
    graph = Graph(builder.tasks)
    return Compiled(
        spec=spec,
        graph=graph,
        ingest=builder.ingested,
        view=view,
        segregation=segregation,
        judgement=judgement,
        parts=tuple(parts),
        encoded=encoded,
        model=model,
        evaluation=evaluation,
        importance=importance,
        exemplars=exemplars,
        slices=slices,
        refits=refits,
    )


def used(spec: PipelineSpec) -> list[str]:
    """Return the datasets that the view is made of, and those that their rules refer to."""
    found = list(dict.fromkeys([spec.view.from_, *(join.with_ for join in spec.view.join)]))
    for name in found:  # which grows: a dataset that is referred to may refer to others
        others = (check.refers_to() for check in spec.datasets[name].dataset_checks.values())
        found += [other[0] for other in others if other is not None and other[0] not in found]
    return found


class _Builder(Builder):
    """The stages after the view; each method adds those of a stage and returns their keys."""

    def segregate(self, view: Sequence[str]) -> str:
        splitter = {name: value for name, value in describe(self.spec.splitter).items() if name not in ("watch", "strict")}
        params = {"splitter": splitter, "roles": self._roles()}
        return self.add("segregate", params, view, "view.segregate", plugins=[self.spec.splitter])

    def _roles(self) -> dict[str, Any]:
        roles = roles_of(self.spec)
        return {"task": roles.task, "target": roles.target, "key": list(roles.key), "time": roles.time}

    def assign(self, view: Sequence[str], segregation: str) -> list[str]:
        return [self.add("assign", {"partition": number}, [segregation], "view.assign") for number in range(len(view))]

    def sketch(self, view: Sequence[str], assigned: Sequence[str]) -> Sequence[str]:
        """Add a look at the rows of each partition by their parts, and a tree that merges what was seen; return its root."""
        roles, watch = roles_of(self.spec), self.spec.splitter.watch
        steps = [describe(step) for step in self.spec.encode if name_of(type(step)) == "drop"]
        params = {
            "key": list(roles.key),
            "watch": None if watch is None else list(watch),
            "target": roles.target,
            "time": roles.time,
            "features": self.spec.problem.model_dump(mode="json")["features"],
            "dropped": [step["columns"] for step in steps],
        }
        seen = [self.add("sketch_parts", params, pair, "view.sketch") for pair in zip(view, assigned, strict=True)]
        return merged(seen, lambda group: self.add("merge_sketches", {}, group, "view.sketch"), _SKETCHES)

    def judge(self, segregation: str, sketch: Sequence[str]) -> str:
        params = {"roles": self._roles(), "metric": name_of(type(self.spec.metric))}
        return self.add("judge_parts", params, [segregation, *sketch], "view.judge")

    def admit(self, segregation: str, judgement: str, assigned: Sequence[str]) -> list[str]:
        """Add what stops at a doubtful judgement; return the parts of partitions that come after it."""
        admitted = self.add("admit", {}, [judgement], "view.admit")
        return [
            self.add("assign", {"partition": number}, [segregation, admitted], "view.admit") for number in range(len(assigned))
        ]

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
                    self.add("summarize", params, [*pair, *states], label, plugins=self.spec.encode[: number + 1])
                    for pair in zip(view, parts, strict=True)
                ]
                states.append(self._merge(summaries, nodes[number], step, label))
        params = {"steps": nodes, "problem": problem}
        return tuple(
            self.add("encode", params, [*pair, *states], "encode.apply", plugins=self.spec.encode)
            for pair in zip(view, parts, strict=True)
        )

    def _merge(self, summaries: list[str], node: dict[str, Any], step: Plugin, label: str) -> str:
        """Add a tree of merges over summaries; the last one makes the state."""

        def merge(group: Sequence[str], *, finish: bool = False) -> str:
            return self.add("merge", {"step": node, "finish": finish}, group, label, plugins=[step])

        return merge(merged(summaries, merge, _FAN_IN, to=_FAN_IN), finish=True)

    def evaluate(self, model: str, encoded: Sequence[str], *, final: bool) -> dict[str, str]:
        parts = [part for part in PARTS[1:] if part in self.spec.splitter.parts] or ["train"]
        wanted = parts if final else [ranking_part(self.spec)]
        metrics = [describe(metric) for metric in self.spec.metrics]
        plugins = [self.spec.model, *self.spec.metrics]
        return {
            part: self.add(
                "evaluate",
                {"model": describe(self.spec.model), "metrics": metrics, "part": part},
                [model, *encoded],
                "model.evaluate",
                plugins=plugins,
            )
            for part in wanted
        }

    def refits(self, model: str, encoded: Sequence[str]) -> tuple[str, ...]:
        """Add fits on some of the rows, each by itself: more of them leave those that there were."""
        params = {"model": describe(self.spec.model)}
        return tuple(
            self.add("refit", {**params, "number": number}, [model, *encoded], "model.refit", plugins=[self.spec.model])
            for number in range(self.spec.stability or 0)
        )

    def slices(self, evaluation: Mapping[str, str], view: Sequence[str], encoded: Sequence[str]) -> dict[str, str]:
        params = {"metric": describe(self.spec.metric), "columns": list(dict.fromkeys(self.spec.slices))}
        return {
            part: self.add(
                "slices", {**params, "part": part}, [key, *view, *encoded], "model.slices", plugins=[self.spec.metric]
            )
            for part, key in evaluation.items()
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

    def exemplars(self, model: str, view: Sequence[str], parts: Sequence[str]) -> str:
        return self.add("exemplars", {}, [model, *view, *parts], "model.exemplars")
