"""Says when a pipeline is to be run again: whenever batches of its datasets are announced, by whichever process ingested them.

In: a specification. Out: a ``Turn`` each time something was announced. Sources are not looked at: a run takes the batches that
are there, and none is asked for until each dataset has one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine import digest
from engine.compile import used
from engine.config.spec import PipelineSpec
from engine.opened import opened
from engine.stores.batches import Batch

_TOPIC = "batch.committed"


@dataclass(frozen=True, slots=True)
class Turn:
    """Batches that were announced, and ``spec``: the pipeline as of the newest batch that there is, to be run.

    While datasets have no batch at all, which are ``missing``, there is none.
    """

    batches: Sequence[Batch] = ()
    missing: Sequence[str] = ()
    spec: PipelineSpec | None = None


def watch(spec: PipelineSpec, *, every: float = 2.0, once: bool = False) -> Iterator[Turn]:
    """Yield a turn for announcements that were not seen yet, at once, and then whenever there are more.

    Looks ``every`` so many seconds, until whoever asks stops; ``once`` looks a single time. What was announced counts as seen
    when the next turn is asked for: a process that is killed in the middle begins that turn again. Those who watch the same
    pipeline in the same configuration share what was seen.
    """
    told: Sequence[str] | None = None
    while True:
        turn, offset = _heard(spec, first=told is None)
        if turn.spec is not None or (turn.missing and turn.missing != (told or ())):
            yield turn
        told = turn.missing
        if offset is not None and not turn.missing:
            with opened(spec.store) as stores:
                stores.bus.acknowledge(_TOPIC, _group(spec), offset)
        if once:
            return
        if turn.spec is None:
            time.sleep(every)


def _heard(spec: PipelineSpec, *, first: bool) -> tuple[Turn, int | None]:
    """Return what was announced, and how far was read. Batches are looked up at first, and when there is something new."""
    with opened(spec.store) as stores:
        events = stores.bus.read(_TOPIC, _group(spec))
        batches = stores.catalog.batches() if events or first else []
    if not batches and not first:
        return Turn(), None
    return turn_of(spec, [event.payload["batch"] for _, event in events], batches), events[-1][0] if events else None


def turn_of(spec: PipelineSpec, announced: Sequence[str], batches: Sequence[Batch]) -> Turn:
    """Return what the ids of announced batches come to, given all batches that there are.

    More may be there than was announced: the point to look from is that of the newest of all, so that each dataset has one.
    """
    names = used(spec)
    there = {batch.id: batch for batch in batches if batch.dataset in names}
    missing = tuple(name for name in names if name not in {batch.dataset for batch in there.values()})
    own = tuple(there[one] for one in announced if one in there)
    if missing or not own:
        return Turn(missing=missing)
    newest = max(there.values(), key=lambda batch: (batch.created, batch.sequence))
    return Turn(own, (), spec.model_copy(update={"view": spec.view.model_copy(update={"as_of": newest.id})}))


def _group(spec: PipelineSpec) -> str:
    """Return the name under which is kept how far was read: each configuration of a pipeline is told of everything."""
    return f"watch.{spec.name}.{digest.of_text(repr(spec))[:12]}"
