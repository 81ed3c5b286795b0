"""The tasks that make a view: preparation, joins and features, of each partition by itself.

Steps in a row are one task a partition. Before a dataset that is too large to be joined to each partition as a whole the
row of steps is cut: both sides are scattered by the hash of their keys, joined bucket by bucket, and gathered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine import digest
from engine.compile.builder import Builder
from engine.plugin import TimeAware, Transformer
from engine.registry import describe
from engine.stages.join import unique_by

_MICROSECOND = timedelta(microseconds=1)
_TOGETHER = 32  # units whose rows one task joins, where a dataset is joined bucket by bucket


@dataclass(frozen=True, slots=True)
class History:
    """Partitions with rows in the past of another one, and which of the rows: column, since (None: all), until (included)."""

    partitions: tuple[int, ...] = ()
    between: tuple[str, int | None, int] | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What one task works on: partitions of a dataset, and those in their past."""

    partitions: tuple[int, ...]
    history: History = field(default=History())


@dataclass(slots=True)
class _Stretch:
    """Steps that are one task a unit, and the datasets that are joined on the way."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    plugins: list[Transformer] = field(default_factory=list)
    sides: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, steps: Sequence[Transformer]) -> _Stretch:
        return cls([describe(step) for step in steps], list(steps))

    def step(self, step: Transformer) -> None:
        self.nodes.append(describe(step))
        self.plugins.append(step)

    def past(self, unit: Unit) -> tuple[int, ...]:
        """Return the partitions in the past of a unit, if a step looks at them."""
        return unit.history.partitions if self.looks_back else ()

    @property
    def looks_back(self) -> bool:
        return any(isinstance(step, TimeAware) for step in self.plugins)

    def join(self, node: dict[str, Any], side: str) -> None:
        self.nodes.append({"join": node, "side": len(self.sides)})
        self.sides.append(side)


@dataclass(frozen=True, slots=True)
class _Shuffle:
    """A join bucket by bucket: what the YAML says of it, and how many buckets."""

    node: dict[str, Any]
    buckets: int

    @property
    def scatter(self) -> dict[str, Any]:
        return {"on": self.node["on"], "buckets": self.buckets}


def view_of(builder: Builder) -> tuple[str, ...]:
    """Add the tasks of the view; return the keys of the last: one a partition, or one if a step is over the whole table."""
    name = builder.spec.view.from_
    stretches, shuffles = _stretches(builder)
    units = units_of(builder, name, [step for stretch in stretches for step in stretch.plugins])
    place = f"features/{name}/version={_version(builder)}"
    looking = max((number for number, stretch in enumerate(stretches) if stretch.looks_back), default=-1)
    done: list[str] = []
    joined: list[list[str]] = []
    for number, stretch in enumerate(stretches):
        last = number == len(shuffles)
        done = [
            _transform(
                builder,
                _raw(builder, name, unit, stretch) if number == 0 else _gathered(unit, own, stretch, joined),
                stretch,
                {
                    "dataset": name,
                    "between": unit.history.between if number <= looking else None,  # after that, times may change
                    "scatter": None if last else shuffles[number].scatter,
                },
                f"{name}.features" if last else f"{name}.scatter",
                place=place if last else "",
            )
            for own, unit in enumerate(units)
        ]
        if not last:
            joined = _joined(builder, name, shuffles[number], done)
    return tuple(done)


def _stretches(builder: Builder) -> tuple[list[_Stretch], list[_Shuffle]]:
    """Return the view's steps in their order, cut where a join is bucket by bucket, and those joins."""
    spec = builder.spec.view
    stretches, shuffles = [_Stretch.of(builder.spec.datasets[spec.from_].prepare)], list[_Shuffle]()
    for join in spec.join:
        node = join.model_dump(mode="json", by_alias=True)
        buckets = _buckets(builder, join.with_) if join.on else 1  # without keys there is nothing to tell rows apart by
        if buckets > 1:
            shuffles.append(_Shuffle(node, buckets))
            stretches.append(_Stretch())
        else:
            stretches[-1].join(node, _side(builder, node))
    for step in spec.features:
        stretches[-1].step(step)
    return stretches, shuffles


def _buckets(builder: Builder, name: str) -> int:
    """Return how many buckets make each fit the limit: a power of two, which a little more data leaves as it is."""
    buckets = 1
    while builder.contents[name].bytes > builder.spec.view.broadcast_limit * buckets:
        buckets *= 2
    return buckets


