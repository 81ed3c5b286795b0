"""Writes down what a run came to as a bundle: a manifest that names the results, none of which is copied.

In: a compiled pipeline, the outcomes of its tasks and what its datasets hold. Out: a file below ``bundles/`` of the store. Its
name holds the digest of its contents, so runs that come to the same have one bundle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from engine import digest
from engine.bundles import Bundle, Manifest, Need, Past, Side
from engine.compile import Compiled, Content, roles_of
from engine.config.spec import Join, PipelineSpec
from engine.execute import Execution
from engine.plugin import TimeAware
from engine.registry import describe
from engine.schemas import schema_of
from engine.stages.encoding import features_in
from engine.stores.artifacts import Artifact, ArtifactStore
from engine.stores.catalog import RunRecord
from engine.stores.commit import StoredFile
from engine.stores.features import FeatureVersion

PLACE = "bundles"

SHORT = 12
"""Digits of a bundle's digest that are its id."""

_MICROSECOND = timedelta(microseconds=1)


def keep(manifest: Manifest, files: ArtifactStore) -> StoredFile:
    """Write a manifest into the store; equal ones are one file."""
    text = digest.canonical(manifest.model_dump(mode="json"))

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return files.write(f"{PLACE}/{manifest.pipeline}", "bundle", ".json", write)


