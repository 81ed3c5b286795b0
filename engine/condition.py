"""Plans how the condition of ingested datasets is found out, and reads what came of it.

In: a specification and what its datasets hold. Out: a graph, and from its outcomes findings as plain data. A partition is
summarized once; a batch is compared once with those before it; summaries are merged as a tree. So a new batch costs its own
summary, one comparison, the merges above it and one judgement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.assess.finding import Finding
from engine.assess.settled import settled_by
from engine.compile import Tasks, merged
from engine.config.spec import PipelineSpec
from engine.execute import Execution, Outcome
from engine.graph import Graph
from engine.ingestion import Ingested
from engine.ingestion.replay import chains
from engine.plugin import Plugin, choose
from engine.registry import describe
from engine.schemas import Columns, schema_of

_FAN_IN = 8  # summaries that one task merges: few, because the last group of each level is merged anew for a new batch


@dataclass(frozen=True, slots=True)
class Condition:
    """The tasks that find out the condition of datasets, and the key of each dataset's judgement.

    ``own`` are the keys of tasks that are for this alone: partitions are not, which whoever ingested them gives.
    """

    spec: PipelineSpec
    graph: Graph
    given: Mapping[str, Outcome]
    judgements: Mapping[str, str]
    batches: Mapping[str, int]
    columns: Mapping[str, Columns]

    @property
    def own(self) -> frozenset[str]:
        """The keys of the tasks that nothing else needs."""
        return frozenset(key for key in self.graph if key not in self.given)

    def read(self, execution: Execution) -> dict[str, Any]:
        """Return what came of it as plain data: datasets with their findings and distributions, and what failed."""
        outcomes = {key: execution.outcomes[key] for key in self.graph if key in self.own}
        artifacts = {name: execution.artifact(key) for name, key in self.judgements.items()}
        failed = [
            (self.graph[key].label.partition(".")[0], one.error) for key, one in outcomes.items() if one.error is not None
        ]
        return {
            "datasets": [
                {"name": name, "batches": self.batches[name], **self._parted(name, artifact.data())}
                for name, artifact in artifacts.items()
                if artifact is not None
            ],
            "failures": [{"dataset": name, "message": str(error)} for name, error in dict(reversed(failed)).items()],
            "ran": sum(one.status == "ran" for one in outcomes.values()),
            "reused": sum(one.status == "reused" for one in outcomes.values()),
            "seconds": round(sum(one.seconds for one in outcomes.values()), 3),
        }

    def _parted(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Return a judgement with the findings apart that the pipeline's steps settle."""
        steps = [*(describe(step) for step in self.spec.datasets[name].prepare), *self._imputes(name)]
        by = [(one, settled_by(Finding.of_plain(one), steps)) for one in data["findings"]]
        settled = [{**one, "by": step} for one, step in by if step]
        return {**data, "findings": [one for one, step in by if not step], "settled": settled}

    def _imputes(self, name: str) -> list[dict[str, Any]]:
        """Return the steps of the encoding that fill in what is missing, with the names of the dataset's columns."""
        view = self.spec.view
        if name not in (view.from_, *(join.with_ for join in view.join)):
            return []
        schema, nodes = schema_of(self.columns[name]), [describe(step) for step in self.spec.encode]
        asked = [node["columns"] for node in nodes if node["use"] == "impute"]
        return [{"use": "impute", "columns": one if isinstance(one, list) else choose(one, schema)} for one in asked]


def plan_condition(spec: PipelineSpec, ingested: Iterable[Ingested], *, ahead: bool = False) -> Condition:
    """Return the tasks for datasets that have been ingested; one of which something is not there is left out.

    To look ``ahead`` is to add those for what is only foreseen: each partition as a batch, those of a snapshot as one.
    """
    builder, judgements, batches, columns = _Builder(spec), dict[str, str](), dict[str, int](), dict[str, Columns]()
    for one in ingested:
        there = all(one.outcomes[held.partition.source].artifact is not None for held in one.held)
        foreseen = one.foreseen if ahead else ()
        if there and (one.held or foreseen):
            judgements[one.name] = builder.dataset(one, foreseen)
            batches[one.name] = len({held.batch.id for held in one.held})
            columns[one.name] = one.content.columns
    return Condition(spec, Graph(builder.tasks), builder.given, judgements, batches, columns)


@dataclass(slots=True)
class _Builder(Tasks):
    """The tasks so far; those of partitions are given, as they have been ingested."""

    spec: PipelineSpec
    given: dict[str, Outcome] = field(default_factory=dict)

    def dataset(self, ingested: Ingested, foreseen: Sequence[str]) -> str:
        """Add the tasks of a dataset and return the key of its judgement."""
        name = ingested.name
        summaries: dict[tuple[int, bool], list[str]] = {}
        parts = [(chain, place) for chain in chains(ingested.held) for place in range(len(chain.parts))]
        parts.sort(key=lambda part: (part[0].parts[part[1]].batch.sequence, part[0].source, part[1]))
        for chain, place in parts:
            held = chain.parts[place]
            outcome = ingested.outcomes[held.partition.source]
            assert outcome.artifact is not None, "whoever calls has seen that it is there"
            partition = self.partition(name, held.partition.source, outcome.artifact.digest)
            self.given[partition] = outcome
            params = {
                "source": chain.source,
                "links": [link.to_json() for link in chain.links(place)],
                "without": [list(one) for one in held.without],
                "key": list(self.spec.datasets[name].key),
            }
            summary = self._add(name, "assess", params, [partition])
            summaries.setdefault((held.batch.sequence, bool(held.partition.of)), []).append(summary)
        last = max((number for number, _ in summaries), default=0)
        for number, source in enumerate(foreseen, last + 1):
            new = self._add(name, "assess", {"source": source}, [self.partition(name, source, None)])
            batch = last + 1 if self.spec.datasets[name].mode == "snapshot" else number
            summaries.setdefault((batch, False), []).append(new)
        batches = {batch: self._merged(name, keys) for batch, keys in summaries.items()}
        whole = self._merged(name, list(batches.values()))
        # rows that were replayed are the odd ones of another batch: to compare them with the rest says nothing
        usual = {number: key for (number, replayed), key in batches.items() if not replayed}
        compared: list[str] = []
        for key in usual.values() if len(usual) > 1 else ():
            compared.append(self._add(name, "compare_assessed", {}, [*compared[-1:], key]))
        return self._judgement(ingested, whole, list(usual) if compared else [], compared)

    def _judgement(self, ingested: Ingested, whole: str, batches: Sequence[int], compared: Sequence[str]) -> str:
        name, spec = ingested.name, self.spec
        prepare = spec.datasets[name].prepare
        target = spec.problem.target if name == spec.view.from_ else None
        params = {
            "key": list(spec.datasets[name].key),
            "columns": ingested.content.columns,
            "batches": list(batches),
            "leaks": None if target is None else {"target": target, "steps": [describe(step) for step in prepare]},
        }
        plugins = prepare if target is not None else ()
        return self._add(name, "judge_assessed", params, [whole, *compared], plugins)

    def _merged(self, name: str, keys: Sequence[str]) -> str:
        """Add a tree of merges; one summary needs none."""
        return merged(keys, lambda group: self._add(name, "merge_assessed", {}, group), _FAN_IN)[0]

    def _add(
        self, name: str, function: str, params: Mapping[str, Any], inputs: Sequence[str], plugins: Sequence[Plugin] = ()
    ) -> str:
        label = f"{name}.{function.removesuffix('_assessed')}" if function != "merge_assessed" else f"{name}.{function}"
        return self.add(function, params, inputs, label, plugins=plugins)
