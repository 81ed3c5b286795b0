"""The record of everything: what was computed from what, which batches there are, which runs there were.

The contract; ``sqlite`` is the embedded implementation, ``mongo_catalog`` the networked one. Only the coordinator opens
it: workers are sent what they need to know.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine import digest
from engine.errors import ConflictError
from engine.stores.aliases import Alias
from engine.stores.artifacts import Artifact
from engine.stores.batches import Batch
from engine.stores.features import FeatureVersion

if TYPE_CHECKING:
    from engine.graph import Task


@dataclass(frozen=True, slots=True)
class Memory:
    """One remembered result: what ran (recipe, code, parameters), on what contents, and what came of it."""

    recipe: str
    contents: tuple[str, ...]
    artifact: Artifact
    label: str
    index: int
    code: str
    params: str
    run: str
    created: float

    @property
    def memo(self) -> str:
        """The name under which it is looked up."""
        return digest.of_text(self.recipe, *self.contents)

    @classmethod
    def of(cls, task: Task, contents: tuple[str, ...], artifact: Artifact, run: str) -> Memory:
        """Return the memory of a task that just ended."""
        return cls(task.recipe, contents, artifact, task.label, task.index, task.code, task.params, run, round(time.time(), 3))


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of a pipeline: ``status`` is running, done, failed or interrupted; ``summary`` is plain data."""

    id: str
    pipeline: str
    status: str
    started: float
    ended: float | None = None
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for whoever listens: ``topic`` says what (``batch.committed``), ``key`` to whom.

    ``id`` is a UUIDv7: an event that is delivered twice is known by it. ``payload`` is plain data.
    """

    id: str
    topic: str
    key: str
    payload: dict[str, Any]
    created: float


@dataclass(frozen=True, slots=True)
class Reservation:
    """The id under which a batch is being written, and since when."""

    id: str
    dataset: str
    created: float


Known = Mapping[str, Mapping[str, Artifact]]
"""What is remembered: by recipe, then by memo."""


class Catalog(ABC):
    """The contract. Whatever a method writes of one thing is wholly there afterwards, for good, or not at all.

    Raises ``HostError`` when it can not be reached or written, ``Corrupt`` when a record is not what was written.
    """

    @abstractmethod
    def known(self, recipes: Iterable[str]) -> Known:
        """Return what is remembered of recipes: by recipe, then by memo. A recipe of which nothing is known is absent."""

    @abstractmethod
    def remember(self, memories: Sequence[Memory]) -> None:
        """Remember results. One that is remembered already is replaced: its file was lost, and made anew."""

    @abstractmethod
    def history(self, label: str) -> list[Memory]:
        """Return what is remembered of a stage, newest first: to say what changed since."""

    @abstractmethod
    def origin(self, content: str) -> Memory | None:
        """Return the oldest memory whose artifact has this digest or a digest that begins so."""

    @abstractmethod
    def uses(self, content: str) -> list[Memory]:
        """Return what was computed from an artifact."""

    @abstractmethod
    def remembered(self) -> Iterator[Memory]:
        """Yield all memories, in no order."""

    @abstractmethod
    def forget(self, memos: Iterable[str]) -> None:
        """Forget results."""

    @abstractmethod
    def reserve(self, dataset: str, key: str, new_id: str) -> str:
        """Return the id under which a batch is made: the one reserved for this key, by whomever, or else ``new_id``.

        It stays reserved until a batch of this id is committed. What is reserved once more counts as reserved now.
        """

    @abstractmethod
    def release(self, identity: str, *, before: float | None = None) -> bool:
        """Give up a reservation and say whether there was one; nothing happens to a committed batch.

        ``before``, in seconds since 1970, spares one that was made then or later.
        """

    @abstractmethod
    def reservations(self) -> list[Reservation]:
        """Return what is reserved and not committed, oldest first."""

    @abstractmethod
    def commit(self, batch: Batch) -> Batch:
        """Make a batch visible, with the next sequence and the present time, and put the event of it into the outbox.

        Returns the batch as it is committed. Where one of its fingerprint is committed already, that one is returned and
        nothing changes: of two that commit the same at once, one makes the batch. Where another batch was committed under
        its id, which two had reserved, it gets a new one. Raises ``ConflictError`` if its id is reserved no longer: then gc
        has found it too old, and may have removed its rows.
        """

    @abstractmethod
    def batches(self, dataset: str | None = None) -> list[Batch]:
        """Return the committed batches by dataset and sequence."""

    @abstractmethod
    def commit_features(self, version: FeatureVersion) -> FeatureVersion:
        """Make a version of features visible, with the present time, and put the event of it into the outbox.

        Returns the version as it is committed. Where one of the same view, definition and content is there already, that one
        is returned and nothing is announced; one that was retired is there again.
        """

    @abstractmethod
    def find_features(self, identity: str) -> FeatureVersion | None:
        """Return the version of features with this ``identity``, retired or not."""

    @abstractmethod
    def features(self, view: str | None = None) -> list[FeatureVersion]:
        """Return the versions of features by view and age, oldest first, retired ones too."""

    @abstractmethod
    def retire(self, versions: Iterable[str]) -> None:
        """Note that the files of versions, by id, are given up from now on."""

    @abstractmethod
    def move_alias(self, alias: Alias) -> Alias:
        """Let an alias mean its ``version`` from now on, if it means ``before`` at present; None: if there is none.

        Returns it as it is kept. Raises ``ConflictError`` when it means something else: of two that move it at once from
        the same place, one does.
        """

    @abstractmethod
    def aliases(self, pipeline: str | None = None) -> list[Alias]:
        """Return aliases by pipeline and name."""

    @abstractmethod
    def see(self, dataset: str, source: str, fingerprint: str, content: str) -> None:
        """Note that a piece of a source now has another fingerprint and still the content with this digest."""

    @abstractmethod
    def seen(self, dataset: str) -> dict[str, tuple[str, str]]:
        """Return what ``see`` noted last of each piece: by source, fingerprint and digest."""

    @abstractmethod
    def outbox(self) -> list[Event]:
        """Return the events that are committed and not announced, oldest first."""

    @abstractmethod
    def announced(self, events: Iterable[str]) -> None:
        """Take events, by id, out of the outbox."""

    @abstractmethod
    def log(self, events: Sequence[Event]) -> None:
        """Append events to the log, each to its topic; one that is there already is left as it is."""

    @abstractmethod
    def logged(self, topic: str, after: int, limit: int) -> list[tuple[int, Event]]:
        """Return events of a topic with their offsets, which grow, from the first beyond ``after``."""

    @abstractmethod
    def offset(self, group: str, topic: str) -> int:
        """Return the offset up to which a group has read a topic, 0 at first."""

    @abstractmethod
    def save_offset(self, group: str, topic: str, offset: int) -> None:
        """Note that a group has read a topic up to an offset. It never goes back."""

    @abstractmethod
    def check(self) -> list[str]:
        """Return what is wrong with the catalog itself, in words; nothing when it is sound."""

    @abstractmethod
    def save_run(self, record: RunRecord) -> None:
        """Insert or replace a run."""

    @abstractmethod
    def runs(self, limit: int = 50) -> list[RunRecord]:
        """Return runs, newest first."""

    @abstractmethod
    def run(self, identity: str) -> RunRecord | None:
        """Return the run with this id, or the only one whose id begins so."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held. Calling it twice is fine."""


def committed_event(batch: Batch, identity: str) -> Event:
    """Return the event that announces a batch just committed."""
    payload = {
        "batch": batch.id,
        "dataset": batch.dataset,
        "sequence": batch.sequence,
        "rows": batch.rows,
        "quarantined": batch.quarantined,
        "partitions": len(batch.partitions),
        "run": batch.run,
    }
    return Event(identity, "batch.committed", batch.dataset, payload, batch.created)


def available_event(version: FeatureVersion, identity: str) -> Event:
    """Return the event that announces a version of features just committed."""
    payload = {
        "version": version.id,
        "view": version.view,
        "definition": version.definition,
        "rows": version.rows,
        "columns": len(version.columns),
        "partitions": len(version.partitions),
        "batches": len(version.batches),
        "run": version.run,
    }
    return Event(identity, "features.available", version.view, payload, version.created)


def given_up(batch: Batch) -> ConflictError:
    """Return the error for a batch whose reservation is gone."""
    return ConflictError(
        f"the rows of a batch of {batch.dataset} may be gone from the store: gc has given it up while it was read",
        where=f"batch {batch.id}",
        hint="run the same command again, and let gc have a longer grace",
    )
