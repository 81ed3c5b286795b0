"""Says where each column of a view comes from: which raw columns must be read for it, and which steps made it.

In: a specification and the columns of its datasets. Out: a ``Derivation``. Nothing is read. Each step is applied to a frame
of no rows, and Polars' optimizer is asked which columns of it one column of the result needs: that is exact for what is
made of Polars' own expressions, and too much, never too little, for a step that hides its work in Python functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from polars.io.plugins import register_io_source

from engine.compile import used
from engine.config.spec import Join, PipelineSpec
from engine.registry import describe
from engine.schemas import Columns, columns_of, schema_of
from engine.stages.transform import join as joined
from engine.stores.features import FeatureColumn, Step

Raw = frozenset[tuple[str, str]]
"""Datasets and columns that were ingested."""

_CHOOSING = ("simple π", "PYTHON SCAN", "PROJECT", "SELECTION:", "FILTER", "FROM", "UNIQUE[", "SLICE", "SORT BY")
"""How the lines of a plan begin that only leaves out rows or columns. What begins otherwise counts as making values."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one column comes from: the raw columns, and the numbers of the steps that made or changed it."""

    raw: Raw = frozenset()
    steps: frozenset[int] = frozenset()

    def __or__(self, other: Trace) -> Trace:
        return Trace(self.raw | other.raw, self.steps | other.steps)


@dataclass(frozen=True, slots=True)
class Derivation:
    """The steps of a view in their order, its columns, and which steps, by which raw columns, choose its rows."""

    steps: tuple[Step, ...]
    columns: tuple[FeatureColumn, ...]
    row_steps: tuple[int, ...]
    row_columns: tuple[tuple[str, str], ...]


def steps_of(spec: PipelineSpec) -> tuple[Step, ...]:
    """Return the steps that a view is made by: what its datasets are prepared by, joins, features."""
    prepared = [
        Step(place=f"datasets.{name}.prepare.{number}", node=describe(step))
        for name in used(spec)
        for number, step in enumerate(spec.datasets[name].prepare)
    ]
    joins = [
        Step(place=f"view.join.{number}", node=join.model_dump(mode="json", by_alias=True))
        for number, join in enumerate(spec.view.join)
    ]
    features = [Step(place=f"view.features.{n}", node=describe(step)) for n, step in enumerate(spec.view.features)]
    return (*prepared, *joins, *features)


