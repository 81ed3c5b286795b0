"""Reads the feature store: which versions a view has, what their columns mean and come from, and ranges of their rows.

In: a store and the name of a view. Out: plain data, or the rows as a ``LazyFrame`` over Parquet files. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from engine.config.spec import Store
from engine.errors import ConfigError, DataError, HostError, unknown
from engine.opened import Stores
from engine.records import looked
from engine.schemas import from_json, shown
from engine.stages.work import explained
from engine.stores.features import FeaturePartition, FeatureVersion
from engine.stores.history import Moment, point_of
from engine.versioning import is_ranged

Bound = Moment | int
"""A bound of a view's time: as ISO 8601 has it, a value of Python's, or a whole number where the time is one."""

_BOOLEANS = {"true": True, "false": False}


def list_versions(
    store: Store, view: str | None = None, *, version: str | None = None, as_of: Moment | None = None
) -> list[dict[str, Any]]:
    """Return the versions of a view, or of all views, newest last; only one when it is named as ``features`` names it.

    Raises ``UnknownName`` for a view without features.
    """
    with looked(store) as stores:
        if view is not None and (version is not None or as_of is not None):
            return [_row(_chosen(stores, view, version, as_of))]
        return [_row(one) for one in sorted(_versions(stores, view), key=lambda one: (one.created, one.id))]


def describe_version(store: Store, view: str, *, version: str | None = None, as_of: Moment | None = None) -> dict[str, Any]:
    """Return a version with its columns: type, meaning, the raw columns and the steps behind each; and its batches.

    Names it as ``features`` does.
    """
    with looked(store) as stores:
        found = _chosen(stores, view, version, as_of)
    steps = [{"place": step.place, **step.node} for step in found.steps]
    types = dict(shown([(one.name, one.dtype) for one in found.columns]))
    return {
        **_row(found),
        "columns": [
            {
                "name": one.name,
                "type": types[one.name],
                "description": one.description,
                "raw": [f"{dataset}.{column}" for dataset, column in one.raw],
                "steps": [steps[number] for number in one.steps],
            }
            for one in found.columns
        ],
        "chosen_by": {
            "raw": [f"{dataset}.{column}" for dataset, column in found.row_columns],
            "steps": [steps[number] for number in found.row_steps],
        },
        "batches": [{"dataset": one.dataset, "sequence": one.sequence, "id": one.id} for one in found.batches],
        "files": [one.piece.path for one in found.partitions],
    }


def features(
    store: Store,
    view: str,
    *,
    version: str | None = None,
    as_of: Moment | None = None,
    since: Bound | None = None,
    until: Bound | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
) -> pl.LazyFrame:
    """Return the rows of a view's features: the newest version, the one named, or the newest there was at some time.

    ``version`` is an id or the beginning of one. ``as_of`` is a time, or a batch as ``levada show`` names it: then it is the
    newest version of which no batch was committed after that one. ``since`` (included) and ``until`` (excluded) bound the
    view's time; partitions that lie outside by their bounds are not opened. ``where`` gives values, as text, that columns may
    have. What else is asked of the frame is pushed down into the files by Polars.

    Raises ``UnknownName`` for a view without features, ``DataError`` where no version is meant or its files are given up,
    ``ConfigError`` for a bound or value that is none of the column's type, ``Corrupt`` for files that are not as written.
    """
    with looked(store) as stores:
        found = _chosen(stores, view, version, as_of)
        if found.retired is not None:
            raise DataError(
                f"the files of version {found.id} of {view} were cleared away by gc",
                found=f"on {_time(found.retired)}",
                hint="run the pipeline as it was then: it makes the same version anew",
            )
        schema = pl.Schema({one.name: from_json(one.dtype) for one in found.columns})
        low, high = (_bound(found, schema, one) for one in (since, until))
        parts = [part for part in found.partitions if _may_hold(part, found, schema, low, high)]
        scans = [stores.files.scan(part.piece.artifact()) for part in parts]
    frame = pl.concat(scans, how="vertical") if scans else pl.LazyFrame(schema=schema)
    if low is not None:
        frame = frame.filter(pl.col(str(found.time)) >= low)
    if high is not None:
        frame = frame.filter(pl.col(str(found.time)) < high)
    for column, texts in (where or {}).items():
        if column not in schema:
            raise unknown("column", column, schema)
        values = [_value(text, schema[column], column) for text in texts]
        frame = frame.filter(pl.any_horizontal(pl.col(column) == value for value in values))
    return frame


FORMATS = ("parquet", "csv", "arrow")
"""The formats in which rows are written; ``arrow`` is its file format, also known as Feather."""


def write_rows(frame: pl.LazyFrame, out: Path, form: str | None = None) -> int:
    """Stream rows into a file of one of ``FORMATS``, which else the ending of its name says; return how many they are.

    The file is there as a whole or not at all. Raises ``ConfigError`` for another format, ``HostError`` when it can not be
    written, ``DataError`` for a type that CSV has no way to write.
    """
    part = out.with_name(f".{out.name}.part")
    form = out.suffix.removeprefix(".") if form is None else form
    if form == "parquet":
        sink = frame.sink_parquet(part, lazy=True)
    elif form == "csv":
        sink = frame.sink_csv(part, lazy=True)
    elif form == "arrow":
        sink = frame.sink_ipc(part, lazy=True)
    else:
        expected = ".parquet, .csv or .arrow"
        raise ConfigError("rows are written as Parquet, CSV or Arrow", where="--out", expected=expected, found=str(out))
    if not out.parent.is_dir():
        raise HostError(f"there is no folder {out.parent}", hint="make it first")
    try:
        with explained(f"cannot write {out}"):
            _, count = pl.collect_all([sink, frame.select(pl.len())], engine="streaming")
            part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return int(count.item())


def _versions(stores: Stores, view: str | None) -> list[FeatureVersion]:
    """Return the versions of a view, which must have some, or of all views; oldest first."""
    versions = stores.catalog.features(view)
    if view is not None and not versions:
        raise unknown("view", view, {one.view for one in stores.catalog.features()})
    return versions


def _chosen(stores: Stores, view: str, version: str | None, as_of: Moment | None) -> FeatureVersion:
    versions = _versions(stores, view)
    if version is not None and as_of is not None:
        raise ConfigError("version and as_of name a version in two ways", hint="give one of them")
    if version is not None:
        return _named(versions, view, version)
    if as_of is None:
        return versions[-1]
    point = point_of(stores.catalog.batches(), as_of)
    there = [
        one for one in versions if (one.created <= point.time if point.batch is None else all(map(point.includes, one.batches)))
    ]
    if not there:
        raise DataError(
            f"there was no version of {view} as of {as_of}",
            found=f"the first is of {_time(versions[0].created)}",
            hint=f"`levada features {view}` lists them",
        )
    return there[-1]


def _named(versions: Sequence[FeatureVersion], view: str, version: str) -> FeatureVersion:
    found = [one for one in versions if version and one.id.startswith(version)]
    if len(found) == 1:
        return found[0]
    hint = f"`levada features {view}` lists them"
    if not found:
        raise DataError(f"{view} has no version '{version}'", hint=hint)
    few = ", ".join(one.id for one in found[:8]) + (" …" if len(found) > 8 else "")
    raise DataError(f"{len(found)} versions of {view} have an id that begins with '{version}'", expected=f"one of {few}")


def _may_hold(
    part: FeaturePartition, version: FeatureVersion, schema: pl.Schema, low: pl.Expr | None, high: pl.Expr | None
) -> bool:
    """Say whether a partition may have rows between bounds; a row without a time lies nowhere."""
    if version.time is None or (low is None and high is None) or not is_ranged(schema[version.time]):
        return True
    if part.first is None or part.last is None:
        return False
    first, last = (pl.lit(one).cast(schema[version.time]) for one in (part.first, part.last))
    inside = [pl.lit(value=True), *([last >= low] if low is not None else []), *([first < high] if high is not None else [])]
    return bool(pl.select(pl.all_horizontal(inside)).item())


def _bound(version: FeatureVersion, schema: pl.Schema, value: Bound | None) -> pl.Expr | None:
    if value is None:
        return None
    if version.time is None:
        raise ConfigError(
            f"the features of {version.view} have no time that since and until could bound",
            hint=f"name the column under datasets.{version.view}.time, and keep it in the view",
        )
    text = value.isoformat() if isinstance(value, date) else str(value)
    return _value(text, schema[version.time], version.time)


def _value(text: str, dtype: pl.DataType, column: str) -> pl.Expr:
    """Return the value of a column's type that a person wrote."""
    try:
        return _parsed(text, dtype)
    except (ValueError, KeyError, pl.exceptions.PolarsError):
        raise ConfigError(f"'{text}' is no value of the column {column}", expected=str(dtype)) from None


