"""Plugins that are told what runs came to, so that it is also where a team looks for it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from engine.plugin.base import Plugin


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run, a trial or a whole sweep, as a tracker is told of it when it has ended: plain data, and nothing secret.

    ``id`` is that of the catalog, of a sweep its own; equal ids are the same run, told again with more. ``started`` and
    ``ended`` are seconds since 1970. ``parameters`` are the configuration by dotted key (``encode.0.use``). ``metrics`` are by
    part and name (``test.roc_auc``), with the ends of the interval of 95 % as ``test.roc_auc.low`` and ``.high``. ``tags`` are
    what else there is to know, such as the batches of data. ``message`` says why a run failed.

    ``folder`` has its files: ``summary.json``, ``report.html`` and the exported ``bundle/``, as far as the tracker wants them.
    It is gone when ``track`` has returned. ``trials`` are the members of a sweep, its final run the last.
    """

    id: str
    name: str
    pipeline: str
    status: Literal["done", "failed"]
    started: float
    ended: float
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    folder: Path | None = None
    trials: tuple[RunSummary, ...] = ()


class Tracker(Plugin):
    """Something that keeps what runs came to, beside the catalog. It is told when all is recorded, and changes no result."""

    kind: ClassVar[str] = "tracker"

    artifacts: Literal["best", "all", "none"] = Field(
        default="best",
        description="Which runs bring their report and their bundle: of a sweep only the best trial's final run, or all trials "
        "too, which takes room and time for each; a run that is no trial counts as the best. `none`: no files at all, and no "
        "`summary.json` either.",
    )

    @abstractmethod
    def track(self, run: RunSummary) -> str:
        """Keep what a run came to, and return in a few words where it can be seen.

        Whatever this raises is told to the user, and fails no run. It must not wait long for what does not answer.
        """
