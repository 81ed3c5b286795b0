from __future__ import annotations

import pytest

from engine.bus import CatalogBus, announce
from engine.stores import files
from engine.stores.catalog import Event
from tests.engine.stores.examples import batch, committed


def event(identity, topic="t"):
    return Event(identity, topic, "key", {"n": identity}, 1.5)


@pytest.fixture
def bus(open_catalog):
    return CatalogBus(open_catalog())


def ids(found):
    return [one.id for _, one in found]


def test_a_group_reads_on_from_what_it_has_acknowledged(bus, open_catalog):
    bus.publish([event(name) for name in "abc"])
    found = bus.read("t", "g", limit=2)
    assert ids(found) == ["a", "b"]
    assert ids(bus.read("t", "g")) == ["a", "b", "c"]
    bus.acknowledge("t", "g", found[1][0])
    assert ids(CatalogBus(open_catalog()).read("t", "g")) == ["c"]


def test_what_comes_after_all_was_read_is_read_next(bus):
    bus.publish([event("a")])
    ((offset, _),) = bus.read("t", "g")
    bus.acknowledge("t", "g", offset)
    assert bus.read("t", "g") == []
    bus.publish([event("b")])
    assert ids(bus.read("t", "g")) == ["b"]


def test_groups_and_topics_do_not_know_of_each_other(bus):
    bus.publish([event("a"), event("b", "other")])
    bus.acknowledge("t", "g", bus.read("t", "g")[-1][0])
    assert (bus.read("t", "g"), ids(bus.read("t", "h")), ids(bus.read("other", "g"))) == ([], ["a"], ["b"])


def test_publishing_again_changes_nothing(bus):
    bus.publish([event("a"), event("b")])
    before = bus.read("t", "g")
    bus.publish([event("b"), event("a")])
    assert bus.read("t", "g") == before


def test_what_a_commit_made_true_is_announced_once(bus, open_catalog):
    catalog = open_catalog()
    done = [committed(catalog, batch(fingerprint)) for fingerprint in ("f1", "f2")]
    assert [announce(catalog, bus), announce(catalog, bus)] == [2, 0]
    found = [one for _, one in bus.read("batch.committed", "g")]
    assert [one.payload["batch"] for one in found] == [one.id for one in done]
    assert catalog.outbox() == []


def test_a_process_that_ends_between_publishing_and_noting_it_announces_nothing_twice(bus, open_catalog, monkeypatch):
    catalog = open_catalog()
    committed(catalog, batch())

    def end(point):
        if point == "events.published":
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "watch", end)
    with pytest.raises(KeyboardInterrupt):
        announce(catalog, bus)
    monkeypatch.undo()
    assert len(catalog.outbox()) == 1
    assert announce(catalog, bus) == 1
    assert len(bus.read("batch.committed", "g")) == 1
