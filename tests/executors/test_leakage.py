"""Nothing that is fitted has seen a row outside of training: not in any step, split, trial of a sweep, or executor.

Values and labels of the rows outside of training are exchanged for wild ones, and all that was learned must be the same to
the last byte. It covers whatever is registered: a fitted step of your own is in ``STEPS`` of ``test_merges.py``, a selector
in ``EXAMPLES`` of ``test_conformance.py``, a splitter is found by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.config.spec import PipelineSpec
from engine.config.specify import specify
from engine.plugin import PART, FittedTransformer, Roles
from engine.registry import build, find, names
from engine.runs import Run
from engine.trials import Trial, run_sweep
from tests.executors import whole
from tests.plugins.test_conformance import EXAMPLES
from tests.plugins.test_merges import STEPS

Node = dict[str, Any]

SIZE, CUT = 80, 40
ROWS = pl.DataFrame(
    {
        "id": range(SIZE),
        "at": [datetime(2013, 1, 1) + timedelta(hours=n * 37 % SIZE) for n in range(SIZE)],  # noqa: DTZ001  without a zone
        "herd": [f"herd {n * 7 % 5}" for n in range(SIZE)],
        "x": [None if n % 9 == 0 else n * 37 % 101 / 8 for n in range(SIZE)],
        "y": [None if n % 7 == 0 else n * 53 % 97 / 8 for n in range(SIZE)],
        "k": [n * 29 % 83 for n in range(SIZE)],
        "t": ["red", "green", "blue", "red and blue", "grey"] * (SIZE // 5),
        "f": [n % 3 == 0 for n in range(SIZE)],
        "kind": ["a" if (n * 37 % 101 > 50) != (n % 11 == 0) else "b" for n in range(SIZE)],
    }
)
WILD = {
    "x": pl.when(pl.col("id") % 2 == 0).then(1e9 + pl.col("id")),  # missing in every other row
    "y": 1e6 - pl.col("y").fill_null(0) * 1000,
    "k": pl.col("k") + 10**12,
    "t": pl.format("planted {}", "id"),
    "f": ~pl.col("f"),
    "kind": pl.when(pl.col("kind") == "a").then(pl.lit("b")).otherwise(pl.lit("planted")),
}
"""What rows are given that nobody may learn from: values beyond all others, levels and a class that are nowhere else."""

ROLES = Roles("classification", "kind", ("id",), "at")
VARIANTS: dict[str, list[Node]] = {
    "random": [{}, {"seed": 1}],
    "stratified": [{}, {"by": "herd"}],  # by the target, labels decide the parts: they alone can not be changed then
    "stratified_k_fold": [{"by": "herd"}],
    "group": [{"columns": ["herd"], "seed": 1}],
    "group_k_fold": [{"columns": ["herd"]}],
    "predefined": [{"column": "herd", "train": ["herd 0", "herd 1", "herd 2"], "validation": ["herd 3"], "test": ["herd 4"]}],
}
SPLITS = {
    f"{name}-{number}" if number else name: {"use": name, **more}
    for name in names("splitter")
    for number, more in enumerate(VARIANTS.get(name, [{}]))
}

FEW: list[Node] = [
    {"use": "impute", "columns": ["y"], "with": "median"},
    {"use": "target_encode", "columns": ["t1"], "fold_by": ["x", "y", "k"]},
    {"use": "one_hot", "columns": ["t2"]},
    {"use": "standardize", "columns": ["x"]},
    {"use": "select", "by": "f_test", "keep": 5},
]


def every_step() -> list[Node]:
    """Return every fitted step and every selector, each with columns of its own."""
    nodes = [{"use": step.use, **step.parameters} for step in STEPS if step.use != "select"]
    nodes += [{"use": "select", "by": by, "keep": 1, "columns": ["x", "y", "f"]} for by in EXAMPLES["selector"]]
    for number, node in enumerate(nodes, 1):
        if "column" in node:
            node["column"] += str(number)
        else:
            node["columns"] = [f"{name}{number}" for name in node.get("columns", ["x", "y"])]
    return nodes


def columns_of(node: Node) -> list[str]:
    return [node["column"]] if "column" in node else node.get("columns", [])


def planted(split: str) -> pl.DataFrame:
    """Return the rows with all changed that a split leaves out of training, but for what the splitter looks at."""
    splitter = build("splitter", SPLITS[split])
    other = ROWS.select(~splitter.assign(ROLES).eq_missing(pl.lit("train"))).to_series()
    return changed(other, keep=splitter.needs(ROLES))


def changed(which: pl.Series, keep: Sequence[str] = ()) -> pl.DataFrame:
    wild = {name: value for name, value in WILD.items() if name not in keep}
    return ROWS.with_columns(pl.when(which).then(value).otherwise(name).alias(name) for name, value in wild.items())


@dataclass(frozen=True)
class Pipelines:
    """A folder with the rows as they are and as they were changed, in two partitions each, and pipelines over them."""

    folder: Path
    executor: Mapping[str, Any]

    @classmethod
    def create(cls, folder: Path, **executor: Any) -> Pipelines:
        found = {"as found": ROWS, "all changed": changed(pl.Series([True] * SIZE)), **{name: planted(name) for name in SPLITS}}
        for name, rows in found.items():
            (folder / name).mkdir()
            rows[:CUT].write_parquet(folder / name / "0.parquet")
            rows[CUT:].write_parquet(folder / name / "1.parquet")
        whole.write(folder / WHOLE[1], [whole.READINGS[start : start + 24] for start in range(0, whole.SIZE, 24)])
        return cls(folder, executor)

    def spec(self, split: str, data: str, encode: Sequence[Node], store: str) -> PipelineSpec:
        copies = {name: name[0] for node in encode for name in columns_of(node) if name not in ROWS.columns}
        source = {"use": "parquet", "path": str(self.folder / data / "*.parquet")}
        return specify(
            {
                "name": "planted",
                "problem": {"task": "classification", "target": "kind", "features": ["x", "y", "k", *copies]},
                "datasets": {"rows": {"extract": source, "key": ["id"], "time": "at"}},
                "view": {"from": "rows", "features": [{"use": "derive", **copies}]},
                "encode": encode,
                "splitter": SPLITS[split],
                "model": "sklearn.DecisionTreeClassifier",
                "metrics": ["accuracy"],
                "executor": self.executor,
                "store": {"root": str(self.folder / store)},
            }
        )

    def sweep(self, asked: Sequence[tuple[str, str]], encode: Sequence[Node], store: str = "store") -> Proof:
        """Run a trial for each split and data, and the pipeline that has it all if asked, in one sweep."""
        more = {"executor": self.executor, "store": {"root": str(self.folder / store)}}
        specs = [
            whole.spec(self.folder / WHOLE[1], **more) if one == WHOLE else self.spec(*one, encode, store) for one in asked
        ]
        trials = [Trial(number, one, spec) for number, (one, spec) in enumerate(zip(asked, specs, strict=True))]
        sweep = run_sweep(trials, final=False)
        for error in sweep.errors.values():
            raise error
        return Proof({one: sweep.runs[number] for number, one in enumerate(asked)})


@dataclass(frozen=True)
class Proof:
    """The runs of a sweep, by split and data."""

    runs: Mapping[tuple[str, str], Run]

    def learned(self, split: str, data: str) -> dict[tuple[str, int], str]:
        """Return the digests of all summaries and states of a trial, and of its model."""
        return self._digests(split, data, "summarize", "merge", "estimate")

    def everything(self) -> dict[tuple[str, str], dict[tuple[str, int], str]]:
        """Return the digests of all results of all trials."""
        stages = ("transform", "segregate", "assign", "summarize", "merge", "encode", "estimate", "evaluate")
        return {one: self._digests(*one, *stages) for one in self.runs}

    def encoded(self, split: str, data: str) -> pl.DataFrame:
        """Return the encoded rows of a trial."""
        run = self.runs[split, data]
        return pl.concat(run.store.scan(self._result(run, key)) for key in run.compiled.encoded).collect()

    def _digests(self, split: str, data: str, *functions: str) -> dict[tuple[str, int], str]:
        run = self.runs[split, data]
        return {
            (task.label, task.index): self._result(run, key).digest
            for key, task in run.compiled.graph.items()
            if task.function in functions
        }

    def _result(self, run: Run, key: str) -> Any:
        found = run.execution.artifact(key)
        assert found is not None
        return found


WHOLE = ("chronological", "whole")
ASKED = [WHOLE, *((split, data) for split in SPLITS for data in ("as found", split))]


@pytest.fixture(scope="module")
def on_threads(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return Pipelines.create(tmp_path_factory.mktemp("threads")).sweep([*ASKED, ("random", "all changed")], FEW)


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_learned_does_not_depend_on_rows_outside_of_training(on_threads: Proof, split: str) -> None:
    assert on_threads.learned(split, "as found") == on_threads.learned(split, split)
    before, after = (on_threads.encoded(split, data) for data in ("as found", split))
    assert before[PART].equals(after[PART])
    trained = before[PART] == "train"
    assert_frame_equal(before.filter(trained), after.filter(trained), check_exact=True)
    assert not before.filter(~trained).equals(after.filter(~trained))  # they were other rows indeed


def test_trials_of_a_sweep_learn_each_from_its_own_training_rows(on_threads: Proof, tmp_path: Path) -> None:
    alone = Pipelines.create(tmp_path)
    for split in ("random", "random-1"):
        found = alone.sweep([(split, "as found")], FEW, store=split)
        assert found.learned(split, "as found") == on_threads.learned(split, "as found")
    learned = [tuple(on_threads.learned(split, "as found").values()) for split in SPLITS]
    assert len(set(learned)) == len(SPLITS)


def test_what_is_learned_shows_what_is_planted_in_training_rows(on_threads: Proof) -> None:
    before, after = (on_threads.learned("random", data) for data in ("as found", "all changed"))
    assert before.keys() == after.keys()
    assert [place for place, digest in before.items() if digest == after[place]] == []


def test_no_step_and_no_selector_learns_from_rows_outside_of_training(tmp_path: Path) -> None:
    encode = every_step()
    assert {name for name in names("transformer") if issubclass(find("transformer", name), FittedTransformer)} == {
        node["use"] for node in encode
    }
    assert set(names("selector")) == {node["by"]["use"] for node in encode if node["use"] == "select"}
    found = Pipelines.create(tmp_path).sweep([("random", data) for data in ("as found", "random", "all changed")], encode)
    before, after, shown = (found.learned("random", data) for data in ("as found", "random", "all changed"))
    assert before == after
    blind = {f"encode.{number}_{node['use']}" for number, node in enumerate(encode, 1) if is_blind(node)}
    assert {label for label, index in before if before[label, index] == shown[label, index]} == blind


def is_blind(node: Node) -> bool:
    """Say whether a step learns the names of columns alone, so that nothing in a row could show in what it learned."""
    return node["use"] == "hash_categories" or isinstance(node.get("with"), dict)


SOME = ("group_k_fold",)


@pytest.mark.parametrize("executor", ["local_cluster", pytest.param("cluster", marks=pytest.mark.service)])
@pytest.mark.parametrize("splits", [SOME, pytest.param(tuple(SPLITS), marks=pytest.mark.soak)], ids=["some", "all"])
def test_executors_come_to_the_same_bytes_and_learn_nothing_from_rows_outside_of_training(
    executor: str, splits: tuple[str, ...], on_threads: Proof, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    more = {"address": request.getfixturevalue("cluster").address} if executor == "cluster" else {}
    asked = [WHOLE, *((split, data) for split in splits for data in ("as found", split))]
    found = Pipelines.create(tmp_path, kind=executor, **more).sweep(asked, FEW)
    for split in splits:
        assert found.learned(split, "as found") == found.learned(split, split)
    there = on_threads.everything()
    assert found.everything() == {one: there[one] for one in asked}
