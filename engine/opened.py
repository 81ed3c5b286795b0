"""What a command works with while it lasts: the open stores, the workers, the record that it is running.

In: a specification. Out: contexts; leaving them closes what was opened, and says in the catalog how a run ended.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.bus import Bus, CatalogBus, announce
from engine.config.spec import PipelineSpec, Store
from engine.errors import Interrupted
from engine.execute import All, Watcher, Workers
from engine.names import new_id
from engine.stores.artifacts import ArtifactStore, store_at
from engine.stores.catalog import Catalog, RunRecord
from engine.stores.sqlite import SqliteCatalog


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of a pipeline: files, the catalog, the bus."""

    files: ArtifactStore
    catalog: Catalog
    bus: Bus


@contextmanager
def opened(store: Store, *, look: bool = False) -> Iterator[Stores]:
    """Open the store that a pipeline names for the time of the context. To ``look`` only makes none where there is none."""
    catalog = open_catalog(store, look=look)
    try:
        bus = CatalogBus(catalog)
        if not look:
            announce(catalog, bus)  # what a process that ended too soon has left
        uri = store.uri if store.kind == "mongo" else None
        yield Stores(store_at(Path(store.root).absolute(), uri, store.database), catalog, bus)
    finally:
        catalog.close()


def open_catalog(store: Store, *, look: bool = False) -> Catalog:
    """Open the catalog of a store; to ``look`` only is given an empty one where there is none."""
    if store.uri is not None and store.kind == "mongo":
        from engine.stores.mongo_catalog import MongoCatalog

        return MongoCatalog(store.uri, store.database)
    file = Path(store.root).absolute() / "catalog.sqlite"
    return SqliteCatalog(None if look and not file.exists() else file)


def workers_of(spec: PipelineSpec, watchers: Sequence[Watcher]) -> Workers:
    """Return the workers that a pipeline asks for; nothing is started yet."""
    return Workers(spec.executor, All(watchers).note)


@contextmanager
def recorded(catalog: Catalog, pipelines: Sequence[str]) -> Iterator[list[RunRecord]]:
    """Record that runs have begun and, if they do not end by themselves, how they ended. Who opens it records a good end."""
    started = time.time()
    process = {"process": os.getpid(), "host": platform.node()}
    records = [RunRecord(new_id(), name, "running", started, summary=process) for name in pipelines]
    for record in records:
        catalog.save_run(record)
    try:
        yield records
    except BaseException as error:  # whatever it is, the record says how it ended, and it goes on its way
        status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
        for record in records:
            ended(catalog, record, status, {"message": str(error)})
        raise


def ended(catalog: Catalog, record: RunRecord, status: str, summary: Mapping[str, Any]) -> None:
    """Record how a run ended, and what there is to say about it."""
    catalog.save_run(RunRecord(record.id, record.pipeline, status, record.started, time.time(), dict(summary)))
