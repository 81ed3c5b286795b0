"""A pipeline of this folder's by Levada, up to a stage and nothing after it.

    python -m benchmarks.scripts.levada_upto DATA STORE PIPELINE STAGE

STAGE is ``view`` (the features) or ``encoded``. Prints, as JSON, how many tasks ran and were reused, the seconds of
the execution alone, and the files of the stage.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from engine.config.compose import load
from engine.config.spec import PipelineSpec
from engine.execute import execute
from engine.opened import opened, recorded, workers_of
from engine.runs import Compiler, given_to


def main(data: str, store_root: str, pipeline: str, stage: str) -> dict[str, Any]:
    """Run and return what is to be told."""
    return up_to(load([f"pipeline={pipeline}", f"data={data}", f"store.root={store_root}"], "benchmarks/conf"), stage)


def up_to(spec: PipelineSpec, stage: str) -> dict[str, Any]:
    """Run a pipeline as far as a stage, from the ingestion on, and return what is to be told."""
    with (
        opened(spec.store) as stores,
        workers_of(spec, ()) as workers,
        recorded(stores.catalog, [spec.name]) as (record,),
    ):
        compiler = Compiler(stores)
        compiler.plan(spec)
        started = time.perf_counter()
        compiler.ingest([spec], workers, run=record.id, keep_going=False, watchers=())
        compiled, ingested = compiler.compile(spec, final=True)
        keys = getattr(compiled, stage)
        graph = compiled.graph.cull(keys)
        given = {key: outcome for key, outcome in given_to(compiled, ingested).items() if key in graph}
        found = execute(graph, stores.files, stores.catalog, workers, run=record.id, given=given)
        seconds = time.perf_counter() - started
    for _, error in found.failures():
        raise error
    files = [artifact.file for key in keys if (artifact := found.artifact(key)) is not None]
    return {
        "ran": found.count("ran"),
        "reused": found.count("reused"),
        "seconds": seconds,
        "files": [str(stores.files.root / file.path) for file in files if file is not None],
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
