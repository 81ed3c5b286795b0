"""A process that has imported everything and has run nothing, and forks a child for each job: a child costs little that way.

Polars must not have run before a fork, so nothing here touches data. Reads jobs from its input, a list of those to do at
once in each line, and writes what came of them.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import engine.stages

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What came of a job: exit code, or the signal as a negative number; the batches whose commit returned; steps; words."""

    code: int
    acknowledged: set[str] = field(default_factory=set)
    steps: int = 0
    faults: int = 0
    said: str = ""


class Nursery:
    """The face of the process that forks; a context. Jobs that are given together run at once."""

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        command = [sys.executable, "-m", "tests.durability.nursery"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def do(self, *jobs: dict[str, Any]) -> list[Ended]:
        """Do jobs, all at once, and return what came of each."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(jobs) + "\n")
            self._process.stdin.flush()
            found = json.loads(self._process.stdout.readline())
        return [Ended(**{**one, "acknowledged": set(one["acknowledged"])}) for one in found]

    def one(self, **job: Any) -> Ended:
        """Do one job."""
        return self.do(job)[0]


def _serve() -> None:
    from engine import digest, registry
    from engine.ingestion import definition_of
    from tests.durability import jobs
    from tests.durability.harbour import Harbour

    for module in _MODULES:
        importlib.import_module(module)
    spec = Harbour(Path("/nowhere")).spec()
    for dataset in spec.datasets.values():
        definition_of(dataset)
    assert registry
    digest.of_code(*(name for name in _MODULES if name.startswith(("engine.stages.", "plugins."))))  # each file is read once
    for line in sys.stdin:
        print(json.dumps(_together(json.loads(line), jobs)), flush=True)


_MODULES = (
    *("dask.threaded", "dask.callbacks", "engine.cli.commands", "engine.cli.progress", "engine.cli.upkeep"),
    *(f"engine.stages.{module.name}" for module in pkgutil.iter_modules(engine.stages.__path__)),
    *("plugins.extractors.csv", "plugins.checks.not_null", "plugins.splitters.hash", "plugins.models.sklearn"),
    *(f"plugins.transformers.{name}" for name in ("derive", "drop", "impute", "one_hot", "standardize")),
    *(f"plugins.metrics.{task}" for task in ("classification", "clustering", "regression")),
    *("sklearn.naive_bayes", "sklearn.linear_model", "sklearn.metrics", "sklearn.inspection", "sklearn.decomposition"),
    *("skops.io", "engine.report.page", "engine.report.embedding", "bokeh.models"),
)


def _together(todo: Sequence[dict[str, Any]], jobs: Any) -> list[dict[str, Any]]:
    children = [_fork(job, jobs) for job in todo]
    told = {pipe: b"" for child in children for pipe in (child["pipe"], child["said"])}
    waiting, started = set(told), time.monotonic()
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], 0.002 if any("kill_after" in job for job in todo) else 60)
        for pipe in ready:
            piece = os.read(pipe, 65536)
            told[pipe] += piece
            if not piece:
                waiting.discard(pipe)
        for child, job in zip(children, todo, strict=True):
            if "kill_after" in job and time.monotonic() - started >= job["kill_after"]:
                job.pop("kill_after")
                os.kill(child["pid"], signal.SIGKILL)
    return [_ended(child, told[child["pipe"]], told[child["said"]]) for child in children]


def _fork(job: dict[str, Any], jobs: Any) -> dict[str, Any]:
    reading, writing = os.pipe()
    said, saying = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.close(reading)
            for descriptor in (1, 2):
                os.dup2(saying, descriptor)
            os.close(saying)
            sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115  as long as the child lives
            random.seed()

            def report(what: str, value: object) -> None:
                os.write(writing, f"{what} {value}\n".encode())

            code = jobs.perform(job, report)
            _wait_for_threads()
        except BaseException as error:  # noqa: BLE001  a child never goes on where its parent does
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            code = getattr(error, "exit_code", 70)
            _wait_for_threads()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    os.close(saying)
    return {"pid": pid, "pipe": reading, "said": said}


def _wait_for_threads() -> None:
    """Let tasks come to their end, as a process that leaves by itself does."""
    threading._shutdown()  # type: ignore[attr-defined]  # what Python calls at its end, and has no public name


def _ended(child: dict[str, Any], told: bytes, words: bytes) -> dict[str, Any]:
    os.close(child["pipe"])
    os.close(child["said"])
    _, status = os.waitpid(child["pid"], 0)
    said = words.decode(errors="replace")
    lines = [line.split(" ", 1) for line in told.decode().splitlines()]
    acknowledged = [value for what, value in lines if what == "ack"]
    steps = max((int(value) for what, value in lines if what == "steps"), default=0)
    faults = sum(what == "fault" for what, _ in lines)
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "acknowledged": acknowledged, "steps": steps, "faults": faults, "said": said}


if __name__ == "__main__":
    _serve()
