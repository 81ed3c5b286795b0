"""What the tests of the stores share: every catalog there is, and a MongoDB: one server for all, a database for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest

from engine.names import Secret
from engine.stores.artifacts import ArtifactStore
from engine.stores.catalog import Catalog
from engine.stores.raw import RawStore
from engine.stores.sqlite import SqliteCatalog
from tests import servers


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secret]:
    """The address of a server that is there for as long as the tests are."""
    try:
        import pymongoarrow  # noqa: F401  # what an installation without the extra lacks
    except ImportError:
        servers.missing("no PyMongoArrow: pip install 'levada[mongo]'")
    with servers.mongo(tmp_path_factory.mktemp("mongo")) as server:
        yield Secret(server.address)


@pytest.fixture
def database() -> str:
    """The name of a database that no other test uses."""
    return f"test_{uuid4().hex}"


def open_one(kind: str, root: Path, uri: Secret | None, database: str) -> Catalog:
    """Open a catalog of a kind."""
    if kind == "sqlite":
        return SqliteCatalog(root / "store" / "catalog.sqlite")
    from engine.stores.mongo_catalog import MongoCatalog

    assert uri is not None
    return MongoCatalog(uri, database)


@dataclass
class Open:
    """Opens the catalog of a test once more, as another process would."""

    kind: str
    root: Path
    uri: Secret | None
    database: str
    opened: list[Catalog] = field(default_factory=list)

    def __call__(self) -> Catalog:
        self.opened.append(open_one(self.kind, self.root, self.uri, self.database))
        return self.opened[-1]

    @property
    def arguments(self) -> list[str]:
        """What another process needs to open it, but for the address, which it is told by its standard input."""
        return [self.kind, str(self.root), self.database]

    @property
    def secret(self) -> str:
        """The line with the address."""
        return f"{self.uri.get_secret_value()}\n" if self.uri else ""


@pytest.fixture(params=["sqlite", "mongo"])
def open_catalog(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> Iterator[Open]:
    """Opens an implementation; another one is another parameter."""
    uri = request.getfixturevalue("mongo_uri") if request.param == "mongo" else None
    opens = Open(request.param, tmp_path, uri, database)
    yield opens
    for catalog in opens.opened:
        catalog.close()


@pytest.fixture
def open_raw(open_catalog: Open) -> Callable[[], RawStore]:
    """Opens the raw store that belongs to the catalog."""
    return lambda: ArtifactStore(open_catalog.root, open_catalog.uri, open_catalog.database).raw


Start = Callable[..., AbstractContextManager[servers.Server]]


@pytest.fixture
def start_mongo(tmp_path: Path) -> Start:
    """Starts a server on a folder of its own, which is kept: a test may end it and start it again at the same port."""
    program = servers.INSTALLED / "secantusdb.scripts" / "secantusd-rs"

    @contextmanager
    def start(port: int = 0, *options: str) -> Iterator[servers.Server]:
        if not program.exists():
            servers.missing(f"no {program}; .ci/run says how to install it")
        limits = ("--cache-size", "256M", "--log-file-max", "64MB", "--log-level", "WARNING", "--sync-on-commit")
        place = ("--host", "127.0.0.1", "--port", str(port), "--storage-path", str(tmp_path / "mongo"))
        ready = r"listening on (127\.0\.0\.1:\d+)"
        with servers.started((str(program), *place, *limits, *options), ready, tmp_path / f"mongo-{uuid4().hex}.log") as server:
            yield replace(server, address=f"mongodb://{server.address}/?serverSelectionTimeoutMS=500")

    return start
