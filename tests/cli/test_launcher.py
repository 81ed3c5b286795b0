"""Hydra's own suites for launchers, on ours: whoever knows Hydra finds what he knows.

They bring functions of their own, which our launcher runs as Hydra's basic launcher does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra.core.singleton import Singleton
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

# the suites run applications that name no version of Hydra's behaviour
pytestmark = [
    pytest.mark.filterwarnings("ignore:(?s).*Future Hydra versions:UserWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*version_base parameter is not specified:UserWarning"),
]


@pytest.fixture(autouse=True)
def hydra_as_in_a_process_of_its_own() -> Iterator[None]:
    """Take away what earlier runs have left of Hydra in this process, such as the version of its behaviour; and give it back."""
    left = dict(Singleton._instances)
    Singleton._instances.clear()
    yield
    Singleton._instances.clear()
    Singleton._instances.update(left)


@pytest.mark.parametrize(("launcher_name", "overrides"), [("levada", [])])
class TestLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(("launcher_name", "overrides"), [("levada", ["hydra.sweeper.max_batch_size=2"])])
class TestBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.soak
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=levada"])])
class TestWholeApplications(IntegrationTestSuite):
    pass
