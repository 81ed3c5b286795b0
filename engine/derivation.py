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
from engine.plugin import TimeAware, Transformer
from engine.registry import describe
from engine.schemas import Columns, columns_of, schema_of
from engine.stages.join import join as joined
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
        view = _apply(view, step, numbers[f"view.features.{number}"])
    return view


def _prepared(spec: PipelineSpec, name: str, columns: Columns, numbers: Mapping[str, int]) -> _Table:
    schema = schema_of(columns)
    table = _Table(schema, {column: Trace(frozenset({(name, column)})) for column in schema})
    for number, step in enumerate(spec.datasets[name].prepare):
        table = _apply(table, step, numbers[f"datasets.{name}.prepare.{number}"])
    return table


def _join(left: _Table, right: _Table, join: Join, number: int) -> _Table:
    """Return a view with the columns of a dataset; its own columns stay as they are, and without ``many`` so do its rows."""
    node = join.model_dump(mode="json", by_alias=True)
    probes = _Probes([left, right], lambda frames: joined(frames[0], frames[1], node))
    own = right.rows | Trace(steps=frozenset({number}))
    schema = probes.after.collect_schema()
    traces = {name: left.traces[name] if name in left.schema else probes.needs(pl.col(name)) | own for name in schema}
    rows = left.rows | probes.needs(pl.len()) | own if join.many else left.rows
    return _Table(schema, traces, rows)


def _apply(table: _Table, step: Transformer, number: int) -> _Table:
    probes = _Probes([table], lambda frames: step.apply(frames[0]))
    own = Trace(steps=frozenset({number}))
    schema, rows = probes.after.collect_schema(), table.rows
    same = [name for name, dtype in schema.items() if table.schema.get(name) == dtype]
    if isinstance(step, TimeAware):  # which keeps all rows, by way of joins that a plan does not tell from others
        stay = {name for name in same if _stays(step, table.schema, name)}
    else:
        stay = _untouched(probes.after, same)
        if probes.after.select(pl.len()).explain() != probes.before.select(pl.len()).explain():
            rows |= probes.needs(pl.len()) | own
    return _Table(
        schema, {name: table.traces[name] if name in stay else probes.needs(pl.col(name)) | own for name in schema}, rows
    )


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


_TRIED = [0, None, 1, None]
"""The values of a column that a step may fill or replace, if it does so at all."""


def _stays(step: Transformer, schema: pl.Schema, name: str) -> bool:
    """Say whether a step that looks at earlier rows leaves a column as it is: it is tried on a few rows, close and apart."""
    for times in ([0, 0, 0, 0], [0, 1, 2, 3]):
        try:
            frame = pl.DataFrame(
                {
                    one: _values(dtype, _TRIED if one == name else times if dtype.is_temporal() else [0] * 4)
                    for one, dtype in schema.items()
                }
            )
            after = step.apply(frame.lazy()).collect()
        except Exception:  # noqa: BLE001  a type of which no values are made here, or a step that wants others
            return False
        if not after[name].equals(frame[name]):
            return False
    return True


def _values(dtype: pl.DataType, numbers: Sequence[int | None]) -> pl.Series:
    """Return values of a type, equal where the numbers are, in their order."""
    series = pl.Series(numbers, dtype=pl.Int64)
    if isinstance(dtype, pl.Enum):
        return pl.Series([None if one is None else dtype.categories[min(one, 1)] for one in numbers], dtype=dtype)
    return series.cast(pl.String).cast(dtype) if dtype in (pl.String, pl.Categorical) else series.cast(dtype)


class _Probes:
    """A step applied to frames of no rows, and what it needs of them.

    It is done twice, the columns in this order and in that: a query that needs no column at all reads the first one.
    """

    def __init__(self, tables: Sequence[_Table], apply: Callable[[list[pl.LazyFrame]], pl.LazyFrame]) -> None:
        self._tables = tables
        self._orders = []
        for way in (1, -1):
            probes = [_Probe(pl.Schema(list(table.schema.items())[::way])) for table in tables]
            after = apply([probe.frame for probe in probes])
            for probe in probes:
                probe.settle()
            self._orders.append((probes, after))
        probes, self.after = self._orders[0]
        self.before = probes[0].frame

    def needs(self, asked: pl.Expr) -> Trace:
        """Return what is behind the columns that an expression over the result needs."""
        found = []
        for probes, after in self._orders:
            after.select(asked).collect()
            found.append({(number, name) for number, probe in enumerate(probes) for name in probe.taken()})
        return _all(self._tables[number].traces[name] for number, name in found[0] & found[1])


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

    def taken(self) -> list[str]:
        """Return the columns that were read since it was last asked."""
        names = self._names if self._eager else [name for name in self._names if name in self._asked]
        self._asked.clear()
        return names
