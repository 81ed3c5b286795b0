"""The rows of a view by part, with what is doubtful about the parts.

In: a compiled pipeline and the outcomes of its tasks. Out: a ``Segregation``, which gives a ``Split`` for each part: rows
that are read from the store when they are asked for, and the warnings that go with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import polars as pl

from engine.compile import Compiled
from engine.errors import unknown
from engine.execute import Execution
from engine.plugin import PART, PARTS, Finding
from engine.stores.artifacts import Artifact, ArtifactStore

_SHOWN = 5  # rows that a notebook shows


@dataclass(frozen=True, slots=True, repr=False)
class Split:
    """The rows of one part of a view, in the order of the view, and the warnings that go with them.

    ``rows`` is a LazyFrame over files of the store: nothing is read until it is collected, and what is selected and filtered
    is pushed down into the files. It has the columns of the view, but for the target where labels are not wanted.
    ``count`` is the number of its rows. ``warnings`` are about this part, and about the split as a whole.
    """

    part: str
    rows: pl.LazyFrame
    count: int
    warnings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"<Split {self.part}: {self.count:,} rows, {len(self.warnings)} warnings>"

    def _repr_html_(self) -> str:
        shown = self.rows.head(_SHOWN).collect()._repr_html_()
        return f"<p><b>{escape(self.part)}</b>, {self.count:,} rows</p>{_as_list(self.warnings)}{shown}"


@dataclass(frozen=True, slots=True, repr=False)
class Segregation:
    """How the rows of a view are divided.

    ``parts`` is plain data, an entry for each of train, validation and test: ``part``, ``rows``, ``share``, and where the view
    has a time ``from`` and ``to``, where there are classes ``classes`` with their rows. ``warnings`` are all there are, the
    severest first.
    """

    pipeline: str
    target: str | None
    parts: Sequence[Mapping[str, Any]]
    warnings: tuple[Finding, ...]
    _store: ArtifactStore = field(compare=False)
    _pieces: tuple[tuple[Artifact, Artifact], ...] = field(compare=False)

    @classmethod
    def of(cls, compiled: Compiled, execution: Execution, store: ArtifactStore) -> Segregation:
        """Return what tasks came to. Raises their first failure where there are no parts for it."""
        ended = {key: execution.artifact(key) for key in (*compiled.view, *compiled.parts, compiled.segregation)}
        judged = execution.artifact(compiled.judgement)
        if judged is None or not all(ended.values()):
            for _, error in execution.failures():
                raise error
        there = {key: artifact for key, artifact in ended.items() if artifact is not None}
        assert judged is not None, "what has no result has failed, or waited for what has"
        return cls(
            compiled.spec.name,
            compiled.spec.problem.target,
            there[compiled.segregation].data()["split"],
            tuple(Finding(**node) for node in judged.data()["warnings"]),
            store,
            tuple((there[view], there[parts]) for view, parts in zip(compiled.view, compiled.parts, strict=True)),
        )

    def split(self, part: str, *, labels: bool = True) -> Split:
        """Return the rows of ``train``, ``validation`` or ``test``, without the target unless ``labels`` are wanted.

        A part that has no share has no rows. Raises ``UnknownName`` for another word; ``Corrupt`` or ``HostError`` when files
        of the store are not what was written, or gone.
        """
        if part not in PARTS:
            raise unknown("part", part, PARTS)
        frames = [
            pl.concat([self._store.scan(view), self._store.scan(parts)], how="horizontal").filter(pl.col(PART) == part)
            for view, parts in self._pieces
        ]
        rows = pl.concat(frames, how="vertical").drop(PART)
        if not labels and self.target is not None:
            rows = rows.drop(self.target)
        count = next(entry["rows"] for entry in self.parts if entry["part"] == part)
        return Split(part, rows, count, tuple(one for one in self.warnings if one.numbers.get("part", part) == part))

    def __repr__(self) -> str:
        told = ", ".join(f"{entry['part']} {entry['rows']:,}" for entry in self.parts)
        return f"<Segregation of {self.pipeline}: {told}; {len(self.warnings)} warnings>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(entry['part'])}</td><td style='text-align:right'>{entry['rows']:,}</td>"
            f"<td style='text-align:right'>{entry['share']:.1%}</td></tr>"
            for entry in self.parts
        )
        head = f"<caption>{escape(self.pipeline)}</caption><tr><th>part</th><th>rows</th><th>share</th></tr>"
        return f"<table>{head}{rows}</table>{_as_list(self.warnings)}"


def _as_list(warnings: Iterable[Finding]) -> str:
    items = "".join(
        f"<li><b>{escape(one.severity)}</b> {escape(one.message)} <code>{escape(one.code)}</code><br>{escape(one.advice)}</li>"
        for one in warnings
    )
    return f"<ul>{items}</ul>" if items else ""
