"""Stage functions without an engine around them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from engine.execute.perform import find_stage
from engine.stages.work import Work
from engine.stores.artifacts import Artifact, ArtifactStore


class Stages:
    """A store, and stage functions that are called by name on frames."""

    def __init__(self, store: ArtifactStore) -> None:
        self.store = store

    def keep(self, *frames: pl.DataFrame, **value: Any) -> list[Artifact]:
        """Write frames as if a task had."""
        return [self.store.write_frame(frame.lazy(), "in", f"part-{number}", value) for number, frame in enumerate(frames)]

    def keep_raw(self, *frames: pl.DataFrame) -> list[Artifact]:
        """Write frames as if they had been ingested."""
        return [self.store.write_frame(frame.lazy(), "raw", f"part-{number}") for number, frame in enumerate(frames)]

    def run(self, stage: str, *inputs: Artifact, **params: Any) -> Artifact:
        """Call a stage function."""
        return find_stage(stage)(Work(params, inputs, self.store, "raw/out", "part-0000"))

    def rows(self, artifact: Artifact) -> pl.DataFrame:
        """Return the rows of a result."""
        return self.store.scan(artifact).collect()


@pytest.fixture
def stages(tmp_path) -> Stages:
    return Stages(ArtifactStore(tmp_path))
