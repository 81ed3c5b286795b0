"""Where tasks run: Dask's threads in this process, its processes on this machine, or a scheduler elsewhere.

Each executor takes calls and reports outcomes as they end, in the coordinator's own thread. Dask's only room.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from engine.config.spec import Executor
from engine.errors import HostError
from engine.execute import native
from engine.execute.perform import Outcome, Setting, perform
from engine.graph import Task
from engine.stages import rows
from engine.stages.work import FITS, UNLIMITED
from engine.stores.artifacts import Artifact

if TYPE_CHECKING:
    from distributed import Client

Done = Callable[[Task, Outcome], None]

_CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Call:
    """A task to perform, what is known of its recipe, and its inputs: calls before it, or outcomes already there."""

    task: Task
    known: Mapping[str, Artifact]
    inputs: tuple[str | Outcome, ...]


class Workers:
    """Where tasks of one or several executions run. A cluster is started, or connected to, when there is work for it.

    ``note`` is told what a person should know meanwhile. Leaving the context ends what was started.
    """

    def __init__(self, executor: Executor, note: Callable[[str], None]) -> None:
        self.executor = executor
        self._note = note
        self._stack = ExitStack()
        self._client: Client | None = None
        self._shared: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        rows.forget()
        self._stack.__exit__(kind, error, trace)

    def perform(self, setting: Setting, calls: Sequence[Call], done: Done) -> None:
        """Perform all calls; ``done`` is called with each outcome."""
        if self.executor.kind != "threads" or setting.limits != UNLIMITED:
            setting = replace(setting, shared=self._folder(setting.store.root))
        names = {call.task.key: (call.task.label, call.task.index, call.task.key) for call in calls}
        graph = {
            names[call.task.key]: (
                partial(perform, setting, call.task, call.known),
                *(names[given] if isinstance(given, str) else given for given in call.inputs),
            )
            for call in calls
        }
        tasks = {names[call.task.key]: call.task for call in calls}
        if self.executor.kind == "threads":
            _run_threads(self.executor, graph, tasks, done)
            return
        if self._client is None:
            self._client = self._stack.enter_context(_client(self.executor, self._note))
        _run_distributed(self._client, graph, tasks, done)

    def _folder(self, root: Path) -> Path:
        """Return a folder that all processes see, for as long as the workers are there."""
        if self._shared is None:
            self._shared = root / "tmp" / uuid4().hex
            self._shared.mkdir(parents=True)
            self._stack.callback(shutil.rmtree, self._shared, ignore_errors=True)
        return self._shared


def _run_threads(executor: Executor, graph: dict[Any, Any], tasks: Mapping[Any, Task], done: Done) -> None:
    import dask.threaded
    from dask.callbacks import Callback

    def ended(name: Any, outcome: Outcome, _graph: object, _state: object, _worker: object) -> None:
        done(tasks[name], outcome)

    with suppress(ValueError):  # not the main thread: then Ctrl-C is not ours to see
        # Polars' own handler has system calls restarted, and Ctrl-C would wait until a task has ended
        signal.siginterrupt(signal.SIGINT, True)
    workers = executor.workers or os.cpu_count() or 1
    fits = sum(task.function in FITS for task in tasks.values())
    with native.divided(min(workers, fits)) as begin, Callback(posttask=ended):
        pool = ThreadPoolExecutor(workers, initializer=begin)
        try:
            dask.threaded.get(graph, list(graph), pool=pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C a fit may go on for long: nobody waits for it


def _run_distributed(client: Client, graph: dict[Any, Any], tasks: Mapping[Any, Task], done: Done) -> None:
    from distributed import as_completed

    futures = client.get(graph, list(graph), sync=False)
    names = {future.key: name for future, name in zip(futures, graph, strict=True)}
    for future in as_completed(futures, loop=client.loop):
        task = tasks[names[future.key]]
        try:
            outcome = future.result()
        except Exception as error:  # noqa: BLE001  a lost worker, or whatever else Dask has to say
            found = f"{type(error).__name__}: {error}"[:300]
            hint = "did the worker run out of memory? use fewer workers, or larger ones"
            outcome = Outcome("failed", error=HostError(f"{task.label}: the cluster lost this task", found=found, hint=hint))
        done(task, outcome)


@contextmanager
def _client(executor: Executor, note: Callable[[str], None]) -> Iterator[Client]:
    """Connect to the cluster that an executor names, or start one that lives as long as the context."""
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.WARNING)  # its news are not ours to print
    if executor.kind == "cluster":
        address = executor.address or ""
        try:
            client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except OSError as error:
            raise HostError(f"no Dask scheduler answers at {address}", found=str(error)[:200]) from error
        with client:
            note(f"cluster of {len(client.scheduler_info()['workers'])} workers at {address}")
            yield client
        return
    workers = executor.workers or os.cpu_count() or 1
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",  # Dask would open the dashboard to the network
            dashboard_address="127.0.0.1:0",
            env={"POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"},
            silence_logs=40,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        note(f"dashboard at {cluster.dashboard_link}")
        nanny = logging.getLogger("distributed.nanny")
        nanny.setLevel(logging.ERROR)
        try:
            yield client
        finally:
            nanny.setLevel(logging.CRITICAL)  # Ctrl-C reaches workers, too: that one ends while it is told to end is no news