def derive(spec: PipelineSpec, columns: Mapping[str, Columns], schema: pl.Schema) -> Derivation:
    """Return where the columns of a view come from; ``columns`` are those that its datasets were ingested with.

    ``schema`` is the view's own. Where frames of no rows do not come to it, because a step decides by the data what comes
    out, every column counts as made by all steps of everything.
    """
    steps = steps_of(spec)
    try:
        view = _view(spec, columns, {step.place: number for number, step in enumerate(steps)})
    except Exception:  # noqa: BLE001  the step has done its work on rows; that it can not without them is no fault
        view = None
    if view is None or view.schema.names() != schema.names():
        everything = frozenset((name, column) for name, some in columns.items() for column, _ in some)
        whole = Trace(everything, frozenset(range(len(steps))))
        view = _Table(schema, dict.fromkeys(schema, whole), whole)
    made = tuple(
        FeatureColumn(
            name=name,
            dtype=dtype,
            description=spec.view.describe.get(name, ""),
            raw=tuple(sorted(view.traces[name].raw)),
            steps=tuple(sorted(view.traces[name].steps)),
        )
        for name, dtype in columns_of(schema)
    )
    return Derivation(steps, made, tuple(sorted(view.rows.steps)), tuple(sorted(view.rows.raw)))


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns that there are at some point, what each comes from, and what chose the rows."""

    schema: pl.Schema
    traces: Mapping[str, Trace]
    rows: Trace = field(default=Trace())


def _view(spec: PipelineSpec, columns: Mapping[str, Columns], numbers: Mapping[str, int]) -> _Table:
    tables = {name: _prepared(spec, name, columns[name], numbers) for name in used(spec)}
    view = tables[spec.view.from_]
    for number, join in enumerate(spec.view.join):
        view = _join(view, tables[join.with_], join, numbers[f"view.join.{number}"])
    for number, step in enumerate(spec.view.features):
        view = _apply(view, step.apply, numbers[f"view.features.{number}"])
    return view


def _prepared(spec: PipelineSpec, name: str, columns: Columns, numbers: Mapping[str, int]) -> _Table:
    schema = schema_of(columns)
    table = _Table(schema, {column: Trace(frozenset({(name, column)})) for column in schema})
    for number, step in enumerate(spec.datasets[name].prepare):
        table = _apply(table, step.apply, numbers[f"datasets.{name}.prepare.{number}"])
    return table


def _join(left: _Table, right: _Table, join: Join, number: int) -> _Table:
    """Return a view with the columns of a dataset; its own columns stay as they are, and without ``many`` so do its rows."""
    probes = _Probe(left.schema), _Probe(right.schema)
    after = joined(probes[0].frame, probes[1].frame, join.model_dump(mode="json", by_alias=True))
    own = Trace(steps=frozenset({number}))

    def trace(query: pl.LazyFrame) -> Trace:
        query.collect()
        needed = (table.traces[name] for table, probe in zip((left, right), probes, strict=True) for name in probe.taken())
        return _all(needed) | right.rows | own

    schema = after.collect_schema()
    traces = {name: left.traces[name] if name in left.schema else trace(after.select(name)) for name in schema}
    rows = left.rows
    if join.many:
        counted, last = (trace(query) for query in _counts(after))
        rows |= Trace(counted.raw & last.raw, counted.steps & last.steps)
    return _Table(schema, traces, rows)


def _apply(table: _Table, step: Callable[[pl.LazyFrame], pl.LazyFrame], number: int) -> _Table:
    probe = _Probe(table.schema)
    after = step(probe.frame)
    schema = after.collect_schema()
    probe.settle()
    own = Trace(steps=frozenset({number}))
    same = [name for name, dtype in schema.items() if table.schema.get(name) == dtype]
    traces = {name: table.traces[name] for name in _untouched(after, same)}
    for name in schema:
        if name not in traces:
            traces[name] = _all(table.traces[one] for one in probe.needs(after.select(name))) | own
    rows = table.rows
    if after.select(pl.len()).explain() != probe.frame.select(pl.len()).explain():
        counted, last = (probe.needs(query) for query in _counts(after))
        rows |= _all(table.traces[name] for name in counted if name in last) | own
    return _Table(schema, {name: traces[name] for name in schema}, rows)


def _counts(after: pl.LazyFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Return two queries that both need all that chooses the rows: to count them Polars reads the first column as well."""
    return after.select(pl.len()), after.select(pl.last())


def _all(traces: Iterable[Trace]) -> Trace:
    found = Trace()
    for trace in traces:
        found |= trace
    return found


def _untouched(after: pl.LazyFrame, names: Sequence[str]) -> set[str]:
    """Return the columns whose values a step leaves as they are; asked for many at once, halved where some are not."""
    if not names:
        return set()
    lines = after.select(names).explain().splitlines()
    if all(line.strip().startswith(_CHOOSING) for line in lines if line.strip()):
        return set(names)
    half = len(names) // 2
    return _untouched(after, names[:half]) | _untouched(after, names[half:]) if half else set()


class _Probe:
    """A frame of no rows that notes which of its columns a query needs."""

    def __init__(self, schema: pl.Schema) -> None:
        self._names = schema.names()
        self._asked: set[str] = set()
        self._eager = False
        empty = pl.DataFrame(schema=schema)

        def read(
            columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            self._asked |= set(self._names if columns is None else columns)
            yield empty if columns is None else empty.select(columns)

        self.frame = register_io_source(read, schema=schema, is_pure=True)

    def settle(self) -> None:
        """Note whether a step has read the frame while it was applied: then no query tells what it needed."""
        self._eager = bool(self._asked)
        self._asked.clear()

    def needs(self, query: pl.LazyFrame) -> list[str]:
        """Return the columns that a query over the frame reads, in their order."""
        query.collect()
        return self.taken()

    def taken(self) -> list[str]:
        """Return the columns that were read since it was last asked."""
        names = self._names if self._eager else [name for name in self._names if name in self._asked]
        self._asked.clear()
        return names
