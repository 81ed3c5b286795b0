"""The flights' training matrix by Kedro with pandas: the project in ``benchmarks/kedro_project``, run by its own runner.

    python -m benchmarks.scripts.flights_kedro DATA FOLDER WAY

WAY is where the catalog has the features: in ``memory``, without copies, or ``stored`` as Parquet. Nodes follow one another
here, so no runner is quicker than the sequential one. Prints, as JSON, the files of the matrix.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"  # Kedro would tell its makers

from kedro.framework.project import configure_project
from kedro.framework.session import KedroSession
from kedro.runner import SequentialRunner

PROJECT = Path(__file__).parents[1] / "kedro_project"


def main(data: str, folder: str, way: str) -> None:
    configure_project("benchmarks.kedro_project")
    with KedroSession.create(PROJECT, env=way, runtime_params={"data": data, "folder": folder}) as session:
        session.run(runner=SequentialRunner())
    print(json.dumps({"files": [f"{folder}/matrix.parquet"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