def manifest_of(
    compiled: Compiled,
    execution: Execution,
    contents: Mapping[str, Content],
    version: FeatureVersion,
    summary: Mapping[str, object],
) -> Manifest:
    """Return the bundle of a run all of whose tasks ended well; ``summary`` is the run's."""
    spec = compiled.spec
    name = spec.view.from_
    steps, sides = _steps(spec)
    key = roles_of(spec).key
    encoded = execution.graph[compiled.encoded[0]]
    lineage = summary["lineage"]
    assert isinstance(lineage, dict), "a run always says what it was made of"
    return Manifest(
        pipeline=spec.name,
        dataset=name,
        key=key if set(key) <= {column for column, _ in contents[name].columns} else (),
        problem=spec.problem.model_dump(mode="json", include={"task", "target", "features"}),
        extract=describe(spec.datasets[name].extract),
        columns=tuple(contents[name].columns),
        needs=_needs(spec, version),
        steps=steps,
        sides=tuple(_side(execution, join) for join in sides),
        past=_past(spec, contents[name]),
        encode=tuple(describe(step) for step in spec.encode),
        states=tuple(_text(execution, key) for key in encoded.inputs[2:]),
        model=describe(spec.model),
        fitted=_text(execution, compiled.model),
        features=tuple(_value(execution, compiled.model)["features"]),
        results={"metrics": summary["metrics"], "question": summary["question"]},
        feature_version=version.id,
        made_of=tuple(lineage["batches"]),
        versions=lineage["versions"],
    )


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a bundle: the file of its manifest, and the runs that came to it, the newest first."""

    id: str
    file: StoredFile
    runs: tuple[RunRecord, ...]

    @property
    def pipeline(self) -> str:
        """The pipeline whose runs came to it."""
        return self.runs[0].pipeline

    def manifest(self, files: ArtifactStore) -> Manifest:
        """Return what it says. Raises ``Corrupt`` or ``HostError``."""
        return Manifest.model_validate_json(files.path(Artifact(file=self.file)).read_bytes())

    def bundle(self, files: ArtifactStore) -> Bundle:
        """Return it as what predicts. Raises ``Corrupt`` or ``HostError``."""
        return Bundle(self.id, self.manifest(files), files)

    def is_there(self, files: ArtifactStore) -> bool:
        """Say whether its manifest is still in the store."""
        return files.holds(Artifact(file=self.file))


def registered(runs: Iterable[RunRecord]) -> dict[str, Registered]:
    """Return the versions of bundles by id, in the order of their newest runs, as the runs are: the newest first."""
    found: dict[str, tuple[StoredFile, list[RunRecord]]] = {}
    for run in runs:
        if (kept := run.summary.get("bundle")) is not None:
            file = StoredFile(**kept)
            found.setdefault(file.digest[:SHORT], (file, []))[1].append(run)
    return {identity: Registered(identity, file, tuple(own)) for identity, (file, own) in found.items()}


def _steps(spec: PipelineSpec) -> tuple[tuple[dict[str, object], ...], list[Join]]:
    """Return the steps from raw rows to the view, and the joins among them, which number their sides."""
    joins = list(spec.view.join)
    nodes = [{"join": join.model_dump(mode="json", by_alias=True), "side": number} for number, join in enumerate(joins)]
    prepare = [describe(step) for step in spec.datasets[spec.view.from_].prepare]
    return (*prepare, *nodes, *(describe(step) for step in spec.view.features)), joins


def _side(execution: Execution, join: Join) -> Side:
    """Return the prepared rows of a joined dataset, wherever the graph has them."""
    node = join.model_dump(mode="json", by_alias=True)
    for task in execution.graph.values():
        if task.function == "shuffle" and (params := json.loads(task.params))["join"] == node:
            rights = task.inputs[params["left"] :]
            return Side(dataset=join.with_, rows=tuple(_text(execution, key) for key in rights), scattered=True)
    (prepared, *_) = execution.graph.stages()[f"{join.with_}.prepare"]
    return Side(dataset=join.with_, rows=(_text(execution, prepared.key),), scattered=False)


def _past(spec: PipelineSpec, content: Content) -> Past | None:
    """Return the rows that steps may look back at from the end of the data, and None where no step does."""
    dataset = spec.datasets[spec.view.from_]
    aware = [step for step in (*dataset.prepare, *spec.view.features) if isinstance(step, TimeAware)]
    if not aware:
        return None
    parts = [part for part in content.parts if part.rows is not None]
    time, looks = dataset.time, [step.lookback for step in aware]
    far = [look // _MICROSECOND for look in looks if look is not None]
    spans = [part.spans.get(time) for part in parts] if time is not None and all(step.on == time for step in aware) else []
    ends = [span[1] for span in spans if span is not None]
    if not ends or len(ends) < len(parts) or len(far) < len(looks):
        return Past(rows=tuple(part.rows.to_json() for part in parts if part.rows is not None))
    since = max(ends) - sum(far)
    recent = [part for part in parts if time is not None and part.spans[time][1] >= since]
    return Past(rows=tuple(part.rows.to_json() for part in recent if part.rows is not None), time=time, since=since)


def _needs(spec: PipelineSpec, version: FeatureVersion) -> tuple[Need, ...]:
    """Return the columns of the view's dataset that features, or the choice of rows, come from."""
    name = spec.view.from_
    seen = features_in(schema_of([(one.name, one.dtype) for one in version.columns]), spec.problem.model_dump(mode="json"))
    found: dict[str, list[str]] = {}
    for column in (one for one in version.columns if one.name in seen):
        for dataset, raw in column.raw:
            if dataset == name:
                found.setdefault(raw, []).append(column.name)
    told = _only_told_apart(spec, version)
    for dataset, raw in version.row_columns:
        if dataset == name and raw not in told:
            found.setdefault(raw, []).append("the choice of rows")
    return tuple(Need(column=column, by=tuple(by)) for column, by in sorted(found.items()))


def _only_told_apart(spec: PipelineSpec, version: FeatureVersion) -> set[str]:
    """Return what the target is made of where rows are compared as a whole: those to predict can be told apart without."""
    nodes = [version.steps[number].node for number in version.row_steps]
    if not any(node.get("use") == "deduplicate" and node["columns"] is None for node in nodes):
        return set()
    return {raw for one in version.columns if one.name == spec.problem.target for _, raw in one.raw}


def _text(execution: Execution, key: str) -> str:
    artifact = execution.artifact(key)
    assert artifact is not None, "all tasks ended well"
    return artifact.to_json()


def _value(execution: Execution, key: str) -> dict[str, list[str]]:
    artifact = execution.artifact(key)
    assert artifact is not None, "all tasks ended well"
    found: dict[str, list[str]] = artifact.data()
    return found
