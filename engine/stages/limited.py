"""A fit that may take only so long: it runs in a process of its own, because a thread can not be ended from outside.

The process is given its task as JSON, reads its rows and says ``begun`` before it fits, so that starting does not count. It
answers with the artifact, or with the error. It is killed when its time is over, whatever executor the task landed on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import errors
from engine.errors import DataError, HostError, LevadaError
from engine.registry import use_folder
from engine.stages.work import Work
from engine.stores.artifacts import Artifact, store_at

_BEGUN = "begun"


def within(work: Work, seconds: float) -> Artifact:
    """Return what ``estimate`` makes of the work. Raises ``DataError`` when it takes longer than so many seconds."""
    call = {
        "params": work.params,
        "inputs": [artifact.to_json() for artifact in work.inputs],
        "root": str(work.store.root),
        "place": work.place,
        "stem": work.stem,
        "folders": [path for path in sys.path if path and (Path(path) / "plugins").is_dir()],
    }
    late = threading.Event()
    with subprocess.Popen(  # noqa: S603  this interpreter and our own module
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None  # as asked for
        assert process.stdout is not None
        process.stdin.write(json.dumps(call) + "\n")
        process.stdin.flush()
        first = process.stdout.readline()

        def end() -> None:
            late.set()
            process.kill()

        clock = threading.Timer(seconds, end)
        clock.start()
        try:
            answer, said = process.communicate()
        except BaseException:
            process.kill()
            raise
        finally:
            clock.cancel()
    name = work.params["model"]["use"]
    if late.is_set():
        raise DataError(
            f"the fit of {name} took too long",
            where="timeout",
            expected=f"at most {seconds:g} s",
            hint="a smaller model, fewer rows, or a larger timeout",
        )
    answer = answer if first.strip() == _BEGUN else first  # an error may be all there is
    if process.returncode != 0 or not answer:
        last = said.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise HostError(f"the process that fits {name} was lost", found=last[0][:300], hint="did it run out of memory?")
    return _told(json.loads(answer))


def _told(answer: dict[str, Any]) -> Artifact:
    """Return the artifact of an answer, or raise its error as if it had been raised here."""
    if "artifact" in answer:
        return Artifact.from_json(answer["artifact"])
    kind: type[LevadaError] = getattr(errors, answer["kind"])
    raise kind(answer["what"], **answer["details"])


def answer(line: str, ready: Callable[[Work], Callable[[], Artifact]], begun: Callable[[], None]) -> str:
    """Do what a line asks for and return the answer to it; ``begun`` is called between what is ``ready`` and the fit."""
    call = json.loads(line)
    for folder in call["folders"]:
        use_folder(Path(folder))
    inputs = tuple(map(Artifact.from_json, call["inputs"]))
    try:
        fit = ready(Work(call["params"], inputs, store_at(Path(call["root"])), call["place"], call["stem"]))
        begun()
        return json.dumps({"artifact": fit().to_json()})
    except LevadaError as error:
        details = {name: getattr(error, name) for name in ("where", "expected", "found", "hint")}
        return json.dumps({"kind": type(error).__name__, "what": error.what, "details": details})


if __name__ == "__main__":
    from engine.stages.estimate import ready  # which asks for this module

    print(answer(sys.stdin.readline(), ready, lambda: print(_BEGUN, flush=True)))
