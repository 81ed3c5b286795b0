"""Hydra's own suites for launchers, on ours: whoever knows Hydra finds what he knows.

They bring functions of their own, which our launcher runs as Hydra's basic launcher does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra.core.singleton import Singleton
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite
from hydra.version import VersionBase

# the suites run applications that name no version of Hydra's behaviour
pytestmark = [
    pytest.mark.filterwarnings("ignore:(?s).*Future Hydra versions:UserWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*version_base parameter is not specified:UserWarning"),
]


@pytest.fixture(autouse=True)
def no_version_base() -> Iterator[None]:
    """Forget which version of Hydra's behaviour earlier runs in this process have asked for; and remember it again."""
    asked = Singleton._instances.pop(VersionBase, None)
    yield
    Singleton._instances.pop(VersionBase, None)
    if asked is not None:
        Singleton._instances[VersionBase] = asked


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
