"""Measures what another bundle predicts of the rows that a run was measured on, so that two are compared on the same ones.

In: a run, and a version of a bundle. Out: the other's metrics, and in words which rows they are of. Where the other was
measured on the very same rows before, that is what it came to; else it predicts them now.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import polars as pl

from engine.bundles import NUMBER, Bundle, Manifest
from engine.bundling import Registered
from engine.compile import Compiled, Content
from engine.errors import LevadaError
from engine.execute import Execution
from engine.gates import Metrics
from engine.plugin import PART
from engine.registry import name_of
from engine.segregation import Segregation
from engine.stages.evaluate import score
from engine.stages.transform import conform
from engine.stores.artifacts import Artifact, ArtifactStore


class Apart(Exception):
    """Why a bundle can not be measured on the rows of a run."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a version came to, and ``rows``: which rows that is of."""

    metrics: Metrics
    rows: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that ended well: what it was asked and came to, and the contents of its datasets."""

    compiled: Compiled
    execution: Execution
    contents: Mapping[str, Content]
    manifest: Manifest
    files: ArtifactStore
    summary: Mapping[str, Any]

    def measure(self, other: Registered, part: str, asked: AbstractSet[str]) -> Measured:
        """Return the metrics of another version by these names, on this run's rows of a part wherever that is possible."""
        rows = self.summary["divided"]
        for run in other.runs:
            known = run.summary["metrics"].get(part, {})
            if rows is not None and run.summary.get("divided") == rows and asked <= set(known):
                return Measured(known, f"measured on the same {part} rows before")
        try:
            found = self._now(other.bundle(self.files), part, asked)
        except (Apart, LevadaError, pl.exceptions.PolarsError) as error:
            known = other.runs[0].summary["metrics"].get(part, {})
            return Measured(known, f"measured on the {part} rows of its own run, for it can not predict these: {_first(error)}")
        return found

    def _now(self, other: Bundle, part: str, asked: AbstractSet[str]) -> Measured:
        """Let another bundle predict the rows of a part."""
        problem, spec = other.manifest.problem, self.compiled.spec
        if (problem["task"], problem["target"]) != (spec.problem.task, spec.problem.target):
            raise Apart("it answers another question")
        own = Segregation.of(self.compiled, self.execution, self.files).split(part).rows.collect()
        if other.manifest.steps == self.manifest.steps:
            features, prediction = other.answer(own)
        else:
            features, prediction = other.answer(self._as_prepared_by(other, own, part))
        truth = None
        if spec.problem.target is not None:
            truth = own[spec.problem.target].cast(pl.Float64 if spec.problem.task == "regression" else pl.String)
        found = {
            name: score(metric, truth, prediction, features)
            for metric in spec.metrics
            if (name := name_of(type(metric))) in asked
        }
        return Measured(found, f"measured now on the same {own.height:,} {part} rows")

    def _as_prepared_by(self, other: Bundle, own: pl.DataFrame, part: str) -> pl.DataFrame:
        """Return the rows of a part as another bundle's steps make them of the raw rows, in the order of one's own.

        The raw row that a row of the view comes from is found by making the view once more, with numbers riding along.
        """
        content = self.contents[self.manifest.dataset]
        raw = conform(self.files.raw, [one.rows for one in content.parts if one.rows is not None], content.columns).collect()
        numbered = Bundle("", self.manifest, self.files).view(raw)
        parts = pl.concat([self.files.scan(one) for one in self._parts()]).collect()[PART]
        if numbered.height != len(parts):
            raise Apart("which raw rows they come from is not known")
        numbers = numbered[NUMBER].filter(parts == part)
        if not numbered.drop(NUMBER).filter(parts == part).equals(own):
            raise Apart("which raw rows they come from is not known")
        theirs = other.view(raw)
        if theirs[NUMBER].is_duplicated().any():
            raise Apart("its preparation makes several rows of one")
        ordered = numbers.to_frame().join(theirs, on=NUMBER, how="inner", maintain_order="left")
        if ordered.height != len(numbers):
            raise Apart(f"its preparation leaves out {len(numbers) - ordered.height:,} of them")
        return ordered

    def _parts(self) -> list[Artifact]:
        return [one for key in self.compiled.parts if (one := self.execution.artifact(key)) is not None]


def _first(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
