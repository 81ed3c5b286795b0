"""The flights' training matrix by Hamilton: the functions of ``hamilton_pandas`` or ``hamilton_polars``, run by its driver.

    python -m benchmarks.scripts.flights_hamilton DATA FOLDER WITH

WITH is ``pandas``, whose months are read one a core, or ``memory`` or ``stored``: Polars, with the features there. Prints,
as JSON, the files of the matrix.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"  # it would tell its makers

from hamilton import driver
from hamilton.execution.executors import MultiThreadingExecutor, SynchronousLocalTaskExecutor


def main(data: str, folder: str, way: str) -> None:
    builder = driver.Builder().with_modules(
        import_module(f"benchmarks.scripts.hamilton_{'pandas' if way == 'pandas' else 'polars'}")
    )
    if way == "pandas":
        builder = (
            builder.enable_dynamic_execution(allow_experimental_mode=True)
            .with_local_executor(SynchronousLocalTaskExecutor())
            .with_remote_executor(MultiThreadingExecutor(max_tasks=os.cpu_count() or 1))
        )
    print(json.dumps(builder.build().execute(["written"], inputs={"data": data, "folder": folder, "way": way})["written"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
