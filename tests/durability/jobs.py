"""What a child process does to a harbour, and the ways in which it is disturbed while it does so.

A job is plain data: what to ``do``, in which ``folder``, and disturbances:

    planted         a bug, by name
    kill_at, at     the number of the step before which the process kills itself; steps of one name only
    fault           which call of which function of the seam fails, how, and whether it does so for good
    record          a folder in which every change of the file system is written down
    hold, arrived   a file that the first write waits for, and one that says that it waits
    then            a file that is made at the end
    limit           how many bytes a file may have
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from engine.intake import ingest_pipeline
from engine.opened import opened
from engine.runs import run_pipeline
from engine.stores import files
from engine.stores.sqlite import SqliteCatalog
from engine.upkeep import gc
from tests.durability import planted
from tests.durability.harbour import ROWS, Harbour
from tests.durability.recording import record

SEAM = ("make", "write", "sync", "rename", "remove", "remove_folder")
"""The functions of the seam through which all changes of the file system go."""

Report = Callable[[str, object], None]


def perform(job: Mapping[str, Any], report: Report) -> int:
    """Do a job and return its exit code; ``report`` is told of commits and how many steps there were."""
    harbour = Harbour(Path(job["folder"]))
    _acknowledge(report)
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    if "record" in job:
        alone = record(Path(job["record"]), harbour.root)
    if "fault" in job:
        _fail(report, **job["fault"])
    if job.get("planted", "none") != "none":
        planted.PLANTED[job["planted"]]()
    if "hold" in job:
        _hold(Path(job["hold"]), job.get("arrived"))
    if "limit" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
    steps = _count(job.get("kill_at"), job.get("at"), alone)
    try:
        return JOBS[job["do"]](harbour, job)
    finally:
        report("steps", steps())
        if "then" in job:
            Path(job["then"]).touch()


def _ingest(harbour: Harbour, job: Mapping[str, Any]) -> int:
    ingest_pipeline(harbour.spec(retries=job.get("retries", 0))).raise_failure()
    return 0


def _run(harbour: Harbour, _job: Mapping[str, Any]) -> int:
    run_pipeline(harbour.spec()).raise_failure()
    return 0


def _cli(harbour: Harbour, job: Mapping[str, Any]) -> int:
    from engine.cli import run

    os.chdir(harbour.folder)
    return run(job["arguments"])


def _append(harbour: Harbour, job: Mapping[str, Any]) -> int:
    """Bring in files of one's own, one after the other, into a dataset that others append to."""
    for number in job["numbers"]:
        harbour.add("tides", number)
        ingest_pipeline(harbour.spec(dataset="tides", pattern=job["pattern"], retries=2)).raise_failure()
    return 0


def _read(harbour: Harbour, job: Mapping[str, Any]) -> int:
    """Read the dataset again and again until a file says that all is done; every batch that is seen must be whole."""
    seen = 0
    while True:
        last = Path(job["until"]).exists()
        with opened(harbour.store, look=True) as stores:
            batches = stores.catalog.batches("tides")
            for batch in batches[seen:]:
                rows = [stores.files.raw.scan(part.loaded.artifact()).collect().height for part in batch.partitions]
                if rows != [ROWS]:
                    raise AssertionError(f"batch {batch.sequence} has {rows} rows")
        if len(batches) < seen:
            raise AssertionError(f"{seen} batches were there, and now {len(batches)} are")
        seen = len(batches)
        if last:
            return 0
        time.sleep(0.02)


def _clear(harbour: Harbour, job: Mapping[str, Any]) -> int:
    """Clear away again and again until a file says that all is done."""
    while not Path(job["until"]).exists():
        gc(harbour.store, job["grace"], delete=True)
    return 0


JOBS: dict[str, Callable[[Harbour, Mapping[str, Any]], int]] = {
    "ingest": _ingest,
    "run": _run,
    "cli": _cli,
    "append": _append,
    "read": _read,
    "clear": _clear,
}


def _acknowledge(report: Report) -> None:
    """Report each batch the moment that its commit has returned."""
    commit = SqliteCatalog.commit

    def acknowledged(self: SqliteCatalog, batch: Any) -> Any:
        done = commit(self, batch)
        report("ack", done.id)
        return done

    SqliteCatalog.commit = acknowledged  # type: ignore[method-assign]  # to be told of each call


def _count(kill_at: int | None, at: str | None, alone: Callable[[], AbstractContextManager[None]]) -> Callable[[], int]:
    """Count every call of the seam and every crash point, or those with a name, and kill the process before the given one.

    It is killed while it is ``alone`` with the log of a recording: a change that was made is also in the log.
    """
    lock, steps = threading.Lock(), [0]

    def step(name: str) -> None:
        if at not in (None, name):
            return
        with lock:
            steps[0] += 1
            if steps[0] == kill_at:
                with alone():
                    os.kill(os.getpid(), signal.SIGKILL)

    _before_each(step)
    return lambda: steps[0]


def _before_each(step: Callable[[str], None]) -> None:
    """Have ``step`` called before each call of the seam, and at each crash point."""
    for name in SEAM:
        setattr(files, name, _stepped(name, getattr(files, name), step))
    before = files.watch

    def reached(point: str) -> None:
        if before is not None:
            before(point)
        step(point)

    files.watch = reached


def _stepped(name: str, inner: Callable[..., Any], step: Callable[[str], None]) -> Callable[..., Any]:
    def stepped(*arguments: Any) -> Any:
        step(name)
        return inner(*arguments)

    return stepped


def _fail(report: Report, function: str, nth: int, error: int, *, once: bool) -> None:
    """Have the nth call of a function of the seam fail, and if not only ``once``, all after it too."""
    inner, lock, calls = getattr(files, function), threading.Lock(), [0]

    def failing(*arguments: Any) -> Any:
        with lock:
            calls[0] += 1
            number = calls[0]
        if number == nth or (number > nth and not once):
            report("fault", number)
            raise OSError(error, os.strerror(error))
        return inner(*arguments)

    setattr(files, function, failing)


def _hold(until: Path, arrived: str | None) -> None:
    """Have the first write wait until a file is there."""
    inner = files.write

    def held(path: Path, fill: Callable[[Path], Any]) -> Any:
        if arrived is not None:
            Path(arrived).touch()
        for _ in range(3_000):
            if until.exists():
                return inner(path, fill)
            time.sleep(0.01)
        raise OSError(errno.ETIMEDOUT, "nobody let it go on")

    files.write = held  # type: ignore[assignment]  # to be told of each call
