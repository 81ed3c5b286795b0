"""Announces what happened, and lets others read it at their own pace: topics, offsets, groups.

In: events that the catalog's outbox holds, put there by the very transaction that made them true. Out: the same events,
each at least once, in the order of their topic. The embedded bus is a log in the catalog's own database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from engine.stores import files
from engine.stores.catalog import Catalog, Event


class Bus(ABC):
    """The contract: append events to topics; read a topic from an offset; remember how far a group has read."""

    @abstractmethod
    def publish(self, events: Sequence[Event]) -> None:
        """Append events for good. One that was published before, by its id, changes nothing."""

    @abstractmethod
    def read(self, topic: str, group: str, limit: int = 1000) -> list[tuple[int, Event]]:
        """Return the next events of a topic that a group has not acknowledged, with their offsets."""

    @abstractmethod
    def acknowledge(self, topic: str, group: str, offset: int) -> None:
        """Note that a group is done with a topic up to an offset, included."""


class CatalogBus(Bus):
    """The log in the catalog's database: nothing else need run. Several processes may read and write it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def publish(self, events: Sequence[Event]) -> None:
        self._catalog.log(events)

    def read(self, topic: str, group: str, limit: int = 1000) -> list[tuple[int, Event]]:
        return self._catalog.logged(topic, self._catalog.offset(group, topic), limit)

    def acknowledge(self, topic: str, group: str, offset: int) -> None:
        self._catalog.save_offset(group, topic, offset)


def announce(catalog: Catalog, bus: Bus) -> int:
    """Publish what waits in the outbox and return how many events that were.

    Called after every commit and whenever a store is opened: a process that ends between a commit and its announcement
    leaves the event in the outbox, for the next one to publish.
    """
    events = catalog.outbox()
    if events:
        bus.publish(events)
        files.reached("events.published")
        catalog.announced([event.id for event in events])
    return len(events)
