"""A preparation of so many steps, partitions and columns, by Levada or by hand in Polars.

    python -m benchmarks.scripts.scaled WHO FOLDER STEPS PARTITIONS COLUMNS ROWS

WHO is ``levada`` or ``polars``. The rows, of numbers, are made in FOLDER where they are not there yet. They are ingested once,
by hand copied file by file, a file a core. Then they are prepared a few times, each time with other numbers in the steps, so
that nothing is known before. Prints, as JSON, the fewest seconds of preparing, from the text of the pipeline to files, by the
clock and of the cores, and those files.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from engine.config.spec import PipelineSpec

TIMES = 4


def main(who: str, folder: str, steps: int, partitions: int, columns: int, rows: int) -> dict[str, object]:
    """Run and return what is to be told."""
    root = Path(folder)
    source = data(root, partitions, columns, rows)
    work = root / who
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    return (_levada if who == "levada" else _by_hand)(source, work, steps)


def data(root: Path, partitions: int, columns: int, rows: int) -> Path:
    """Return the folder of the files, made where it is not there."""
    folder = root / f"data-{partitions}-{columns}-{rows}"
    if not folder.is_dir():
        unfinished = folder.with_suffix(".unfinished")
        unfinished.mkdir(parents=True)
        for part in range(partitions):
            number = pl.int_range(rows * part // partitions, rows * (part + 1) // partitions, eager=True)
            frame = number.to_frame("row").select(
                "row", *(((pl.col("row") * (37 + at)) % 1009 / 8).alias(f"c{at}") for at in range(columns - 1))
            )
            frame.write_parquet(unfinished / f"part-{part:04d}.parquet")
        unfinished.rename(folder)
    return folder


def _levada(source: Path, work: Path, steps: int) -> dict[str, object]:
    from benchmarks.scripts.levada_upto import up_to
    from engine.config.compose import load
    from engine.intake import ingest_pipeline

    (work / "conf" / "pipeline").mkdir(parents=True)

    def specified(turn: int) -> PipelineSpec:
        (work / "conf" / "pipeline" / f"turn_{turn}.yaml").write_text(_pipeline(source, steps, turn), encoding="utf-8")
        return load([f"pipeline=turn_{turn}", f"store.root={work}/store"], str(work / "conf"))

    ingest_pipeline(specified(0)).raise_failure()
    return _timed(lambda turn: list(up_to(specified(turn), "view")["files"]))


def _timed(run: Callable[[int], list[str]]) -> dict[str, object]:
    """Return what the turns took, and the files of the last."""
    clock, cores = [], []
    for turn in range(TIMES):
        started, before = time.perf_counter(), time.process_time()
        files = run(turn)
        clock.append(time.perf_counter() - started)
        cores.append(time.process_time() - before)
    return {"seconds": min(clock), "core_seconds": min(cores), "files": files}


def _pipeline(source: Path, steps: int, turn: int) -> str:
    prepare = "".join(f'      - {{use: derive, c0: "{expression}"}}\n' for expression in _steps(steps, turn))
    return f"""# @package _global_
defaults:
  - override /splitter: random
  - override /model: dummy_regressor
problem: {{task: regression, target: row, metric: rmse}}
datasets:
  numbers:
    extract: {{use: parquet, path: "{source}/*.parquet"}}
    mode: append
    key: [row]
    prepare:
{prepare}view: {{from: numbers}}
"""


def _by_hand(source: Path, work: Path, steps: int) -> dict[str, object]:
    raw = work / "raw"
    raw.mkdir()
    files = sorted(source.glob("*.parquet"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda file: pl.scan_parquet(file).sink_parquet(raw / file.name), files))

        def run(turn: int) -> list[str]:
            out = work / f"turn-{turn}"
            out.mkdir()

            def prepare(file: Path) -> str:
                frame = pl.scan_parquet(raw / file.name)
                for factor, addend in _numbers(steps, turn):
                    frame = frame.with_columns(c0=pl.col("c0") * factor + pl.col("c1") + addend)
                frame.sink_parquet(out / file.name)
                return str(out / file.name)

            return list(pool.map(prepare, files))

        return _timed(run)


def _steps(steps: int, turn: int) -> Sequence[str]:
    return [f"c0 * {factor} + c1 + {addend}" for factor, addend in _numbers(steps, turn)]


def _numbers(steps: int, turn: int) -> list[tuple[float, int]]:
    return [(0.5, step + 100 * turn) for step in range(steps)]


if __name__ == "__main__":
    who, folder, *sizes = sys.argv[1:]
    print(json.dumps(main(who, folder, *map(int, sizes))))
