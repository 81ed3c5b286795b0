"""Documents on web servers."""

import tempfile
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import polars as pl
from pydantic import Field, ValidationInfo, field_validator, model_validator

from engine.errors import ConfigError, DataError
from engine.names import Secret
from engine.plugin import ALL, Extractor, Salvaged, Source, SourcePartition, Window
from engine.validate import validated
from plugins.extractors._download import Client
from plugins.extractors.csv import Csv
from plugins.extractors.json import Json
from plugins.extractors.ndjson import Ndjson
from plugins.extractors.parquet import Parquet

_FORMATS: dict[str, type[Extractor]] = {"csv": Csv, "ndjson": Ndjson, "json": Json, "parquet": Parquet}
_MOST_KEPT = 4


class Http(Extractor):
    """Read documents by URL, one partition a document: CSV, NDJSON, JSON or Parquet, gzipped or not.

    A document is asked for again when its ETag or its Last-Modified date has changed. When the server tells neither, it is
    read each time; equal contents make no new batch. It is saved to a temporary file, which is removed after it was read,
    so memory stays bounded as far as the format does it. Only `hosts` are asked, whatever a server redirects to.
    """

    url: str | tuple[str, ...] = Field(
        description="The URL of a document, or a list of URLs. They become part of records and messages, so they must hold no "
        "secret: that is what `token` is for."
    )
    format: Literal["csv", "ndjson", "json", "parquet"] = Field(description="What the documents are.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the extractor of that format, except `path`: `{separator: ;}`."
    )
    hosts: tuple[str, ...] = Field(
        min_length=1, description="The names of the hosts that may be asked (`data.example.org`), redirects included."
    )
    token: Secret | None = Field(
        default=None, description="A bearer token. It is sent to the host of the URL, and to no other that this redirects to."
    )
    insecure: bool = Field(
        default=False, description="Whether http:// is allowed, which others can read and change on the way."
    )
    allow_private: bool = Field(
        default=False, description="Whether hosts may be this machine or of a private network, and not only of the internet."
    )
    max_bytes: int = Field(
        default=1 << 30, ge=1, description="The most bytes of a document, 1 GiB unless you say otherwise, packed or unpacked."
    )
    timeout: float = Field(default=30.0, gt=0, le=3600, description="Seconds to wait for a connection, and for each answer.")

    @field_validator("options")
    @classmethod
    def _known_options(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "path" in options:
            raise ValueError("path is not an option here: the document is at url")
        if "format" in info.data:
            try:
                validated(_FORMATS[info.data["format"]], {"path": "document", **options}, ())
            except ConfigError as error:
                raise ValueError(_in_a_line(error)) from None
        return options

    @model_validator(mode="after")
    def _allowed_urls(self) -> "Http":
        if not self._urls:
            raise ValueError("url is an empty list")
        try:
            hosts = {(parts.scheme, parts.netloc.lower()) for parts in map(self._client.check, self._urls)}
        except ConfigError as error:
            raise ValueError(_in_a_line(error)) from None
        if self.token is not None and len(hosts) > 1:
            raise ValueError("a token is for one host: give the documents of another host a dataset of their own")
        return self

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition a URL; the columns are not known before the document is read."""
        if window.since is not None or window.until is not None:
            raise ConfigError("documents on the web have no dates by which to choose them", hint="leave since and until out")
        return Source(tuple(SourcePartition(url, self._fingerprint(url), url) for url in self._urls), None)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one document, as the extractor of its format does."""
        with self._saved(partition) as (document, inner):
            return document.held_by(self._reader.read(inner, thorough=thorough))

    def is_complete(self, partition: SourcePartition, written: pl.LazyFrame) -> bool:
        with self._saved(partition) as (_, inner):
            complete = self._reader.is_complete(inner, written)
        if complete:
            _drop(partition)
        return complete

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged | None:
        with self._saved(partition) as (document, inner):
            found = self._reader.salvage(inner, folder)
        _drop(partition)
        return found and Salvaged(document.held_by(found.rows), document.held_by(found.rejected))

    @property
    def _urls(self) -> tuple[str, ...]:
        return (self.url,) if isinstance(self.url, str) else self.url

    @property
    def _client(self) -> Client:
        hosts = frozenset(host.lower().rstrip(".") for host in self.hosts)
        return Client(hosts, self.allow_private, self.insecure, self.max_bytes, self.timeout, self.token)

    @property
    def _reader(self) -> Extractor:
        return _FORMATS[self.format].model_validate({"path": "document", **self.options})

    def _fingerprint(self, url: str) -> str:
        """Return what the server tells of the state of a document; the time when it tells nothing that is sure."""
        headers = {name.lower(): value for name, value in self._client.head(url).items()}
        if "etag" not in headers and "last-modified" not in headers:
            return f"unknown-{time.time_ns()}"
        return " ".join(headers.get(name, "-") for name in ("etag", "last-modified", "content-length"))

    @contextmanager
    def _saved(self, partition: SourcePartition) -> "Iterator[tuple[_Document, SourcePartition]]":
        """Hand out the document in a file. Errors that name the file name the URL instead."""
        key = (partition.name, partition.fingerprint)
        with _lock:
            document = _kept.get(key)
        if document is None:
            document = _Document()
            with document.path.open("wb") as file:
                self._client.fetch(partition.name, file, unpack=self.format != "parquet")
            with _lock:
                _kept[key] = document
                while len(_kept) > _MOST_KEPT:
                    _kept.popitem(last=False)
        try:
            yield document, SourcePartition(str(document.path), partition.fingerprint)
        except DataError as error:
            texts = (error.what, error.where, error.expected, error.found, error.hint)
            what, where, expected, found, hint = (text.replace(str(document.path), partition.name) for text in texts)
            raise DataError(what, where=where, expected=expected, found=found, hint=hint) from None


def _in_a_line(error: ConfigError) -> str:
    return "; ".join(filter(None, (error.what, error.expected and f"expected {error.expected}", error.hint)))


class _Document:
    """A temporary file, which is removed when neither this nor a frame that is read from it is needed any more."""

    def __init__(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="levada-")
        self.path = Path(folder.name) / "document"
        weakref.finalize(self, folder.cleanup)

    def held_by(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return a frame that keeps the file for as long as it, or one made of it, is there."""
        return frame.map_batches(self._pass, streamable=True)

    def _pass(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame


_kept: OrderedDict[tuple[str, str], _Document] = OrderedDict()
"""The documents that were read last, so that one is not asked for twice while a partition is read and looked at."""

_lock = Lock()


def _drop(partition: SourcePartition) -> None:
    with _lock:
        _kept.pop((partition.name, partition.fingerprint), None)
