"""10,000 tasks that do nothing, through the executor ``threads``, against ``dask.threaded.get`` alone.

Ours looks up what is known, makes a name for each task's result, lets Dask call it, and commits every result to a fresh
SQLite catalog. The alternative is the scheduler that ours uses, on as many plain calls, and keeps nothing: the least
that any engine on Dask can take. So the ratio is the price of remembering. Both run in one process, in turn. Making the
tasks and their keys (``Graph``) happens while a pipeline is compiled; it is left out of the first figure and part of the
second, where the alternative makes its dict as well.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.timing import PYTHON, Row, compare, run

TASKS = 10_000
ROUNDS = 5


def measure() -> list[Row]:
    """Return the lines of the table."""
    told = run([PYTHON, "-m", "benchmarks.empty_tasks"]).told()
    return [
        compare("10,000 empty tasks, executed", [(ours, other) for _, ours, _, other in told], "s", 2.0),
        compare(
            "10,000 empty tasks, with their keys",
            [(graph + ours, plain + other) for graph, ours, plain, other in told],
            "s",
            None,
        ),
    ]


def _round(number: int) -> tuple[float, float, float, float]:
    """Return seconds: our graph, our execution, the alternative's graph, its execution."""
    import dask.threaded

    from engine.config.spec import Executor
    from engine.execute import execute
    from engine.graph import Graph, Task
    from engine.stores.artifacts import Artifact, ArtifactStore
    from engine.stores.sqlite import SqliteCatalog

    executor = Executor(kind="threads")
    root = Path(tempfile.mkdtemp(prefix="levada-empty-"))
    catalog = SqliteCatalog(root / "catalog.sqlite")
    try:
        marks = [time.perf_counter()]
        graph = Graph(
            Task("empty", f'{{"round":{number},"task":{index}}}', label="empty", index=index) for index in range(TASKS)
        )
        marks.append(time.perf_counter())
        done = execute(graph, ArtifactStore(root), catalog, executor, find=lambda _: lambda _: Artifact())
        marks.append(time.perf_counter())
        plain = {("empty", index): (lambda: None,) for index in range(TASKS)}
        marks.append(time.perf_counter())
        dask.threaded.get(plain, list(plain), num_workers=executor.workers)
        marks.append(time.perf_counter())
        if done.count("ran") != TASKS:
            raise RuntimeError("not every task ran")
    finally:
        catalog.close()
        shutil.rmtree(root)
    graph_seconds, ours, plain_seconds, other = (end - start for start, end in pairwise(marks))
    return graph_seconds, ours, plain_seconds, other


if __name__ == "__main__":
    _round(-1)  # imports and first calls are not what is measured
    json.dump([_round(number) for number in range(ROUNDS)], sys.stdout)
