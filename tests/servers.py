"""Real servers for the tests: each is started on 127.0.0.1, waited for until it is ready, and stopped by its own process."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import pytest

READY_SECONDS = 60.0
"""How long a server may take until it is ready; on an idle machine each takes one or two."""

STOP_SECONDS = 10.0

INSTALLED = Path(__file__).parent.parent / ".servers"
"""Where servers from wheels are: programs that tests start and never import."""

POSTGRES_PROGRAMS = os.pathsep.join([os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
"""Debian keeps PostgreSQL's programs out of the way of commands."""

POSTGRES_PASSWORD = "open/sesame:1@home"
"""Has what a URI must quote, so that hiding it is tried as well."""


@dataclass(frozen=True)
class Server:
    """A server that is ready: what it said when it was, and its process."""

    address: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Ask it to end; kill it if it does not."""
        _stop(self.process)


@contextmanager
def started(command: Sequence[str], ready: str, log: Path) -> Iterator[Server]:
    """Start a server, and stop it when the context ends."""
    with closing(start(command, ready, log)) as server:
        yield server


def start(command: Sequence[str], ready: str, log: Path) -> Server:
    """Start a server and wait until its log matches ``ready``, whose first group is its address.

    Raises ``RuntimeError`` with the log's end if it ends before, or is not ready in time.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=log.parent, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        return Server(_wait(process, ready, log), process)
    except BaseException:
        _stop(process)
        raise


def _stop(process: subprocess.Popen[bytes]) -> None:
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


_DASK = (sys.executable, "-m", "dask")
_HERE = ("--host", "127.0.0.1", "--no-dashboard")


@dataclass(frozen=True)
class Cluster:
    """A Dask scheduler and its workers, one process each."""

    address: str
    workers: dict[int, Server]
    folder: Path
    stack: ExitStack

    def complete(self, workers: int = 2) -> None:
        """Start workers of one thread each until there are so many. Without a nanny: a worker that is killed stays dead."""
        alive = {pid: worker for pid, worker in self.workers.items() if worker.process.poll() is None}
        numbers = range(len(self.workers), len(self.workers) + workers - len(alive))
        with ThreadPoolExecutor() as pool:  # each takes seconds to load what it needs
            for worker in pool.map(self._worker, numbers):
                self.workers[worker.process.pid] = self.stack.enter_context(closing(worker))

    def _worker(self, number: int) -> Server:
        threads = ("--no-nanny", "--nthreads", "1", "--death-timeout", "60", "--local-directory", str(self.folder))
        command = (*_DASK, "worker", self.address, *_HERE, *threads)
        return start(command, r"Registered to: +(tcp://\S+)", self.folder / f"worker-{number}.log")


@contextmanager
def dask_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a scheduler and two workers."""
    with ExitStack() as stack:
        command = (*_DASK, "scheduler", *_HERE, "--port", "0")
        scheduler = stack.enter_context(started(command, r"Scheduler at: +(tcp://\S+)", folder / "scheduler.log"))
        cluster = Cluster(scheduler.address, {}, folder, stack)
        cluster.complete()
        yield cluster


@contextmanager
def mongo(folder: Path) -> Iterator[Server]:
    """Start a server that speaks MongoDB's protocol; its address is a URI. Its log is in ``folder``, its data in memory."""
    program = INSTALLED / "secantusdb.scripts" / "secantusd-rs"
    if not program.exists():
        missing(f"no {program}; .ci/run says how to install it")
    here = ("--host", "127.0.0.1", "--port", "0", "--log-level", "WARNING")
    limits = ("--cache-size", "256M", "--log-file-max", "64MB", "--sync-on-commit")
    with _memory() as data:
        command = (str(program), *here, *limits, "--storage-path", str(data))
        with started(command, r"listening on (127\.0\.0\.1:\d+)", folder / "mongo.log") as server:
            yield replace(server, address=f"mongodb://{server.address}")


@contextmanager
def postgres(folder: Path) -> Iterator[Server]:
    """Start PostgreSQL; its address is a URI with the password in it. Its log is in ``folder``, its data in memory."""
    programs = [shutil.which(name, path=POSTGRES_PROGRAMS) for name in ("initdb", "postgres")]
    if None in programs:
        missing("no PostgreSQL; .ci/run says how to install it")
    initdb, program = (str(found) for found in programs)
    with _memory() as place:
        as_user = _as_ordinary_user(place)
        data, password = place / "data", place / "password"
        password.write_text(POSTGRES_PASSWORD, encoding="utf-8")
        how = ("--username", "levada", "--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync")
        subprocess.run((*as_user, initdb, *how, "--locale", "C.UTF-8", str(data)), check=True, capture_output=True, cwd=place)
        here = ("-h", "127.0.0.1", "-p", str(_free_port()), "-k", str(place), "-F")
        ready = r'IPv4 address "127\.0\.0\.1", port (\d+)[\s\S]*ready to accept connections'
        with started((*as_user, program, "-D", str(data), *here), ready, folder / "postgres.log") as server:
            user = f"levada:{quote(POSTGRES_PASSWORD, safe='')}"
            yield replace(server, address=f"postgresql://{user}@127.0.0.1:{server.address}/postgres")


@contextmanager
def mlflow(folder: Path) -> Iterator[Server]:
    """Start an MLflow server; its address is a URI. Its log, its database and its files are in ``folder``."""
    if find_spec("mlflow") is None or find_spec("flask") is None:
        missing("no MLflow server; pip install 'levada[test]'")
    quiet = ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true", f"HOME={folder}")
    here = ("--host", "127.0.0.1", "--port", "0", "--workers", "1", "--gunicorn-opts", "--threads 4")
    kept = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files"))
    command = ("env", *quiet, sys.executable, "-m", "mlflow", "server", *here, *kept)
    with started(command, r"Listening at: (http://127\.0\.0\.1:\d+)", folder / "mlflow.log") as server:
        yield server


def _as_ordinary_user(place: Path) -> tuple[str, ...]:
    """Return what to put before a command that refuses to run as root, and give that user the folder."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwnam("postgres")
    os.chown(place, user.pw_uid, user.pw_gid)
    return ("setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _memory() -> Iterator[Path]:
    """Yield a folder that is in memory where the machine has one, and is gone afterwards."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, ignore_cleanup_errors=True) as data:
        yield Path(data)


def missing(reason: str) -> NoReturn:
    """Skip the test for want of a server, or fail it where all servers must be there."""
    if os.environ.get("LEVADA_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
