"""Times whole processes in turn, and tells how two of them compare.

The machine is shared and noisy, so nothing is timed alone: ours and the alternative run A B A B, each pair gives one
ratio, and the median of those is what is said.

Notes:
    A process that is started counts its parent's peak memory as its own until it has loaded its program (Linux), so
    whoever measures must stay small: ``python -m benchmarks`` imports neither Polars nor the engine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
LEVADA = str(Path(sys.executable).with_name("levada"))


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that has ended: seconds by the clock and of the cores, peak MB of its largest process, what it printed."""

    seconds: float
    core_seconds: float
    megabytes: float
    output: str

    def told(self) -> Any:
        """Return the JSON of the last line that it printed."""
        return json.loads(self.output.strip().splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: the medians of both sides, the median of the pairs' ratios, what it should be at most.

    ``spread`` has the smallest and the largest ratio: how far the machine's noise goes.
    """

    name: str
    ours: str
    alternative: str
    ratio: float | None
    aim: float | None
    spread: tuple[float, float] | None = None


def run(command: Sequence[str], *, folder: Path = ROOT, environment: dict[str, str] | None = None) -> Measured:
    """Run a command to its end. Raises ``RuntimeError`` with what it said when it fails."""
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output[-3000:]}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def in_turn(ours: Callable[[], _A], alternative: Callable[[], _B], rounds: int) -> list[tuple[_A, _B]]:
    """Return what both gave, ``rounds`` times, one after the other."""
    return [(ours(), alternative()) for _ in range(rounds)]


def compare(name: str, pairs: Sequence[tuple[float, float]], unit: str, aim: float | None) -> Row:
    """Return the line for pairs of numbers, of which less is better."""
    ours, others = zip(*pairs, strict=True)
    ratios = [one / other for one, other in pairs]
    spread = (min(ratios), max(ratios))
    return Row(name, _shown(ours, unit), _shown(others, unit), statistics.median(ratios), aim, spread)


def count(name: str, ours: float, alternative: float, unit: str, aim: float | None) -> Row:
    """Return the line for two counts: numbers that do not vary."""
    return Row(name, f"{ours:,g} {unit}", f"{alternative:,g} {unit}", ours / alternative, aim)


def _shown(values: Sequence[float], unit: str) -> str:
    middle = statistics.median(values)
    return f"{middle:,.0f} {unit}" if middle >= 100 else f"{middle:.3g} {unit}"
