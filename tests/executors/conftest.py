"""The project that the executors's tests run in, and the cluster that they share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.project import Project
from tests.servers import Cluster, dask_cluster


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path)


@pytest.fixture(scope="session")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def cluster(scheduler: Cluster) -> Cluster:
    """A scheduler and two workers that are alive, whatever a test before has done to one."""
    scheduler.complete()
    return scheduler
