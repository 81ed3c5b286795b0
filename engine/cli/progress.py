"""Shows how a run goes: a bar a stage where there is a terminal, else nothing until it is over."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from engine.execute import Outcome, Watcher
from engine.graph import Graph, Task


class Progress(Watcher):
    """Draws bars on standard error while its context lasts, with rows and rows a second."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rows]:>22}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._stages: dict[str, TaskID] = {}
        self._rows: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def begin(self, graph: Graph) -> None:
        """Draw an empty bar for each stage."""
        for label, tasks in graph.stages().items():
            if label in self._stages:
                self._bars.update(self._stages[label], total=len(tasks), completed=0)
            else:
                self._stages[label] = self._bars.add_task(label, total=len(tasks), rows="")

    def ended(self, task: Task, outcome: Outcome) -> None:
        """Move a stage's bar on."""
        rows = (outcome.artifact.rows or 0) if outcome.artifact is not None else 0
        self._rows[task.label] = self._rows.get(task.label, 0) + rows
        self._seconds[task.label] = self._seconds.get(task.label, 0.0) + outcome.seconds
        text = f"{self._rows[task.label]:,} rows"
        if outcome.status == "ran" and rows and self._seconds[task.label] > 0:
            text += f" {self._rows[task.label] / self._seconds[task.label] / 1e6:.1f} M/s"
        self._bars.update(self._stages[task.label], advance=1, rows=text)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False)
