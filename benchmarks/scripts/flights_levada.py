"""The flights' features by Levada, in a fresh store: everything up to the view and nothing after it.

    python -m benchmarks.scripts.flights_levada DATA STORE

Prints, as JSON, the tasks that ran and the files of the view.
"""

from __future__ import annotations

import json
import sys

from engine.config.compose import load
from engine.execute import execute
from engine.runs import Compiler, opened


def main(data: str, store_root: str, pipeline: str = "flights_10m") -> None:
    spec = load([f"pipeline={pipeline}", f"data={data}", f"store.root={store_root}"], "benchmarks/conf")
    with opened(spec) as (store, catalog):
        compiled = Compiler(catalog).compile(spec, final=True)
        found = execute(compiled.graph.cull(compiled.view), store, catalog, spec.executor)
        for _, error in found.failures():
            raise error
        files = [artifact.file for key in compiled.view if (artifact := found.artifact(key)) is not None]
        paths = [str(store.root / file.path) for file in files if file is not None]
    print(json.dumps({"ran": found.count("ran"), "reused": found.count("reused"), "files": paths}))


if __name__ == "__main__":
    main(*sys.argv[1:])