def _parsed(text: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return _moment(datetime.fromisoformat(text), dtype)
    if dtype == pl.Date:
        return pl.lit(date.fromisoformat(text))
    if dtype == pl.Boolean:
        return pl.lit(_BOOLEANS[text.lower()])
    return pl.lit(pl.Series([text]).cast(dtype)[0], dtype)


def _moment(moment: datetime, dtype: pl.Datetime) -> pl.Expr:
    """Return a time of a column's unit and zone; without a zone of its own it is of the column's."""
    if moment.tzinfo is not None:
        if dtype.time_zone is None:
            raise ValueError("the column has no time zone")
        utc = pl.lit(moment.astimezone(UTC).replace(tzinfo=None)).dt.replace_time_zone("UTC")
        return utc.dt.convert_time_zone(dtype.time_zone).cast(dtype)
    return pl.lit(moment).dt.replace_time_zone(dtype.time_zone).cast(dtype)


def _row(version: FeatureVersion) -> dict[str, Any]:
    return {
        "id": version.id,
        "view": version.view,
        "definition": version.definition,
        "pipeline": version.pipeline,
        "batches": len(version.batches),
        "rows": version.rows,
        "bytes": version.bytes,
        "partitions": len(version.partitions),
        "columns": len(version.columns),
        "key": list(version.key),
        "time": version.time,
        **_span(version),
        "created": _time(version.created),
        "run": version.run,
        "retired": _time(version.retired) if version.retired is not None else None,
    }


def _span(version: FeatureVersion) -> dict[str, str | None]:
    """Return the first and the last time of a version's rows."""
    bounds = [one for part in version.partitions for one in (part.first, part.last) if one is not None]
    if not bounds:
        return {"first": None, "last": None}
    dtype = next(from_json(one.dtype) for one in version.columns if one.name == version.time)
    first, last = pl.Series([min(bounds), max(bounds)]).cast(dtype)
    return {"first": _iso(first), "last": _iso(last)}


def _iso(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
