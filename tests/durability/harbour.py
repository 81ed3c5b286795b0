"""The project that is broken in every way: three datasets whose every row is known, and what must be true of its store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from engine.config.spec import PipelineSpec, Store
from engine.config.specify import specify
from engine.opened import opened
from engine.stores.batches import Batch, BatchPartition
from engine.upkeep import fsck

PIPELINE = """\
# @package _global_
defaults:
  - override /splitter: hash
  - override /model: gaussian_nb
problem: {task: classification, target: late, metric: accuracy}
datasets:
  trips:
    extract: {use: csv, path: "FOLDER/data/trips/*.csv"}
    mode: append
    key: [id]
    expect: [{use: not_null, columns: [cargo]}]
  ports:
    extract: {use: csv, path: "FOLDER/data/ports/*.csv"}
    mode: snapshot
  tides:
    extract: {use: csv, path: "FOLDER/data/tides/*.csv"}
    mode: append
view:
  from: trips
  features: [{use: derive, heavy: "cargo * 2"}]
encode: [{use: standardize, columns: numeric}]
metrics: [accuracy]
assess: false
executor: {kind: threads, workers: 2, retries: 0}
store: {root: store}
"""

FILES = {"trips": 3, "ports": 2, "tides": 2}
"""How many files each dataset has at first."""

ROWS = 12
"""Rows of a file; every sixth trip has no cargo and goes to quarantine."""


@dataclass(frozen=True)
class Harbour:
    """A folder with a pipeline, three datasets of CSV files and, once something was ingested, a store."""

    folder: Path
    place: str = "store"

    @classmethod
    def create(cls, folder: Path) -> Harbour:
        """Write the project's files; nothing is ingested yet."""
        harbour = cls(folder)
        for dataset, count in FILES.items():
            for number in range(count):
                harbour.add(dataset, number)
        (folder / "conf/pipeline").mkdir(parents=True)
        (folder / "conf/pipeline/harbour.yaml").write_text(PIPELINE.replace("FOLDER", str(folder)))
        return harbour

    def add(self, dataset: str, number: int) -> None:
        """Write a file of a dataset, complete from the first moment on; its ids follow from its number."""
        lines = ["id,cargo,late"]
        for one in self.ids(number):
            cargo = "" if dataset == "trips" and one % 6 == 0 else str(one % 7)
            lines.append(f"{one},{cargo},{'yes' if one % 3 else 'no'}")
        file = self.folder / "data" / dataset / f"{number:03d}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.write_text("\n".join(lines) + "\n")
        aside.replace(file)

    @staticmethod
    def ids(number: int) -> range:
        return range(1 + ROWS * number, 1 + ROWS * (number + 1))

    @property
    def root(self) -> Path:
        return self.folder / self.place

    @property
    def store(self) -> Store:
        return Store(root=str(self.root))

    def spec(self, *, retries: int = 0, dataset: str | None = None, pattern: str = "*.csv") -> PipelineSpec:
        """Return the pipeline without Hydra, whose composition would take most of a child's time; all datasets or one."""

        def of(name: str, mode: str, expect: list[object]) -> dict[str, object]:
            path = str(self.folder / "data" / name / pattern)
            return {"extract": {"use": "csv", "path": path}, "mode": mode, "key": ["id"], "expect": expect}

        datasets = {
            "trips": of("trips", "append", [{"use": "not_null", "columns": ["cargo"]}]),
            "ports": of("ports", "snapshot", []),
            "tides": of("tides", "append", []),
        }
        return specify(
            {
                "name": "harbour",
                "problem": {"task": "classification", "target": "late"},
                "datasets": datasets if dataset is None else {dataset: datasets[dataset]},
                "view": {"from": dataset or "trips", "features": [{"use": "derive", "heavy": "cargo * 2"}]},
                "encode": [{"use": "standardize", "columns": "numeric"}],
                "splitter": {"use": "hash"},
                "model": {"use": "sklearn.GaussianNB"},
                "executor": {"kind": "threads", "workers": 2, "retries": retries},
                "store": {"root": str(self.root)},
            }
        )

    def batches(self) -> list[Batch]:
        """Return the batches that are visible once the store has been opened, as the next process would."""
        with opened(self.store) as stores:
            return stores.catalog.batches()

    def problems(self, acknowledged: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]  # only looked at
        """Return in words what must not be, whenever a process ended: lost or half-visible batches, wrong events, bad files."""
        with opened(self.store) as stores:
            batches = stores.catalog.batches()
            events = Counter(event.payload["batch"] for _, event in stores.catalog.logged("batch.committed", 0, 100_000))
            waiting = stores.catalog.outbox()
        committed = {batch.id for batch in batches}
        found = [f"acknowledged and lost: {one}" for one in acknowledged - committed]
        found += [f"{one['problem']}: {one['path']} {one['found']}" for one in self.findings() if one["severity"] == "error"]
        found += [f"batch {batch.id} has {events[batch.id]} events" for batch in batches if events[batch.id] != 1]
        found += [f"an event of a batch that is not there: {one}" for one in events if one not in committed]
        found += [f"an event that waits for ever: {event.id}" for event in waiting]
        for dataset in {batch.dataset for batch in batches}:
            sequences = [batch.sequence for batch in batches if batch.dataset == dataset]
            if sequences != list(range(1, len(sequences) + 1)):
                found.append(f"{dataset} has the sequences {sequences}")
        if not found:
            found += [text for batch in batches for text in self._half(batch)]
        return found

    def findings(self) -> list[dict[str, str]]:
        """Return what fsck says."""
        found: list[dict[str, str]] = fsck(self.store)["findings"]
        return found

    def _half(self, batch: Batch) -> list[str]:
        """Return what is not whole of a batch: each file's rows are all there, loaded or set aside."""
        found = []
        if batch.dataset == "ports" and len(batch.partitions) + len(batch.carried) != FILES["ports"]:
            found.append(f"a snapshot of {len(batch.partitions)} files")
        for partition in batch.partitions:
            loaded, aside = self.rows(partition)
            wanted = list(self.ids(int(Path(partition.source).stem)))
            broken = [one for one in wanted if batch.dataset == "trips" and one % 6 == 0]
            if loaded != [one for one in wanted if one not in broken] or aside != broken:
                found.append(f"{partition.source} is there with the rows {loaded} and {aside}")
        return found

    def rows(self, partition: BatchPartition) -> tuple[list[int], list[int]]:
        """Return the ids that are loaded, and those in quarantine, as any tool would read them."""
        loaded = pl.read_parquet(self.root / partition.loaded.path)["id"].to_list()
        aside = pl.read_parquet(self.root / partition.aside.path)["id"].to_list() if partition.aside else []
        return loaded, aside

    def incomplete(self) -> list[str]:
        """Return in words what must not be once everything was ingested: each row there once, each file in one batch."""
        found = self.problems()
        if found:
            return found
        batches = self.batches()
        for dataset in FILES:
            files = sorted((self.folder / "data" / dataset).glob("*.csv"))
            own = [batch for batch in batches if batch.dataset == dataset]
            sources = Counter(partition.source for batch in own for partition in batch.partitions)
            if sources != Counter(map(str, files)):
                found.append(f"{dataset} has {dict(sources)} of {len(files)} files")
            ids = Counter(one for batch in own for part in batch.partitions for rows in self.rows(part) for one in rows)
            if ids != Counter(one for file in files for one in self.ids(int(file.stem))):
                found.append(f"{dataset} has other rows than its files")
        return found
