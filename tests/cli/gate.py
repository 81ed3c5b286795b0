"""A plugin of the user's own that says it has begun and then waits, so that a test can act in the middle of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.project import Project, wait_for

_TRANSFORMER = '''\
"""A step that waits until it may go on."""

import os
import time
from pathlib import Path

import polars as pl

from engine.plugin import Transformer


class Gate(Transformer):
    """Wait until there is a file `go`; `begun-<process>` says that it waits."""

    folder: str

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        if frame.collect_schema()["cargo"] != pl.Null:  # no types are known while columns are checked
            Path(self.folder, f"begun-{os.getpid()}").touch()
            while not Path(self.folder, "go").exists():
                time.sleep(0.01)
        return frame
'''

_EXTRACTOR = '''\
"""A source that stops to flow at its second file."""

import os
import time
from pathlib import Path

import polars as pl

from engine.plugin import SourcePartition
from plugins.extractors.csv import Csv


class GatedCsv(Csv):
    """Read CSV files; at `2.csv`, wait until there is a file `go`."""

    folder: str

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        if partition.name.endswith("2.csv"):
            Path(self.folder, f"begun-{os.getpid()}").touch()
            while not Path(self.folder, "go").exists():
                time.sleep(0.01)
        return super().read(partition, thorough=thorough)
'''

_MODEL = '''\
"""A model that waits until it may be fitted."""

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
from sklearn.dummy import DummyClassifier

from engine.plugin import Model, TaskName


class Held(Model):
    """Say always the same; before that, wait until there is a file `go`."""

    task: ClassVar[TaskName] = "classification"
    folder: str

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Any:
        Path(self.folder, f"begun-{os.getpid()}").touch()
        while not Path(self.folder, "go").exists():
            time.sleep(0.01)
        return DummyClassifier().fit(features.to_numpy(), target.to_list())

    def predict(self, fitted: Any, features: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"prediction": fitted.predict(features.to_numpy())})
'''

HUNGRY = '''\
"""A model that takes memory."""

from typing import Any, ClassVar

import numpy as np
import polars as pl
from sklearn.dummy import DummyClassifier

from engine.plugin import Model, TaskName


class Hungry(Model):
    """Say always the same; before that, take a gigabyte."""

    task: ClassVar[TaskName] = "classification"

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Any:
        np.ones(2**27)
        return DummyClassifier().fit(features.to_numpy(), target.to_list())

    def predict(self, fitted: Any, features: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"prediction": fitted.predict(features.to_numpy())})
'''


class Gate:
    """The test's side of the gate."""

    def __init__(self, project: Project) -> None:
        self._folder = project.folder / "gate"
        self._folder.mkdir()

    @classmethod
    def before_features(cls, project: Project) -> Gate:
        """Let the step that makes features wait: what comes before is done by then."""
        gate = cls(project)
        project.write("plugins/transformers/gate.py", _TRANSFORMER)
        step = f"  features:\n    - {{use: gate, folder: {gate._folder}}}\n"
        project.replace("conf/pipeline/trips.yaml", "  features:\n", step)
        return gate

    @classmethod
    def at_second_file(cls, project: Project) -> Gate:
        """Let the ingestion of the second file wait: half of a batch is there by then."""
        gate = cls(project)
        project.write("plugins/extractors/gated_csv.py", _EXTRACTOR)
        extractor = f"{{use: gated_csv, folder: {gate._folder}, path: data/trips"
        project.replace("conf/pipeline/trips.yaml", "{use: csv, path: data/trips", extractor)
        return gate

    @classmethod
    def in_a_fit(cls, project: Project) -> Gate:
        """Let the fits of `model=held` wait."""
        gate = cls(project)
        project.write("plugins/models/held.py", _MODEL)
        project.write("conf/model/held.yaml", f"use: held\nfolder: {gate._folder}\n")
        return gate

    def begun(self, processes: int = 1) -> list[int]:
        """Wait until as many processes wait at the gate, and return their ids."""

        def waiting() -> Any:
            ids = [int(file.name.removeprefix("begun-")) for file in Path(self._folder).glob("begun-*")]
            return ids if len(ids) >= processes else None

        found: list[int] = wait_for(waiting, f"{processes} processes at the gate")
        return found

    def open(self) -> None:
        """Let everything go on, now and from now on."""
        (self._folder / "go").touch()
