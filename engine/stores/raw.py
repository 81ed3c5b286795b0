"""Where ingested rows are kept: the contract, and Parquet files, which are the default.

In: a Parquet file of rows and the slot it is for. Out: an artifact that refers to the rows where they are kept. Nothing
here makes anything visible: a piece counts once a batch in the catalog names it.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from engine.stores import files
from engine.stores.artifacts import Artifact, ArtifactStore
from engine.stores.commit import keep_file


@dataclass(frozen=True, slots=True)
class Slot:
    """What rows are: loaded (``raw``) or set aside (``quarantine``), of which partition of which batch."""

    area: Literal["raw", "quarantine"]
    dataset: str
    batch: str
    number: int

    @property
    def place(self) -> str:
        """The folder, in the way that hive tables are laid out."""
        return f"{self.area}/{self.dataset}/batch={self.batch}"

    @property
    def stem(self) -> str:
        """The beginning of the name within the folder."""
        return f"part-{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a raw store has, whether a batch names it or not; ``age`` in seconds since it was last changed."""

    path: str
    bytes: int
    age: float


class RawStore(ABC):
    """The contract. Any number of threads and processes use it at once; an instance can be pickled."""

    @abstractmethod
    def put(self, file: Path, slot: Slot) -> Artifact:
        """Keep the rows of a Parquet file for good and return the artifact that refers to them.

        The file lies in a scratch folder of the store's own disk and is used up. Doing it twice, also at once, keeps the
        same rows once. Raises ``HostError`` when they can not be kept.
        """

    @abstractmethod
    def scan(self, artifact: Artifact) -> pl.LazyFrame:
        """Return the rows, in their order and with their types, their digest checked first.

        Raises ``Corrupt`` when they are not what was kept, ``HostError`` when they are gone.
        """

    @abstractmethod
    def holds(self, artifact: Artifact) -> bool:
        """Say whether the rows are there and as many as they were; their content is checked when it is read."""

    @abstractmethod
    def found(self) -> Iterator[Found]:
        """Yield everything that is there, named by the catalog or not."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a piece for good; it is no fault if it is gone."""

    def check(self, artifact: Artifact) -> None:
        """Raise as ``scan`` does, and read all of it to see."""
        self.scan(artifact)


class ParquetRaw(RawStore):
    """Immutable Parquet files: ``raw/flights/batch=<id>/part-0003-<digest>.parquet``, which any tool reads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def put(self, file: Path, slot: Slot) -> Artifact:
        return self._store.adopt(keep_file(self._store.root, slot.place, slot.stem, file))

    def scan(self, artifact: Artifact) -> pl.LazyFrame:
        return self._store.scan(artifact)

    def holds(self, artifact: Artifact) -> bool:
        return self._store.holds(artifact)

    def found(self) -> Iterator[Found]:
        return found_files(self._store.root, "raw", "quarantine")

    def remove(self, path: str) -> None:
        files.remove(self._store.root / path)


def found_files(root: Path, *areas: str) -> Iterator[Found]:
    """Yield every file below folders of a store; what others remove meanwhile may be left out."""
    now = time.time()
    for area in areas:
        for folder, _, names in os.walk(root / area):  # which, unlike rglob, does not mind folders that go
            for name in names:
                with suppress(FileNotFoundError):
                    status = Path(folder, name).stat()
                    yield Found(Path(folder, name).relative_to(root).as_posix(), status.st_size, now - status.st_mtime)
