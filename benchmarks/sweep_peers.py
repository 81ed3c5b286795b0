"""A sweep of twenty models over the flights: against its own parts, GridSearchCV, Hydra's basic launcher, and itself.

From plain CSV files and an empty store to twenty rated models: preparation, joins, features, a chronological split, 97 columns,
fits, and seven metrics on validation rows. Four questions:

- *Its parts*: the whole process against the preparation alone, in a process of its own, and the sum of the fits and of their
  measurements divided by the cores. Those are the times that the sweep itself reports, while fits run side by side.
- *Peers*: scikit-learn's `GridSearchCV` over one pipeline with a `ColumnTransformer`, the same candidates and split, a process
  a core, the features made once in Polars before; with and without the pipeline's `memory`, the quicker counts. And a plain
  Hydra app under Hydra's basic launcher, whose every job prepares and fits. Levada also keeps raw rows, features, models,
  predictions, intervals and a report; the others keep nothing.
- *A repeated sweep with one model added*: nineteen were there. The whole process, imports included, against that one fit
  and its measurement, and a second.
- *Memory*: the peak of a sweep of cheap linear models, two fits at once against one at a time, and six models against two. The
  matrix of the training rows is there once; what grows is what a fit makes of it.

The look at the best trial on test rows is left out, as the peers have none. That all sides came to the same is checked: metrics
to 0.001; those of trees, which draw columns, whose order differs, to 0.03, without the ones that cut at a half or have no
bounds.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import Any

from benchmarks.candidates import CANDIDATES, write
from benchmarks.data import flights_10m
from benchmarks.timing import LEVADA, PYTHON, ROOT, Measured, Row, compare, in_turn, run

ROUNDS = 2
CORES = cpu_count() or 1
ADDED = "forest_12"
LINEAR = ("linear", "linear_weak", "linear_weaker", "naive", "naive_smooth", "dummy")
_DRAWN = ("tree", "forest", "extra")
_CUT = ("f1", "recall", "balanced_accuracy", "log_loss")


def measure() -> list[Row]:
    """Return the lines of the table."""
    with tempfile.TemporaryDirectory(prefix="levada-sweep-") as folder:
        sides = Sides(Path(folder), flights_10m(1))
        names = list(CANDIDATES)
        return [*_parts(sides, names), *_peers(sides, names), *_added(sides, names), *_memory(sides)]


@dataclass(frozen=True, slots=True)
class Sides:
    """Each side's way to sweep over some candidates, in folders below one."""

    folder: Path
    data: Path

    def levada(self, names: Sequence[str], *more: str, fresh: bool = True) -> Measured:
        """Sweep with Levada, from an empty store if ``fresh``."""
        conf = self.folder / "conf"
        write(conf, list(names), key="use", prefix="sklearn.")
        shutil.copytree(ROOT / "benchmarks" / "conf" / "pipeline", conf / "pipeline", dirs_exist_ok=True)
        for name in ("store", "output") if fresh else ("output",):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        sweep = [LEVADA, "-m", "--config-dir", str(conf), "pipeline=flights_matrix", f"data={self.data}"]
        kept = [f"store.root={self.folder}/store", f"hydra.sweep.dir={self.folder}/output"]
        rounds = ["hydra.sweeper.max_batch_size=100", "hydra.launcher.baseline=false"]
        return run([*sweep, *kept, *rounds, "model=" + ",".join(names), *more])

    def summary(self) -> dict[str, Any]:
        """Return what the last sweep with Levada came to."""
        found: dict[str, Any] = json.loads((self.folder / "output" / "summary.json").read_text("utf-8"))
        return found

    def preparation(self) -> Measured:
        """Prepare with Levada, from an empty store to the encoded rows, and do no more."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        script = [PYTHON, "-m", "benchmarks.scripts.levada_upto", str(self.data), f"{self.folder}/store"]
        return run([*script, "flights_matrix", "encoded"])

    def grid(self, names: Sequence[str], way: str) -> Measured:
        """Sweep with ``GridSearchCV``."""
        shutil.rmtree(self.folder / "memory", ignore_errors=True)
        script = [PYTHON, "-m", "benchmarks.scripts.sweep_grid", str(self.data), f"{self.folder}/memory"]
        return run([*script, way, ",".join(names)])

    def hydra(self, names: Sequence[str]) -> Measured:
        """Sweep with a plain Hydra app."""
        conf = self.folder / "plain"
        write(conf, list(names), key="_target_", prefix="sklearn.")
        (conf / "app.yaml").write_text(f"defaults: [_self_, model: {names[0]}]\ndata: {self.data}\n", encoding="utf-8")
        script = [PYTHON, "-m", "benchmarks.scripts.sweep_hydra", "-m", "--config-dir", str(conf)]
        return run([*script, "model=" + ",".join(names), f"hydra.sweep.dir={self.folder}/jobs"])


def _parts(sides: Sides, names: Sequence[str]) -> list[Row]:
    pairs = []
    for _ in range(ROUNDS):
        whole = sides.levada(names)
        fits = sum(trial["fit_seconds"] + trial["predict_seconds"] for trial in sides.summary()["trials"])
        pairs.append((whole.seconds, sides.preparation().seconds + fits / CORES))
    return [compare(f"sweep of {len(names)} models, against preparation + sum of fits / cores", pairs, "s", 1.15)]


def _peers(sides: Sides, names: Sequence[str]) -> list[Row]:
    tried = {way: sides.grid(names, way).seconds for way in ("cached", "plain")}
    print("GridSearchCV: " + ", ".join(f"{way} {seconds:.1f} s" for way, seconds in tried.items()), flush=True)
    way = min(tried, key=lambda way: tried[way])
    grid = in_turn(lambda: sides.levada(names), lambda: sides.grid(names, way), ROUNDS)
    ours = sides.summary()
    _agree(ours, grid[-1][1].told())
    plain = in_turn(lambda: sides.levada(names), lambda: sides.hydra(names), 1)
    _agree(ours, dict(json.loads(line) for line in plain[-1][1].output.splitlines() if line.startswith('["')))
    return [
        compare(f"the same, GridSearchCV, {way}", [(one.seconds, two.seconds) for one, two in grid], "s", 1.0),
        compare("the same, seconds of the cores", [(one.core_seconds, two.core_seconds) for one, two in grid], "s", None),
        compare("the same, Hydra's basic launcher", [(one.seconds, two.seconds) for one, two in plain], "s", 1 / 3),
        compare("the same, seconds of the cores", [(one.core_seconds, two.core_seconds) for one, two in plain], "s", None),
    ]


def _added(sides: Sides, names: Sequence[str]) -> list[Row]:
    whole, execution = [], []
    for _ in range(ROUNDS):
        sides.levada([name for name in names if name != ADDED])
        again = sides.levada(names, fresh=False)
        summary = sides.summary()
        new = [trial for trial in summary["trials"] if trial["fit_seconds"] is not None]
        assert [trial["overrides"][-1] for trial in new] == [f"model={ADDED}"], "only the new model is fitted"
        fit = new[0]["fit_seconds"] + new[0]["predict_seconds"]
        whole.append((again.seconds, fit + 1))
        execution.append((summary["seconds"], fit + 1))
    return [
        compare("the same sweep with one model added, against its fit + 1 s", whole, "s", 1.1),
        compare("the same, without the start of the process", execution, "s", 1.1),
    ]


def _memory(sides: Sides) -> list[Row]:
    alone = "executor.workers=1"
    side_by_side = in_turn(lambda: sides.levada(LINEAR), lambda: sides.levada(LINEAR, alone), 1)
    more = in_turn(lambda: sides.levada(LINEAR), lambda: sides.levada(LINEAR[:2]), 1)
    return [
        compare(
            "peak memory, two fits at once against one",
            [(one.megabytes, two.megabytes) for one, two in side_by_side],
            "MB",
            None,
        ),
        compare("peak memory, six models against two", [(one.megabytes, two.megabytes) for one, two in more], "MB", None),
    ]


def _agree(summary: dict[str, Any], theirs: dict[str, dict[str, float]]) -> None:
    """Raise unless each trial has the metrics that the alternative has."""
    for trial in summary["trials"]:
        name = next(given.partition("=")[2] for given in trial["overrides"] if given.startswith("model="))
        drawn = name.startswith(_DRAWN)
        for metric, value in theirs[name].items():
            ours, same = trial["metrics"].get(metric), 0.03 if drawn else 0.001
            if not (drawn and metric in _CUT) and (ours is None or abs(ours - value) > same * max(1.0, abs(value))):
                raise RuntimeError(f"{metric} of {name}: ours is {ours}, the alternative's {value}")
    print(f"the same metrics in all {len(theirs)} trials", flush=True)
