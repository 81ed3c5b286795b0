"""Writes what tasks came to into the catalog, as they end, in as few transactions as the disk's pace makes of them."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from engine.stores.catalog import Catalog, Memory

_GATHER = 0.02  # seconds that a memory waits for others, so that many small tasks are one transaction


class Committer:
    """A thread that commits memories in the order in which they are given.

    While one transaction is on its way to the disk, what comes in gathers for the next: a slow disk makes larger
    transactions, not a slower run. Leaving the context waits until all is committed; a failure to commit is raised
    by the next ``add``, or on leaving.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._waiting: list[Memory] = []
        self._changed = threading.Condition()
        self._closed = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="levada-committer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def add(self, memory: Memory) -> None:
        """Have a memory committed soon."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._waiting.append(memory)
            if len(self._waiting) == 1:
                self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(lambda: self._closed, timeout=_GATHER)
                batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                self._catalog.remember(batch)
            except Exception as error:  # noqa: BLE001  raised again in the coordinator's own thread
                self._failure = error
                return
