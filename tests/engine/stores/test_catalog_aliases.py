"""What every catalog promises of aliases, as named checks that each implementation passes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import ConflictError
from engine.stores.aliases import Alias
from tests.engine.stores.conftest import Open


def alias(version: str, before: str | None = None, *, pipeline: str = "p", name: str = "champion") -> Alias:
    return Alias(pipeline=pipeline, name=name, version=version, before=before)


def check_an_alias_comes_back_as_it_was_moved(opened: Open) -> None:
    catalog = opened()
    assert catalog.aliases() == []
    first = catalog.move_alias(alias("one"))
    other = catalog.move_alias(alias("one", pipeline="a"))
    assert opened().aliases() == [other, first]
    assert (catalog.aliases("p"), catalog.aliases("none")) == ([first], [])
    second = catalog.move_alias(alias("two", "one"))
    assert (catalog.aliases("p"), catalog.check()) == ([second], [])


def check_an_alias_that_means_something_else_is_not_moved(opened: Open) -> None:
    catalog = opened()
    for before, now in (("one", "no version"), (None, None), (None, "two"), ("one", "two")):
        if now is None:
            kept = catalog.move_alias(alias("two"))
            continue
        with pytest.raises(ConflictError) as caught:
            catalog.move_alias(alias("three", before))
        assert caught.value.found == now
    assert catalog.aliases() == [kept]


def check_of_many_that_move_an_alias_at_once_one_does(opened: Open) -> None:
    catalogs, together = [opened() for _ in range(4)], threading.Barrier(4)
    catalogs[0].move_alias(alias("old"))

    def move(number: int) -> Alias | None:
        together.wait(timeout=20)
        try:
            return catalogs[number].move_alias(alias(f"new {number}", "old"))
        except ConflictError:
            return None

    with ThreadPoolExecutor(4) as pool:
        moved = [one for one in pool.map(move, range(4)) if one is not None]
    assert moved == catalogs[0].aliases()


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_catalog_keeps_its_promises_of_aliases(open_catalog: Open, check) -> None:
    check(open_catalog)
