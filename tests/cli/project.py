"""A small project of a user's own: two CSV datasets, a pipeline, and the `levada` command that runs it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.stores.batches import Batch
from engine.stores.catalog import RunRecord
from engine.stores.sqlite import SqliteCatalog
from tests.durability.nursery import Ended, Nursery

LEVADA = str(Path(sys.executable).with_name("levada"))
DEADLINE = 60.0
"""Seconds after which something that a test waits for will not happen any more; a whole run takes two."""

PIPELINE = """\
# @package _global_
defaults:
  - override /splitter: hash
  - override /model: logistic_regression

problem: {task: classification, target: late, metric: accuracy}

datasets:
  trips:
    extract: {use: csv, path: data/trips/*.csv}
    mode: append
    key: [trip]
    expect:
      - {use: not_null, columns: [late]}
    prepare:
      - {use: drop, columns: [note]}
  ports:
    extract: {use: csv, path: data/ports.csv}
    key: [port]

view:
  from: trips
  join:
    - {with: ports, on: [port]}
  features:
    - {use: derive, draught: "cargo / depth"}

encode:
  - {use: impute, columns: numeric}
  - {use: one_hot, columns: text}
  - {use: standardize, columns: numeric}

assess: false
"""

PORTS = "port,depth,region\n" + "".join(
    f"{name},{depth},{'north' if depth > 9 else 'south'}\n"
    for name, depth in [("Horta", 7), ("Funchal", 12), ("Sines", 17), ("Faro", 5)]
)


def trips(first: int, count: int) -> str:
    """Return a CSV file of trips; every seventh has no cargo, and a trip with much of it is mostly late."""
    rows = ["trip,port,cargo,note,late"]
    for number in range(first, first + count):
        cargo = number * 37 % 101
        late = "yes" if (cargo > 60) != (number % 11 == 0) else "no"
        port = ("Horta", "Funchal", "Sines", "Faro")[number * 13 % 4]
        rows.append(f"{number},{port},{'' if number % 7 == 0 else cargo},ok,{late}")
    return "\n".join(rows) + "\n"


@dataclass(frozen=True)
class Project:
    """A folder with a pipeline `trips` in `conf/`, its data, and nothing else."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Project:
        """Write the project's files."""
        project = cls(folder)
        project.write("conf/pipeline/trips.yaml", PIPELINE)
        project.write("data/trips/1.csv", trips(1, 90))
        project.write("data/trips/2.csv", trips(91, 60))
        project.write("data/ports.csv", PORTS)
        return project

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file below the folder."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a piece of a file that is in it once."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))

    def levada(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the real command to its end, as a user would."""
        return subprocess.run(
            [LEVADA, *arguments],
            cwd=self.folder,
            env=_environment(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    def done(self, *arguments: str, **environment: str) -> dict[str, Any]:
        """Run a pipeline that must succeed, and return its summary."""
        ended = self.levada(*arguments, **environment)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return self.summary(ended.stdout)

    def forked(self, nursery: Nursery, *arguments: str) -> dict[str, Any]:
        """Run a pipeline that must succeed in a process that need not load everything first, and return its summary."""
        ended = self.in_fork(nursery, *arguments)
        assert ended.code == 0, ended.said
        return self.summary(ended.said)

    def in_fork(self, nursery: Nursery, *arguments: str) -> Ended:
        """Run the command to its end in a process that need not load everything first."""
        return nursery.one(folder=str(self.folder), do="cli", arguments=list(arguments))

    @contextlib.contextmanager
    def started(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start the real command; it is killed, if it still runs, when the context ends."""
        with subprocess.Popen(
            [LEVADA, *arguments],
            cwd=self.folder,
            env=_environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a group of its own, as a terminal gives it
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def report(self, printed: str) -> Path:
        """Return the path of the report that was printed."""
        line = re.search(r"^report +(\S+)$", printed, re.MULTILINE)
        assert line, printed
        return self.folder / line[1]

    def summary(self, printed: str) -> dict[str, Any]:
        """Return the summary that lies beside the report that was printed."""
        return read(self.report(printed).with_name("summary.json"))

    def batches(self, dataset: str | None = None, *, store: str = ".levada") -> list[Batch]:
        """Return what is visible in a store; nothing where there is none."""
        with self._catalog(store) as catalog:
            return catalog.batches(dataset) if catalog else []

    def runs(self, store: str = ".levada") -> list[RunRecord]:
        """Return the runs that are recorded, newest first."""
        with self._catalog(store) as catalog:
            return catalog.runs() if catalog else []

    def results(self, summary: dict[str, Any], store: str = ".levada") -> dict[tuple[str, int], str]:
        """Return the digest of each result of a run's stages, and of what its data was found to be, by label and index."""
        assessed = [one["name"] for one in (summary["condition"] or {"datasets": []})["datasets"]]
        labels = [stage["label"] for stage in summary["stages"]]
        labels += [f"{name}.{stage}" for name in assessed for stage in ("assess", "compare", "merge_assessed", "judge")]
        with self._catalog(store) as catalog:
            assert catalog is not None
            memories = [memory for label in labels for memory in reversed(catalog.history(label))]
        return {(memory.label, memory.index): memory.artifact.digest for memory in memories}  # the newest counts

    def remembered(self, label: str, store: str = ".levada") -> list[int]:
        """Return the numbers of a stage's tasks whose results are committed."""
        with self._catalog(store) as catalog:
            return sorted({memory.index for memory in catalog.history(label)}) if catalog else []

    def committed(self, label: str, store: str = ".levada") -> int:
        """Return how many results of a stage are committed, those of all trials counted."""
        with self._catalog(store) as catalog:
            return len(catalog.history(label)) if catalog else 0

    @contextlib.contextmanager
    def _catalog(self, store: str) -> Iterator[SqliteCatalog | None]:
        file = self.folder / store / "catalog.sqlite"
        if not file.exists():
            yield None
            return
        catalog = SqliteCatalog(file)
        try:
            yield catalog
        finally:
            catalog.close()


def read(file: Path) -> dict[str, Any]:
    """Return what a JSON file says."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def ran(summary: dict[str, Any]) -> dict[str, int]:
    """Return how many tasks of each stage ran, without the stages in which none did."""
    return {stage["label"]: stage["ran"] for stage in summary["stages"] if stage["ran"]}


def wait_for(condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> Any:
    """Return the condition's value as soon as there is one; fail when the deadline has passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:g} s")


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "error", "COLUMNS": "200", **more}
