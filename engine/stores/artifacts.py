"""Artifacts: what tasks hand on. References to immutable, checksummed files, never the data itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from engine import digest
from engine.errors import Corrupt, HostError
from engine.names import Secret
from engine.stores.commit import StoredFile, commit_file

if TYPE_CHECKING:
    from engine.stores.raw import RawStore

IN_MONGODB = "mongodb/"
"""How the paths of rows begin that a MongoDB keeps."""

_ROW_GROUP = 131_072  # rows; fixed, so that equal rows give equal bytes however many threads wrote them


@dataclass(frozen=True, slots=True)
class Artifact:
    """The result of a task: a file, a small plain value, or both, and what else it has files of: those ``beside``.

    ``value`` is canonical JSON text. ``digest`` covers the bytes of all files and the value: equal results are equal
    artifacts. Small enough to be sent to every worker.
    """

    value: str = "null"
    file: StoredFile | None = None
    rows: int | None = None
    beside: tuple[Artifact, ...] = ()
    digest: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        beside = (artifact.digest for artifact in self.beside)
        content = digest.of_text(self.value, self.file.digest if self.file else "", str(self.rows), *beside)
        object.__setattr__(self, "digest", content)  # frozen: set once, here

    @property
    def bytes(self) -> int:
        """The size of the file, or of the value's text when there is no file."""
        return self.file.bytes if self.file else len(self.value)

    def data(self) -> Any:
        """Return the plain value."""
        return json.loads(self.value)

    def to_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        file = [self.file.path, self.file.digest, self.file.bytes] if self.file else None
        beside = [artifact.to_json() for artifact in self.beside]
        return digest.canonical({"value": self.value, "file": file, "rows": self.rows, "beside": beside})

    @classmethod
    def from_json(cls, text: str) -> Artifact:
        """Return the artifact that ``to_json`` wrote."""
        parts = json.loads(text)
        file = StoredFile(*parts["file"]) if parts["file"] else None
        return cls(parts["value"], file, parts["rows"], tuple(map(cls.from_json, parts["beside"])))


class ArtifactStore:
    """The files below one root folder, which every worker sees. Holds no other state than what it has verified."""

    def __init__(self, root: Path, uri: Secret | None = None, database: str = "levada") -> None:
        self.root = root
        self._uri, self._database = uri, database
        self._verified: set[tuple[str, int, int]] = set()

    def __reduce__(self) -> tuple[object, ...]:
        return store_at, (self.root, self._uri, self._database)

    @cached_property
    def raw(self) -> RawStore:
        """Where ingested rows are kept: below the root, or in the MongoDB that was named."""
        from engine.stores.raw import ParquetRaw

        if self._uri is None:
            return ParquetRaw(self)
        from engine.stores.mongo_raw import MongoRaw

        return MongoRaw(self._uri, self._database)

    def value(self, value: object) -> Artifact:
        """Return an artifact that is only a plain value; nothing is written."""
        return Artifact(digest.canonical(value))

    def write_frame(
        self, frame: pl.LazyFrame, place: str, stem: str, value: object = None, *, statistics: bool = True
    ) -> Artifact:
        """Stream a frame into a Parquet file, rows in order, and return the artifact that refers to it."""
        file = self.write(place, stem, ".parquet", lambda path: sink((frame, path), statistics=statistics))
        return self.adopt(file, value)

    def adopt(self, file: StoredFile, value: object = None) -> Artifact:
        """Return the artifact of a Parquet file just written; its rows are counted from its footer."""
        rows = pl.scan_parquet(self.root / file.path, glob=False).select(pl.len()).collect().item()
        return Artifact(digest.canonical(value), file, rows)

    def write(self, place: str, stem: str, suffix: str, write: Callable[[Path], object]) -> StoredFile:
        """Write any other file through the commit helper."""
        return commit_file(self.root, place, stem, suffix, write)

    def scan(self, artifact: Artifact) -> pl.LazyFrame:
        """Return the rows of an artifact's Parquet file, its digest checked first."""
        return pl.scan_parquet(self.path(artifact), glob=False)

    def path(self, artifact: Artifact) -> Path:
        """Return the path of an artifact's file after checking its digest.

        Parquet readers do not notice a flipped bit, so every file is hashed before it is read, once a process.
        Raises ``Corrupt`` when the bytes are not those that were written, ``HostError`` when the file is gone.
        """
        file = artifact.file
        if file is None:
            raise TypeError("this artifact is a plain value and has no file")
        path = self.root / file.path
        try:
            status = path.stat()
            mark = (file.digest, status.st_mtime_ns, status.st_ino)
            if mark not in self._verified:
                if status.st_size != file.bytes or digest.of_file(path) != file.digest:
                    raise Corrupt(
                        f"{path} is not what was written",
                        expected=f"{file.bytes} bytes with digest {file.digest}",
                        found=f"{status.st_size} bytes with another digest",
                        hint="remove the file and run again: it is made anew",
                    )
                self._verified.add(mark)
        except OSError as error:
            raise HostError(f"cannot read {path}: {error.strerror}", hint="run again: what is missing is made anew") from error
        return path

    def holds(self, artifact: Artifact) -> bool:
        """Say whether an artifact's files are there with their sizes; their bytes are checked when they are read."""
        if not all(map(self.holds, artifact.beside)):
            return False
        if artifact.file is None:
            return True
        if artifact.file.path.startswith(IN_MONGODB):
            return self._uri is not None and self.raw.holds(artifact)
        try:
            return (self.root / artifact.file.path).stat().st_size == artifact.file.bytes
        except OSError:
            return False


def sink(*pairs: tuple[pl.LazyFrame, Path], count: pl.LazyFrame | None = None, statistics: bool = True) -> int:
    """Stream frames into Parquet files, rows in order, in one pass over what the frames share.

    Without ``statistics`` a reader that looks for a range of values has to read all rows. Returns the number of rows of
    ``count``, counted in the same pass, or 0.
    """
    sinks = [frame.sink_parquet(path, row_group_size=_ROW_GROUP, statistics=statistics, lazy=True) for frame, path in pairs]
    counts = [] if count is None else [count.select(pl.len())]
    found = pl.collect_all([*sinks, *counts], engine="streaming")
    return int(found[-1].item()) if counts else 0


def store_at(root: Path, uri: Secret | None = None, database: str = "levada") -> ArtifactStore:
    """Return this process's store at a root: what one task has verified, the next need not."""
    return _store_at(root, uri, database)


@cache
def _store_at(root: Path, uri: Secret | None, database: str) -> ArtifactStore:
    return ArtifactStore(root, uri, database)


def plain(mapping: Mapping[str, Any]) -> str:
    """Return a mapping as the canonical JSON that tasks carry as their parameters."""
    return digest.canonical(dict(mapping))
