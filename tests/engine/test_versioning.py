"""A run records its view's features as a version: once for each definition and content, announced once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from engine.errors import LevadaError
from engine.execute import Watcher
from engine.notebook import sweep
from engine.records import events
from engine.runs import run_pipeline
from engine.stores.features import FeatureVersion
from tests.conftest import Shapes

APPEND = ("    key: [id]\n", "    key: [id]\n    mode: append\n    time: id\n")


@pytest.fixture(params=["local", "mongo"])
def growing(request: pytest.FixtureRequest, shapes: Shapes) -> tuple[Shapes, tuple[str, ...]]:
    """A project that grows by files, and the overrides that name a fresh store of either kind."""
    shapes.pipeline(APPEND)
    if request.param == "local":
        return shapes, ()
    uri = request.getfixturevalue("mongo_uri")
    return shapes, ("store=mongo", f"store.uri={uri}", f"store.database=versions_{shapes.folder.name[-20:]}")


def versions(shapes: Shapes, store: Sequence[str] = ()) -> list[FeatureVersion]:
    from engine.opened import opened

    with opened(shapes.load(*store).store, look=True) as stores:
        return stores.catalog.features()


def announced(shapes: Shapes, store: Sequence[str] = ()) -> list[str]:
    return [one["payload"]["version"] for one in events(shapes.load(*store).store, "features.available")]


def test_a_run_makes_a_version_that_says_what_it_is_made_of_and_where_it_is(growing):
    shapes, store = growing
    run = shapes.run(*store)
    (one,) = versions(shapes, store)
    assert run.summary["features"]["version"] == one.id
    assert (one.view, one.pipeline, one.run, one.key, one.time) == ("shapes", "shapes", run.id, ("id",), "id")
    assert [(batch.dataset, batch.sequence) for batch in one.batches] == [("shapes", 1), ("shapes", 2), ("shapes", 3)]
    assert [(part.first, part.last, part.piece.rows) for part in one.partitions] == [(1, 20, 20), (21, 40, 20), (41, 60, 20)]
    files = [shapes.folder / ".levada" / part.piece.path for part in one.partitions]
    assert pl.read_parquet(files).equals(run.features().collect())
    assert [column.name for column in one.columns] == run.features().collect_schema().names()
    assert announced(shapes, store) == [one.id]


def test_the_same_again_is_the_same_version_and_not_announced_again(growing):
    shapes, store = growing
    first = shapes.run(*store)
    for overrides in ((), ("model=dummy",), ("splitter.seed=3",)):
        assert shapes.run(*store, *overrides).summary["features"] == {
            **first.summary["features"],
            "version": announced(shapes, store)[0],
        }
    assert len(versions(shapes, store)) == len(announced(shapes, store)) == 1


def test_a_new_batch_makes_a_new_version_that_shares_the_files_of_the_old_ones_partitions(growing):
    shapes, store = growing
    shapes.run(*store)
    shapes.write("data/shapes-3.csv", shapes.rows(61, 5))
    shapes.run(*store)
    old, new = versions(shapes, store)
    assert old.definition == new.definition
    assert new.paths > old.paths
    assert (new.rows, len(new.batches), announced(shapes, store)) == (65, 4, [old.id, new.id])


@pytest.mark.parametrize(
    "change",
    [
        ('area: "width * height"', 'area: "height * width"'),  # comes to the same, and is defined otherwise
        ('wide: "width > 5"', 'wide: "width > 6"'),
        ("    key: [id]\n", "    key: [id, colour]\n"),
        ("view:\n", "view:\n  describe: {area: what a shape covers}\n"),
    ],
)
def test_another_definition_is_another_version(change, shapes):
    shapes.run()
    shapes.pipeline(change)
    shapes.run()
    old, new = versions(shapes)
    assert old.definition != new.definition
    assert announced(shapes) == [old.id, new.id]


def test_two_pipelines_with_one_view_share_its_version(shapes):
    shapes.pipeline(("metric: accuracy", "metric: log_loss"), name="other")
    assert shapes.run().summary["features"]["version"] == shapes.run(name="other").summary["features"]["version"]
    assert len(versions(shapes)) == 1


def test_the_trials_of_a_sweep_share_the_versions_of_their_views(shapes):
    shapes.pipeline(('area: "width * height"', 'area: "width + height"'), name="other")
    trials = sweep("shapes", ["model=dummy"], ["model=gaussian_nb"]).summary["trials"]
    assert len(trials) == 2
    assert len(versions(shapes)) == len(announced(shapes)) == 1


def test_a_version_is_there_as_soon_as_the_view_is_whatever_fails_later(shapes):
    seen: list[int] = []

    class Count(Watcher):
        def ended(self, task, outcome):
            if task.label == "model.estimate":
                seen.append(len(versions(shapes)))

    run_pipeline(shapes.load("model=logistic_regression", "model.max_iter=1", "model.tol=1e-9"), watchers=[Count()])
    assert seen == [1]


def test_a_view_of_which_a_task_fails_makes_no_version(shapes):
    shapes.pipeline(('area: "width * height"', "area: \"strptime(colour, '%Y')\""))
    run = run_pipeline(shapes.load())
    with pytest.raises(LevadaError):
        run.raise_failure()
    assert (run.summary["features"]["version"], versions(shapes), announced(shapes)) == (None, [], [])


@pytest.mark.parametrize(
    ("time", "bounds"),
    [("colour", {(None, None)}), ("width", {(None, None)}), ("id", {(1, 20), (21, 40), (41, 60)})],
)
def test_bounds_are_kept_of_times_that_are_whole_numbers_or_dates(time, bounds, shapes):
    shapes.pipeline(("    key: [id]\n", f"    key: [id]\n    time: {time}\n"))
    shapes.run()
    (one,) = versions(shapes)
    assert {(part.first, part.last) for part in one.partitions} == bounds


def test_a_key_or_time_that_the_view_has_dropped_is_not_the_versions(shapes):
    shapes.pipeline(APPEND, ("columns: [wide]", "columns: [wide, id]"))
    run_pipeline(shapes.load("splitter=random"))
    (one,) = versions(shapes)
    assert (one.key, one.time) == ((), None)
