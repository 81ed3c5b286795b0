"""Checks that every column a pipeline names will be there, before any data is read.

In: a specification and the column names of its datasets, None where they are not known yet. Each step is applied to a
frame of no rows whose types are not known; where a step needs types to say what comes out, checking stops: it never
refuses what might be right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import polars as pl

from engine.compile import roles_of
from engine.config.spec import PipelineSpec
from engine.errors import ConfigError, DataError, MissingColumn, nearest
from engine.plugin import PART, TARGET, FittedTransformer, Plugin, Transformer, choose, require
from engine.registry import describe
from engine.stages.join import join as joined
from engine.validate import Path, dotted


def check_columns(spec: PipelineSpec, sources: Mapping[str, Sequence[str] | None]) -> None:
    """Raise ``ConfigError`` with the key's path for the first column that is named and can not be there."""
    _check_hidden(spec)
    frames = {name: _dataset(spec, name, columns) for name, columns in sources.items()}
    _check_references(spec, sources)
    view = frames[spec.view.from_]
    for number, join in enumerate(spec.view.join):
        path: Path = ("view", "join", number)
        right = frames[join.with_]
        sides = (spec.view.from_ if number == 0 else "the view", view, "time"), (join.with_, right, "with_time")
        for side, frame, key in sides:
            if frame is not None:
                _require(join.on, _names(frame), (*path, "on"), f"in {side}")
                time = getattr(join, key)
                _require([] if time is None else [time], _names(frame), (*path, key), f"in {side}")
        if view is None or right is None:
            return
        view = joined(view, right, join.model_dump(by_alias=True))
    view = _steps(view, spec.view.features, ("view", "features"))
    if view is not None:
        _check_view(spec, view)


def _check_hidden(spec: PipelineSpec) -> None:
    """Check that no step of the encoding names what it may not see: with the target in a feature, a model knows the answer."""
    for number, step in enumerate(spec.encode):
        said = json.dumps(describe(step))
        for hidden in (TARGET, PART):
            if hidden in said:
                raise ConfigError(
                    f"'{hidden}' is no column of a step: the target and the part of a row are hidden from features",
                    where=dotted(("encode", number)),
                )


def _check_view(spec: PipelineSpec, view: pl.LazyFrame) -> None:
    names, problem = _names(view), spec.problem
    if problem.target is not None:
        _require([problem.target], names, ("problem", "target"), "in the view")
    if not isinstance(problem.features, str):
        _require(problem.features, names, ("problem", "features"), "in the view")
    _require(spec.slices, names, ("slices",), "in the view")
    _require(list(spec.view.describe), names, ("view", "describe"), "in the view")
    try:
        needed = spec.splitter.needs(roles_of(spec))
    except ConfigError as error:
        error.where = error.where or "splitter"
        raise
    _require(needed, names, ("splitter",), "in the view, and the splitter needs it")
    _require(spec.splitter.watch or (), names, ("splitter", "watch"), "in the view")
    features = [name for name in choose(problem.features, view.collect_schema()) if name != problem.target]
    for number, step in enumerate(spec.encode):
        columns = getattr(step, "columns", None)
        if isinstance(columns, tuple):
            path: Path = ("encode", number, "columns")
            if problem.target in columns:
                raise ConfigError(
                    f"the target '{problem.target}' is also a feature: the model would be given the answer",
                    where=dotted(path),
                    hint=f"remove '{problem.target}' from the columns of this step",
                )
            _require(columns, features, path, "among the features")
        if _changes_names(step):
            return


def _changes_names(step: Plugin) -> bool:
    """Say whether a step of the encoding may make or drop columns: from there on only data can tell the names."""
    frame = pl.LazyFrame(schema={"text": pl.String, "number": pl.Float64})
    try:
        if isinstance(step, FittedTransformer):
            after = step.apply(frame, step.finish(step.summarize(frame)))
        elif isinstance(step, Transformer):
            after = step.apply(frame)
        return _names(after) != _names(frame)
    except (DataError, pl.exceptions.PolarsError, ValueError, KeyError):
        return True


def _dataset(spec: PipelineSpec, name: str, columns: Sequence[str] | None) -> pl.LazyFrame | None:
    dataset, path = spec.datasets[name], ("datasets", name)
    if columns is None:
        return None
    for number, check in enumerate(dataset.expect):
        _require(check.needs(), columns, (*path, "expect", number), f"in {name}")
    frame = _steps(pl.LazyFrame(schema=dict.fromkeys(columns, pl.Null)), dataset.prepare, (*path, "prepare"))
    after = list(dict.fromkeys([*columns, *(_names(frame) if frame is not None else ())]))
    _require(dataset.key, after, (*path, "key"), f"in {name}")
    _require([dataset.time] if dataset.time else [], after, (*path, "time"), f"in {name}")
    return frame


def _check_references(spec: PipelineSpec, sources: Mapping[str, Sequence[str] | None]) -> None:
    """Check the columns of other datasets that rules refer to."""
    for name in sources:
        for number, check in spec.datasets[name].dataset_checks.items():
            other, wanted = check.refers_to() or ("", ())
            known = sources.get(other)
            if known is not None:
                _require(wanted, known, ("datasets", name, "expect", number), f"in {other}")


def _steps(frame: pl.LazyFrame | None, steps: Sequence[Transformer], path: Path) -> pl.LazyFrame | None:
    for number, step in enumerate(steps):
        if frame is None:
            return None
        try:
            frame = step.apply(frame)
            frame.collect_schema()
        except MissingColumn as error:
            raise ConfigError(
                error.what, where=dotted((*path, number)), expected=error.expected, found=error.found, hint=error.hint
            ) from None
        except Exception:  # noqa: BLE001  a step may ask for types, which are not known yet
            return None
    return frame


def _require(columns: Sequence[str], known: Sequence[str], path: Path, place: str) -> None:
    try:
        require(list(columns), list(known))
    except MissingColumn as error:
        missing = next(column for column in columns if column not in known)
        near = nearest(missing, known)
        raise ConfigError(
            f"no column '{missing}' {place}",
            where=dotted(path),
            expected=error.expected,
            hint=f"did you mean '{near}'?" if near else "",
        ) from None


def _names(frame: pl.LazyFrame) -> list[str]:
    return frame.collect_schema().names()
