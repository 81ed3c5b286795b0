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
from engine.runs import opened
from engine.stores.batches import Batch

_TOPIC = "batch.committed"


@dataclass(frozen=True, slots=True)
class Turn:
    """Batches that were announced, and ``spec``: the pipeline as of the newest of them, to be run.

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
    told: tuple[str, ...] = ()
    while True:
        heard = _heard(spec)
        if heard.missing:
            if heard.missing != told:
                yield Turn(missing=heard.missing)
            told = heard.missing
        else:
            if heard.batches:
                yield Turn(heard.batches, spec=_as_of(spec, heard.batches))
            if heard.offset is not None:
                with opened(spec.store) as stores:
                    stores.bus.acknowledge(_TOPIC, _group(spec), heard.offset)
        if once:
            return
        if heard.missing or not heard.batches:
            time.sleep(every)


@dataclass(frozen=True, slots=True)
class _Heard:
    """The announced batches of a pipeline's datasets, how far was read, and the datasets that have no batch at all."""

    batches: tuple[Batch, ...]
    offset: int | None
    missing: tuple[str, ...]


def _heard(spec: PipelineSpec) -> _Heard:
    names = used(spec)
    with opened(spec.store) as stores:
        events = stores.bus.read(_TOPIC, _group(spec))
        missing = tuple(name for name in names if not stores.catalog.batches(name))
        there = {batch.id: batch for batch in stores.catalog.batches()} if events else {}
    ids = [event.payload["batch"] for _, event in events]
    batches = tuple(there[one] for one in ids if one in there and there[one].dataset in names)
    return _Heard(batches, events[-1][0] if events else None, missing)


def _as_of(spec: PipelineSpec, batches: Sequence[Batch]) -> PipelineSpec:
    """Return a pipeline that looks at what was there with the newest of the batches."""
    newest = max(batches, key=lambda batch: (batch.created, batch.sequence))
    return spec.model_copy(update={"view": spec.view.model_copy(update={"as_of": newest.id})})


def _group(spec: PipelineSpec) -> str:
    """Return the name under which is kept how far was read: each configuration of a pipeline is told of everything."""
    return f"watch.{spec.name}.{digest.of_text(repr(spec))[:12]}"