def _version(builder: Builder) -> str:
    spec = builder.spec.view
    steps = [describe(step) for step in (*builder.spec.datasets[spec.from_].prepare, *spec.features)]
    return digest.of_value([steps, [join.model_dump(mode="json", by_alias=True) for join in spec.join]])[:12]


def units_of(builder: Builder, name: str, plugins: Sequence[Transformer]) -> list[Unit]:
    """Return what is worked on by one task each: a partition with its past, or all if a step is over the whole table."""
    parts = range(len(builder.ingested[name]))
    if any(step.scope == "table" for step in plugins):
        return [Unit(tuple(parts))]
    aware = [step for step in plugins if isinstance(step, TimeAware)]
    return [Unit((number,), _history(builder, name, number, aware)) for number in parts]


def _history(builder: Builder, name: str, number: int, steps: Sequence[TimeAware]) -> History:
    """Return which partitions may have rows in the past of one, by the times that they were seen to have.

    Those that are not ingested yet have none: rows mostly come in the order of their times.
    """
    if not steps:
        return History()
    parts, time = builder.contents[name].parts, builder.spec.datasets[name].time
    others = {other: part for other, part in enumerate(parts) if other != number and part.rows is not None}
    own = parts[number].spans.get(time) if time is not None and all(step.on == time for step in steps) else None
    if own is None or time is None:
        return History(tuple(others))
    looks = [step.lookback for step in steps]
    far = [look // _MICROSECOND for look in looks if look is not None]
    since = own[0] - sum(far) if len(far) == len(looks) else None
    spans = {other: part.spans.get(time) for other, part in others.items()}
    chosen = [
        other for other, span in spans.items() if span is None or (span[0] <= own[1] and (since is None or since <= span[1]))
    ]
    return History(tuple(chosen), (time, since, own[1]))


_Source = tuple[dict[str, Any], list[str]]
"""How a task finds its rows: parameters, and the inputs that they speak of."""


def _raw(builder: Builder, name: str, unit: Unit, stretch: _Stretch) -> _Source:
    """Return rows as they were ingested."""
    past, ingested = stretch.past(unit), builder.ingested[name]
    params = {"schema": builder.contents[name].columns, "partitions": len(unit.partitions), "earlier": len(past)}
    return params, [ingested[number] for number in (*unit.partitions, *past)]


def _gathered(unit: Unit, own: int, stretch: _Stretch, joined: Sequence[Sequence[str]]) -> _Source:
    """Return the rows of a unit from the buckets in which they were joined, and of those in its past."""
    past = list(stretch.past(unit))
    inputs = [key for together in sorted({number // _TOGETHER for number in (own, *past)}) for key in joined[together]]
    return {"schema": None, "partitions": len(inputs), "own": own, "past": past}, inputs


def _transform(
    builder: Builder, source: _Source, stretch: _Stretch, params: dict[str, Any], label: str, *, place: str = ""
) -> str:
    """Add a task that applies a stretch of steps."""
    more, inputs = source
    params = {"steps": stretch.nodes, "unique": [], **params, **more}
    return builder.add("transform", params, [*inputs, *stretch.sides], label, plugins=stretch.plugins, place=place)


def _side(builder: Builder, node: dict[str, Any]) -> str:
    """Add a dataset as one table that is joined to each unit as a whole."""
    name = node["with"]
    prepare = builder.spec.datasets[name].prepare
    everything = Unit(tuple(range(len(builder.ingested[name]))))
    stretch = _Stretch.of(prepare)
    params = {"dataset": name, "between": None, "scatter": None, "unique": unique_by(node)}
    return _transform(builder, _raw(builder, name, everything, stretch), stretch, params, f"{name}.prepare")


def _joined(builder: Builder, name: str, shuffle: _Shuffle, lefts: Sequence[str]) -> list[list[str]]:
    """Add the joins of units, some together, with a dataset bucket by bucket; return the keys of each such group."""
    other = shuffle.node["with"]
    prepare = builder.spec.datasets[other].prepare
    stretch = _Stretch.of(prepare)
    rights = []
    for unit in units_of(builder, other, prepare):
        params = {"dataset": other, "between": unit.history.between, "scatter": shuffle.scatter}
        rights.append(_transform(builder, _raw(builder, other, unit, stretch), stretch, params, f"{other}.scatter"))
    found: list[list[str]] = []
    for first in range(0, len(lefts), _TOGETHER):
        group = lefts[first : first + _TOGETHER]
        params = {"join": shuffle.node, "first": first, "left": len(group)}
        found.append(
            [
                builder.add("shuffle", {**params, "bucket": bucket}, [*group, *rights], f"{name}.join")
                for bucket in range(shuffle.buckets)
            ]
        )
    return found
