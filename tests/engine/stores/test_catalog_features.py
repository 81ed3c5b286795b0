"""What every catalog promises of versions of features, as named checks that each implementation passes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.names import new_id
from engine.stores.catalog import Catalog
from engine.stores.features import FeatureVersion
from tests.engine.stores.conftest import Open
from tests.engine.stores.examples import batch, committed, version


def check_a_version_of_features_comes_back_as_it_was_committed(opened: Open) -> None:
    catalog, one = opened(), version()
    done = catalog.commit_features(one)
    assert done == one.model_copy(update={"created": done.created})
    assert abs(done.created - time.time()) < 3600
    assert opened().features() == catalog.features("v") == [done]
    assert (catalog.find_features(one.identity), catalog.find_features(one.id)) == (done, None)


def check_versions_of_features_are_listed_by_view_and_age(opened: Open) -> None:
    catalog = opened()
    made = [catalog.commit_features(version(content, view)) for content, view in (("1", "w"), ("2", "v"), ("1", "v"))]
    assert [(one.view, one.content) for one in catalog.features()] == [("v", "2"), ("v", "1"), ("w", "1")]
    assert (catalog.features("w"), catalog.features("none")) == ([made[0]], [])


def check_the_same_features_are_one_version_and_announced_once(opened: Open) -> None:
    catalog = opened()
    first = catalog.commit_features(version(run="one"))
    assert catalog.commit_features(version(run="other")) == first
    assert (catalog.features(), len(catalog.outbox())) == ([first], 1)
    other = [catalog.commit_features(version(**one)) for one in ({"content": "d"}, {"definition": "y"}, {"view": "w"})]
    assert len({one.id for one in (first, *other)}) == 4


def check_of_many_that_commit_the_same_features_at_once_one_makes_the_version(opened: Open) -> None:
    catalogs, together = [opened() for _ in range(4)], threading.Barrier(4)

    def commit(catalog: Catalog) -> FeatureVersion:
        together.wait(timeout=20)
        return catalog.commit_features(version(run=new_id()))

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(commit, catalogs)
    assert others == [first] * 3
    assert (catalogs[0].features(), len(catalogs[0].outbox())) == ([first], 1)


def check_features_are_announced_through_the_outbox(opened: Open) -> None:
    catalog = opened()
    one = committed(catalog, batch())
    done = catalog.commit_features(version(run="run-1"))
    first, second = sorted(catalog.outbox(), key=lambda event: event.topic)
    assert (first.payload["batch"], second.topic, second.key, second.created) == (
        one.id,
        "features.available",
        "v",
        done.created,
    )
    counts = {"rows": 9, "columns": 1, "partitions": 1, "batches": 1}
    assert second.payload == {"version": done.id, "view": "v", "definition": "x", "run": "run-1", **counts}
    catalog.announced([second.id])
    assert opened().outbox() == [first]
    catalog.announced([first.id])
    assert (catalog.outbox(), catalog.features(), catalog.batches()) == ([], [done], [one])


def check_a_version_that_was_retired_is_there_again_once_it_is_made_again(opened: Open) -> None:
    catalog = opened()
    kept, gone = (catalog.commit_features(version(content)) for content in "ab")
    catalog.announced([one.id for one in catalog.outbox()])
    catalog.retire([gone.id, "no such version"])
    there, away = catalog.features()
    assert (there, away.model_copy(update={"retired": None})) == (kept, gone)
    assert away.retired is not None
    assert abs(away.retired - time.time()) < 3600
    assert catalog.commit_features(version("b")) == gone
    assert (catalog.features(), catalog.outbox(), catalog.check()) == ([kept, gone], [], [])


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_catalog_keeps_its_promises_of_features(open_catalog, check):
    check(open_catalog)
