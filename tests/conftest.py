"""What tests share: a tiny project of a user's own, and an interpreter that is left as it was found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine import registry
from engine.compile import builder
from engine.config.compose import load
from engine.config.spec import PipelineSpec
from engine.runs import Run, run_pipeline
from engine.stores.sqlite import SqliteCatalog
from tests import servers
from tests.durability.nursery import Nursery

settings.register_profile(  # other processes share the cores: slow is no fault
    "steady",
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("LEVADA_EXAMPLES", "15")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")

PIPELINE = """\
# @package _global_
defaults:
  - override /splitter: hash
  - override /model: gaussian_nb
problem: {task: classification, target: kind, metric: accuracy}
datasets:
  shapes:
    extract: {use: csv, path: "data/shapes-*.csv"}
    key: [id]
    prepare:
      - {use: derive, wide: "width > 5"}
view:
  from: shapes
  features:
    - {use: derive, area: "width * height"}
    - {use: drop, columns: [wide]}
encode:
  - {use: impute}
  - {use: one_hot}
  - {use: standardize}
metrics: [accuracy]
assess: false
"""


def rows_of_shapes(first: int, count: int) -> str:
    """Return a CSV file; every seventh shape has no height, and a wide one is mostly of kind b."""
    lines = ["id,colour,width,height,kind"]
    for number in range(first, first + count):
        width, height = number * 37 % 101 / 10, number * 53 % 97 / 10
        colour = ("red", "green", "blue")[number * 13 % 3]
        kind = "b" if (width > 5) != (number % 11 == 0) else "a"
        lines.append(f"{number},{colour},{width},{'' if number % 7 == 0 else height},{kind}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Shapes:
    """A folder with a pipeline ``shapes`` in ``conf/`` and three CSV files of 20 rows each; the test stands in it."""

    folder: Path
    _loaded: dict[object, PipelineSpec] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def create(cls, folder: Path) -> Shapes:
        """Write the project's files."""
        project = cls(folder)
        project.pipeline()
        for number in range(3):
            project.write(f"data/shapes-{number}.csv", rows_of_shapes(1 + 20 * number, 20))
        return project

    def rows(self, first: int, count: int) -> str:
        """Return a CSV file of more shapes."""
        return rows_of_shapes(first, count)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file below the folder."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def pipeline(self, *changes: tuple[str, str], name: str = "shapes", more: str = "") -> None:
        """Write the pipeline anew, each ``old`` piece of it, which must be there once, replaced by ``new``."""
        text = PIPELINE
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the pipeline"
            text = text.replace(old, new)
        self.write(f"conf/pipeline/{name}.yaml", text + more)

    def load(self, *overrides: str, name: str = "shapes") -> PipelineSpec:
        """Return the specification of a pipeline; while no file of the project changes, that of before."""
        files = sorted(file for part in ("conf", "plugins") for file in (self.folder / part).rglob("*") if file.is_file())
        asked = (name, overrides, tuple((file, file.stat().st_mtime_ns, file.read_bytes()) for file in files))
        if asked not in self._loaded:
            self._loaded[asked] = load([f"pipeline={name}", *overrides])
        return self._loaded[asked]

    def run(self, *overrides: str, name: str = "shapes") -> Run:
        """Run a pipeline, which must succeed."""
        found = run_pipeline(self.load(*overrides, name=name), overrides=overrides)
        found.raise_failure()
        return found

    def ran(self, run: Run) -> dict[str, int]:
        """Return how many tasks of each stage ran, without the stages in which none did."""
        return {stage["label"]: stage["ran"] for stage in run.summary["stages"] if stage["ran"]}

    @contextmanager
    def catalog(self) -> Iterator[SqliteCatalog]:
        """Open the catalog that runs have written."""
        with closing(SqliteCatalog(self.folder / ".levada" / "catalog.sqlite")) as catalog:
            yield catalog


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is remembered between processes away from the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def as_found() -> Iterator[None]:
    """Leave ``sys.path``, the modules and all that is remembered of them as they were."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    added = [place for place in sys.path if place not in path]
    if not added:
        return
    sys.path[:] = path
    origins = {name: str(getattr(sys.modules[name], "__file__", None) or "") for name in set(sys.modules) - modules}
    forget(*(name for name, origin in origins.items() if any(origin.startswith(place) for place in added)))


def forget(*names: str) -> None:
    """Forget modules and what the engine remembers of code, as a new process would."""
    registry.forget(*names)
    builder.forget_code()


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """A fresh project; the test stands in its folder."""
    monkeypatch.chdir(tmp_path)
    return Shapes.create(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shapes, Run]:
    """A project whose pipeline has run once; for tests that only look."""
    project = Shapes.create(tmp_path_factory.mktemp("finished"))
    with chdir(project.folder):
        return project, project.run("problem.goal=0.99")


@pytest.fixture
def user_folder(tmp_path: Path) -> Path:
    """A folder of the user's whose plugins are found; write into it, then call ``forget``."""
    (tmp_path / "plugins").mkdir()
    registry.use_folder(tmp_path)
    return tmp_path


@pytest.fixture(name="forget")
def forget_() -> Callable[[], None]:
    """Forget what the engine remembers of code: call it after code has changed."""
    return forget


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where children are made that have all imported and have run nothing; one for each of pytest's own processes."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks MongoDB's protocol, for tests that each take a database of their own."""
    with servers.mongo(tmp_path_factory.mktemp("mongo")) as server:
        yield server.address


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server's URI, for tests that each take a schema of their own."""
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server.address
