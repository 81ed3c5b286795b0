"""Records what the tasks of a view came to as a version of the view's features, and announces it.

In: compiled pipelines and the outcomes of their tasks, as they end. Out: for each view the version in the catalog: a new one
when its definition, or what came of it, is new, else the one that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from engine import digest
from engine.bus import Bus, announce
from engine.compile import Compiled, roles_of
from engine.derivation import derive, steps_of
from engine.execute import Outcome, Watcher
from engine.graph import Graph, Task
from engine.ingestion import Ingested
from engine.names import new_id
from engine.stores.artifacts import Artifact, ArtifactStore
from engine.stores.batches import Piece
from engine.stores.catalog import Catalog
from engine.stores.features import FeatureBatch, FeaturePartition, FeatureVersion

View = tuple[Compiled, Mapping[str, Ingested], str]
"""A compiled pipeline, what came of its datasets, and the run."""


class Versions(Watcher):
    """Watches an execution, and commits a view's version as soon as the last of the view's tasks has ended well."""

    def __init__(self, files: ArtifactStore, catalog: Catalog, bus: Bus, views: Sequence[View]) -> None:
        self._files, self._catalog, self._bus = files, catalog, bus
        self._views = views
        self._artifacts: dict[str, Artifact] = {}
        self._of: dict[str, list[View]] = {}
        for view in views:
            for key in view[0].view:
                self._of.setdefault(key, []).append(view)
        self._found: dict[str, FeatureVersion] = {}

    def of(self, compiled: Compiled) -> FeatureVersion | None:
        """Return the version that a pipeline's view came to; None when a task of it did not end well."""
        return self._found.get(_name(compiled))

    def begin(self, graph: Graph) -> None:
        self._artifacts.clear()

    def ended(self, task: Task, outcome: Outcome) -> None:
        if task.key not in self._of or outcome.artifact is None:
            return
        self._artifacts[task.key] = outcome.artifact
        for view in self._of[task.key]:
            compiled = view[0]
            if _name(compiled) not in self._found and all(key in self._artifacts for key in compiled.view):
                self._found[_name(compiled)] = self._committed(view)

    def _committed(self, view: View) -> FeatureVersion:
        """Return the version of a view whose tasks have all ended; a known one is looked up and nothing else."""
        compiled, ingested, run = view
        artifacts = [self._artifacts[key] for key in compiled.view]
        spec = compiled.spec
        new = FeatureVersion(
            id=new_id(),
            view=spec.view.from_,
            definition=definition_of(compiled),
            content=digest.of_text(*(Piece.of(artifact).digest for artifact in artifacts)),
        )
        there = self._catalog.find_features(new.identity)
        if there is not None and there.retired is None:
            return there
        schema = self._files.scan(artifacts[0]).collect_schema()
        columns = {name: one.content.columns for name, one in ingested.items()}
        roles, derived = roles_of(spec), derive(spec, columns, schema)
        done = self._catalog.commit_features(
            new.model_copy(
                update={
                    "pipeline": spec.name,
                    "run": run,
                    "key": roles.key if set(roles.key) <= set(schema) else (),
                    "time": roles.time if roles.time in schema else None,
                    "steps": derived.steps,
                    "columns": derived.columns,
                    "row_steps": derived.row_steps,
                    "row_columns": derived.row_columns,
                    "partitions": tuple(_partition(self._files, n, one, roles.time) for n, one in enumerate(artifacts)),
                    "batches": tuple(batch for one in ingested.values() for batch in _batches(one)),
                }
            )
        )
        announce(self._catalog, self._bus)
        return done


def definition_of(compiled: Compiled) -> str:
    """Return the digest of all that is said of how a view is made, and of what its columns are."""
    spec, roles = compiled.spec, roles_of(compiled.spec)
    steps = [step.model_dump(mode="json") for step in steps_of(spec)]
    return digest.of_value([spec.view.from_, steps, list(roles.key), roles.time, dict(spec.view.describe)])


def _name(compiled: Compiled) -> str:
    return digest.of_text(definition_of(compiled), *compiled.view)


def _partition(files: ArtifactStore, number: int, artifact: Artifact, time: str | None) -> FeaturePartition:
    """Return a partition with the bounds of its times, where a time is a point or day on a calendar, or a whole number."""
    frame = files.scan(artifact)
    dtype = frame.collect_schema().get(time) if time is not None else None
    first = last = None
    if time is not None and dtype is not None and is_ranged(dtype):
        value = pl.col(time).to_physical().cast(pl.Int64)
        first, last = frame.select(first=value.min(), last=value.max()).collect().row(0)
    return FeaturePartition(number=number, piece=Piece.of(artifact), first=first, last=last)


def is_ranged(dtype: pl.DataType) -> bool:
    """Say whether the bounds of a time column of this type are kept."""
    return dtype in (pl.Date, pl.Datetime) or (dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128))


def _batches(ingested: Ingested) -> list[FeatureBatch]:
    batches = {held.batch.id: held.batch for held in ingested.held}
    return [
        FeatureBatch(dataset=one.dataset, id=one.id, sequence=one.sequence, created=one.created)
        for one in sorted(batches.values(), key=lambda batch: batch.sequence)
    ]
