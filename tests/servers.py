"""Real servers for the tests: each is started on 127.0.0.1, waited for until it is ready, and stopped by its own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 60.0
"""How long a server may take until it is ready; on an idle machine each takes one or two."""

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Server:
    """A server that is ready: what it said when it was, and its process."""

    address: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


@contextmanager
def started(command: Sequence[str], ready: str, log: Path) -> Iterator[Server]:
    """Start a server and wait until its log matches ``ready``, whose first group is its address.

    Raises ``RuntimeError`` with the log's end if it ends before, or is not ready in time.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=log.parent, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Server(_wait(process, ready, log), process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(ready, said):
            return found[1]
        if process.poll() is not None:
            raise RuntimeError(f"{log.stem} ended with {process.returncode}: {said[-2000:]}")
        time.sleep(0.02)
    raise RuntimeError(f"{log.stem} was not ready within {READY_SECONDS:g} s: {said[-2000:]}")


@dataclass(frozen=True)
class Cluster:
    """A Dask scheduler and its workers, one process each."""

    address: str
    workers: tuple[Server, ...]


@contextmanager
def dask_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Start a scheduler and workers of one thread each. Without a nanny: a worker that is killed stays dead."""
    dask = (sys.executable, "-m", "dask")
    here = ("--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as stack:
        command = (*dask, "scheduler", *here, "--port", "0")
        scheduler = stack.enter_context(started(command, r"Scheduler at: +(tcp://\S+)", folder / "scheduler.log"))
        threads = ("--no-nanny", "--nthreads", "1", "--death-timeout", "60", "--local-directory", str(folder))
        command = (*dask, "worker", scheduler.address, *here, *threads)
        logs = [folder / f"worker-{number}.log" for number in range(workers)]
        registered = r"Registered to: +(tcp://\S+)"
        yield Cluster(scheduler.address, tuple(stack.enter_context(started(command, registered, log)) for log in logs))
