"""What the catalog says of aliases: names of a pipeline, each for one version of its bundles."""

from __future__ import annotations

from engine.errors import ConflictError
from engine.stores.batches import Record


class Alias(Record):
    """A name such as ``champion``, the id of the bundle that it means, the one it meant before, and since when."""

    pipeline: str
    name: str
    version: str
    before: str | None = None
    changed: float = 0.0


def moved_meanwhile(alias: Alias, now: str | None) -> ConflictError:
    """Return the error for an alias that means something else than who moves it thought."""
    return ConflictError(
        f"somebody else was first: {alias.name} of {alias.pipeline} has changed",
        expected=alias.before or "no version",
        found=now or "no version",
        hint="look at `levada models` and decide again",
    )
