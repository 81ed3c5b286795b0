"""``levada gc`` leaves as many versions of features as it is told to, and whatever is in use."""

from __future__ import annotations

import time
from contextlib import chdir
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from engine.config.spec import Store
from engine.errors import ConfigError, DataError
from engine.notebook import features, sweep
from engine.opened import opened
from engine.stores.catalog import RunRecord
from engine.stores.features import FeatureVersion
from engine.upkeep import fsck, gc
from tests.conftest import Shapes

AREAS = ("width * height", "width + height", "width - height", "height - width")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shapes, Path]:
    """A project whose view was defined in four ways, one after the other, and run each time; and a copy of its store."""
    project = Shapes.create(tmp_path_factory.mktemp("four"))
    with chdir(project.folder):
        for area in AREAS:
            project.pipeline(("width * height", area))
            project.run()
    copy = tmp_path_factory.mktemp("copy") / "store"
    return project, copytree(project.folder / ".levada", copy)


@pytest.fixture
def grown(four: tuple[Shapes, Path], monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """The project as it was after its four runs: a store knows its sources by their paths, so it stays in its folder."""
    project, store = four
    rmtree(project.folder / ".levada")
    copytree(store, project.folder / ".levada")
    project.pipeline(("width * height", AREAS[-1]))
    (project.folder / "conf/pipeline/other.yaml").unlink(missing_ok=True)
    monkeypatch.chdir(project.folder)
    return project


def store_of(shapes: Shapes, keep: int | str | None) -> Store:
    return shapes.load(*([] if keep is None else [f"store.keep_features={keep}"])).store


def versions(shapes: Shapes) -> list[FeatureVersion]:
    with opened(shapes.load().store, look=True) as stores:
        return stores.catalog.features()


def there(shapes: Shapes) -> list[bool]:
    """Return, for each version, whether its files are there."""
    return [all((shapes.folder / ".levada" / path).exists() for path in one.paths) for one in versions(shapes)]


def test_all_versions_stay_unless_the_store_says_otherwise(grown):
    assert gc(store_of(grown, None), 0, delete=True)["files"] == []
    assert there(grown) == [True] * 4


@pytest.mark.parametrize(("keep", "stay"), [(1, 1), (3, 3), (4, 4), ("0s", 1), ("1d", 4)])
def test_the_newest_versions_of_a_view_stay_by_number_or_by_age(keep, stay, grown):
    store, wanted = store_of(grown, keep), [number >= 4 - stay for number in range(4)]
    listed = gc(store, 0)
    assert [one["id"] for one in listed["features"]] == [one.id for one in versions(grown)[: 4 - stay]]
    assert there(grown) == [True] * 4
    assert gc(store, 0, delete=True)["features"] == listed["features"]
    assert (there(grown), [one.retired is None for one in versions(grown)]) == (wanted, wanted)
    again = gc(store, 0, delete=True)
    assert [again[key] for key in ("files", "memories", "features")] == [[], [], []]
    assert fsck(store)["findings"] == []


def test_what_is_younger_than_the_grace_stays(grown):
    assert gc(store_of(grown, 1), 3600, delete=True)["features"] == []
    assert there(grown) == [True] * 4


def test_what_the_latest_run_of_a_pipeline_used_stays(grown):
    grown.pipeline(("width * height", AREAS[1]))
    grown.run("model=dummy")
    grown.pipeline(("width * height", AREAS[0]), name="other")
    grown.run(name="other")
    assert len(versions(grown)) == 4
    gc(store_of(grown, 1), 0, delete=True)
    assert there(grown) == [True, True, False, True]


def test_what_the_best_trial_of_the_latest_sweep_used_stays(grown):
    found = sweep("shapes", ["view.features.0.area=width"], ["view.features.0.area=width*0"])
    used = found.best.summary["features"]["version"]
    grown.pipeline(("width * height", AREAS[0]), name="other")
    gc(store_of(grown, 1), 0, delete=True)
    assert {one.id for one in versions(grown) if one.retired is None} == {used, versions(grown)[-1].id}


def test_files_that_a_kept_version_shares_with_one_that_goes_stay(grown):
    grown.pipeline(("width * height", AREAS[3]), ("view:\n", "view:\n  describe: {area: a difference}\n"))
    grown.run()
    *_, old, new = versions(grown)
    assert old.paths == new.paths
    gc(store_of(grown, 1), 0, delete=True)
    assert [one.retired is None for one in versions(grown)] == [False] * 4 + [True]
    assert features("shapes").collect().height == 60
    assert grown.ran(grown.run()) == {}


def test_versions_wait_for_a_run_that_may_be_reading_them(grown):
    with opened(grown.load().store) as stores:
        stores.catalog.save_run(RunRecord("1", "shapes", "running", time.time() + 60))
    found = gc(store_of(grown, 1), 0, delete=True)
    assert (found["features"], found["waits"], there(grown)) == ([], True, [True] * 4)


def test_a_version_that_was_cleared_away_is_said_to_be_and_made_anew_by_the_pipeline_of_then(grown):
    gc(store_of(grown, 1), 0, delete=True)
    first = versions(grown)[0]
    before = len(versions(grown))
    with pytest.raises(DataError, match="were cleared away by gc") as caught:
        features("shapes", version=first.id)
    assert "run the pipeline as it was then" in caught.value.hint
    grown.pipeline()
    assert grown.run().summary["features"]["version"] == first.id
    assert features("shapes", version=first.id).collect().height == 60
    assert len(versions(grown)) == before


def test_a_version_whose_file_is_gone_is_a_note(grown):
    path = next(iter(versions(grown)[0].paths))
    (grown.folder / ".levada" / path).unlink()
    gc(store_of(grown, None), 0, delete=True)  # which forgets the result
    (finding,) = fsck(store_of(grown, None))["findings"]
    assert (finding["severity"], finding["problem"]) == ("note", "missing")
    assert finding["what"] == f"version {versions(grown)[0].id} of shapes"


@pytest.mark.parametrize("keep", ["0", "x", "-1", "3y", "true", "[1]"])
def test_what_is_no_number_of_versions_and_no_age_is_refused(keep, shapes):
    with pytest.raises(ConfigError) as caught:
        store_of(shapes, keep)
    assert "keep_features" in caught.value.where
