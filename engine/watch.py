"""Runs a pipeline again whenever batches of its datasets are announced, by whichever process ingested them.

In: a specification. Out: a ``Turn`` each time something was announced. Sources are not looked at: a run takes the batches that
are there, and waits until each dataset has one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine import digest
from engine.compile import used
from engine.config.spec import PipelineSpec
from engine.errors import Interrupted, LevadaError
from engine.execute import Watcher
from engine.runs import Run, opened, run_pipeline
from engine.stores.batches import Batch

_TOPIC = "batch.committed"


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of announcements. ``missing`` are datasets without a batch: then nothing was run.

    ``batches`` are those that were announced. Without ``run`` and with an ``error`` the run could not begin.
    """

    batches: Sequence[Batch] = ()
    missing: Sequence[str] = ()
    run: Run | None = None
    error: LevadaError | None = None

    def raise_failure(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.error is not None:
            raise self.error
        if self.run is not None:
            self.run.raise_failure()


def watch(spec: PipelineSpec, *, every: float = 2.0, once: bool = False, watchers: Sequence[Watcher] = ()) -> Iterator[Turn]:
    """Yield a turn for announcements that were not seen yet, at once, and then whenever there are more.

    Looks ``every`` so many seconds, until whoever asks stops; ``once`` looks a single time. What was announced counts as seen
    when its turn is over, whatever came of it: a process that is killed in the middle begins that turn again. Those who watch
    the same pipeline in the same configuration share what was seen. Raises ``Interrupted`` on Ctrl-C in the middle of a run.
    """
    told: tuple[str, ...] | None = None
    while True:
        heard = _heard(spec)
        if heard.missing and heard.missing != told:
            yield Turn(missing=heard.missing)
        elif heard.batches and not heard.missing:
            yield _turn(spec, heard.batches, watchers)
        told = heard.missing
        if heard.offset is not None and not heard.missing:
            with opened(spec.store) as stores:
                stores.bus.acknowledge(_TOPIC, _group(spec), heard.offset)
        if once:
            return
        if not heard.batches or heard.missing:
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


def _turn(spec: PipelineSpec, batches: Sequence[Batch], watchers: Sequence[Watcher]) -> Turn:
    """Run a pipeline on what was there with the newest of the batches."""
    newest = max(batches, key=lambda batch: (batch.created, batch.sequence))
    then = spec.model_copy(update={"view": spec.view.model_copy(update={"as_of": newest.id})})
    try:
        return Turn(batches, run=run_pipeline(then, overrides=[f"view.as_of={newest.id}"], watchers=watchers))
    except Interrupted:
        raise
    except LevadaError as error:
        return Turn(batches, error=error)


def _group(spec: PipelineSpec) -> str:
    """Return the name under which is kept how far was read: each configuration of a pipeline is told of everything."""
    return f"watch.{spec.name}.{digest.of_text(repr(spec))[:12]}"
