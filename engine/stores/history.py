"""Points in the history of a store: a time, or a batch that somebody names, and what was there by then."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from engine.errors import DataError
from engine.stores.batches import Batch

Moment = str | datetime | date
"""How a point is given: a time, which without a zone is local, or a batch by its id or as ``dataset:sequence``."""


class Committed(Protocol):
    """What a catalog says of a batch that was committed."""

    @property
    def dataset(self) -> str:
        """The dataset's name."""

    @property
    def sequence(self) -> int:
        """Its number among the dataset's batches."""

    @property
    def created(self) -> float:
        """When, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point in a store's history: a time in seconds since 1970 and, if it is that of a batch, which."""

    time: float
    batch: Batch | None = None

    def includes(self, other: Committed) -> bool:
        """Say whether a batch was there by then; within a dataset the number says, for two may be of the same time."""
        if self.batch is not None and self.batch.dataset == other.dataset:
            return other.sequence <= self.batch.sequence
        return other.created <= self.time


def point_of(batches: Sequence[Batch], moment: Moment) -> Point:
    """Return the point that a moment names. Raises ``DataError`` for text that is neither a time nor one of the batches."""
    if isinstance(moment, str):
        with suppress(ValueError):
            return Point(datetime.fromisoformat(moment).timestamp())
        batch = find_batch(batches, moment)
        if batch is None:
            expected = "2026-11-24, 2026-11-24T18:30, a batch's id or DATASET:SEQUENCE"
            raise DataError(f"'{moment}' is neither a time nor a batch", expected=expected)
        return Point(batch.created, batch)
    local = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001  local time
    return Point(local.timestamp())


def find_batch(batches: Sequence[Batch], identity: str) -> Batch | None:
    """Return the batch that an id, the beginning of one, or ``dataset:sequence`` names; None when there is none.

    Raises ``DataError`` with the candidates where it names several.
    """
    dataset, colon, number = identity.partition(":")
    if colon:
        return next((one for one in batches if one.dataset == dataset and str(one.sequence) == number), None)
    found = [batch for batch in batches if identity and batch.id.startswith(identity)]
    if len(found) > 1:
        raise DataError(
            f"{len(found)} batches have an id that begins with '{identity}'",
            expected="one of "
            + ", ".join(f"{one.id} ({one.dataset}:{one.sequence})" for one in found[:8])
            + (" …" if len(found) > 8 else ""),
            hint="ids begin with the time at which they were made: give more of it, or DATASET:SEQUENCE",
        )
    return found[0] if found else None
