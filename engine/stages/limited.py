"""A fit that may take only so much time or memory: it is a process of its own, since a thread can not be ended from outside.

The process is given its task as JSON, reads its rows and says ``begun`` before it fits, so that starting takes none of its
time. It answers with the artifact, or with the error. Whoever started it looks at it every few milliseconds, whatever
executor the task landed on, and kills it when it has had its time or takes more memory than it may.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from pydantic import ByteSize

from engine import errors
from engine.errors import DataError, HostError, LevadaError
from engine.registry import use_folder
from engine.stages.work import FITS, UNLIMITED, Limits, Work
from engine.stores.artifacts import Artifact, store_at

_BEGUN = "begun"
_LOOK = 0.02  # seconds between two looks at the process, each of which takes some microseconds
_KIN = 50  # looks from one search for its children to the next: that takes milliseconds


Ready = Callable[[Work], Callable[[], Artifact]]
"""The ``ready`` of a stage that fits: reads the rows, and returns what fits and keeps what came of it."""


def run(work: Work, ready: Ready) -> Artifact:
    """Return what a stage makes of the work, in a process of its own where a fit may take only so much."""
    return ready(work)() if work.limits == UNLIMITED else _within(work, ready)


def _within(work: Work, ready: Ready) -> Artifact:
    """Raises ``DataError`` when the fit takes more time or memory than it may."""
    call = {
        "stage": ready.__module__.rpartition(".")[2],
        "params": work.params,
        "inputs": [artifact.to_json() for artifact in work.inputs],
        "root": str(work.store.root),
        "place": work.place,
        "stem": work.stem,
        "shared": str(work.shared) if work.shared is not None else None,
        "folders": [path for path in sys.path if path and (Path(path) / "plugins").is_dir()],
    }
    name = work.params["model"]["use"]
    with subprocess.Popen(  # noqa: S603  this interpreter and our own module
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None  # as asked for
        assert process.stdout is not None
        with _Guard(process.pid, name, work.limits) as guard:
            with suppress(BrokenPipeError):  # it was ended already, and what is to be read says so
                process.stdin.write(json.dumps(call) + "\n")
                process.stdin.flush()
            first = process.stdout.readline()
            guard.begun = time.monotonic()
            answer, said = process.communicate()
    if guard.overrun is not None:
        raise guard.overrun
    answer = answer if first.strip() == _BEGUN else first  # an error may be all there is
    if process.returncode != 0 or not answer:
        last = said.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise HostError(f"the process that fits {name} was lost", found=last[0][:300], hint="did it run out of memory?")
    return _told(json.loads(answer))


class _Guard:
    """Looks at a process, and at those that it starts, for as long as the context lasts; ends all of them at an ``overrun``."""

    def __init__(self, pid: int, name: str, limits: Limits) -> None:
        self.begun: float | None = None
        self.overrun: DataError | None = None
        self._name, self._limits = name, limits
        self._family = [psutil.Process(pid)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if kind is not None:
            self._end()

    def _watch(self) -> None:
        looks = 0
        while not self._over.wait(_LOOK):
            looks += 1
            if looks % _KIN == 0:
                with suppress(psutil.Error):
                    self._family[1:] = self._family[0].children(recursive=True)
            self.overrun = self._too_long() or self._too_large()
            if self.overrun is not None:
                self._end()
                return

    def _too_long(self) -> DataError | None:
        seconds = self._limits.seconds
        if seconds is None or self.begun is None or time.monotonic() - self.begun < seconds:
            return None
        return DataError(
            f"the fit of {self._name} took too long",
            where="timeout",
            expected=f"at most {seconds:g} s",
            hint="a smaller model, fewer rows, or a larger timeout",
        )

    def _too_large(self) -> DataError | None:
        if self._limits.memory is None:
            return None
        taken = sum(map(_own_memory, self._family))
        if taken <= self._limits.memory:
            return None
        return DataError(
            f"the fit of {self._name} needs too much memory",
            where="memory",
            expected=f"at most {_size(self._limits.memory)}",
            found=f"{_size(taken)}{'' if self.begun else ' with its rows read, before it began'}",
            hint="a smaller model, fewer rows or features, or a larger memory",
        )

    def _end(self) -> None:
        for process in self._family:
            with suppress(psutil.Error):
                process.kill()


def _own_memory(process: psutil.Process) -> int:
    """Return the bytes of physical memory that a process has for itself; where the system tells, without mapped files.

    Neither the address space nor the writable part of it will do: threads of Polars and of linear algebra reserve
    gigabytes that they never touch, the more the more cores there are, and abort where they are refused.
    """
    try:
        taken = process.memory_info()
    except psutil.Error:  # it has ended
        return 0
    return int(taken.rss - getattr(taken, "shared", 0))


def _size(number: int) -> str:
    return ByteSize(number).human_readable(decimal=True, separator=" ")


def _told(answer: dict[str, Any]) -> Artifact:
    """Return the artifact of an answer, or raise its error as if it had been raised here."""
    if "artifact" in answer:
        return Artifact.from_json(answer["artifact"])
    kind: type[LevadaError] = getattr(errors, answer["kind"])
    raise kind(answer["what"], **answer["details"])


def answer(line: str, stages: Mapping[str, Ready], begun: Callable[[], None]) -> str:
    """Do what a line asks of a stage and return the answer to it; ``begun`` is called between what is ``ready`` and the fit."""
    call = json.loads(line)
    for folder in call["folders"]:
        use_folder(Path(folder))
    inputs = tuple(map(Artifact.from_json, call["inputs"]))
    try:
        shared = Path(call["shared"]) if call["shared"] else None
        work = Work(call["params"], inputs, store_at(Path(call["root"])), call["place"], call["stem"], shared=shared)
        fit = stages[call["stage"]](work)
        begun()
        return json.dumps({"artifact": fit().to_json()})
    except LevadaError as error:
        details = {name: getattr(error, name) for name in ("where", "expected", "found", "hint")}
        return json.dumps({"kind": type(error).__name__, "what": error.what, "details": details})


if __name__ == "__main__":
    stages = {name: import_module(f"engine.stages.{name}").ready for name in FITS}  # here, because they ask for this module
    print(answer(sys.stdin.readline(), stages, lambda: print(_BEGUN, flush=True)))
