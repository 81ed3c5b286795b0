"""Looks at the rows of one partition of a view by the parts that they are in.

In: the partition, the part of each row. Out: a sketch (``engine.assess.sketch``), which merges with those of other
partitions; the value names the ``features`` that are compared, what makes ``rows`` different, and the columns to ``watch``.
"""

from __future__ import annotations

from typing import Any, cast

import polars as pl

from engine.assess.sketch import Kind, summarize
from engine.plugin import PART, Columns, choose, require
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Sketch the rows; ``features`` of the problem are compared but for those that ``dropped`` names."""
    view, parts = (work.store.scan(artifact) for artifact in work.inputs)
    params, schema = work.params, view.collect_schema()
    seen, watch = _seen(params, schema), _watched(params, schema)
    own = (params["target"], params["time"])  # these are told of by themselves
    features = [name for name in seen if name not in own and not schema[name].is_temporal()]
    # What identifies a row would make it another one than any; a time may be all that tells two rows apart.
    rows = [name for name in dict.fromkeys([*seen, *filter(None, [params["time"]])]) if name in schema]
    rows = [name for name in rows if name not in params["key"] or name == params["time"]]
    columns: dict[Kind, list[str]] = {"key": watch, "row": rows, "sample": list(dict.fromkeys([*seen, *rows, *watch]))}
    with explained("cannot look at the rows of the parts"):
        sketch = summarize(view, parts.select(PART).collect()[PART], columns)
        return work.keep(sketch, {"features": features, "rows": rows, "watch": watch})


def _seen(params: dict[str, Any], schema: pl.Schema) -> list[str]:
    """Return the features, as far as can be told before they are encoded, and the target."""
    dropped = {name for node in params["dropped"] for name in _named(_columns(node), schema)}
    chosen = [name for name in choose(_columns(params["features"]), schema) if name not in dropped]
    return list(dict.fromkeys([*chosen, *filter(None, [params["target"]])]))


def _watched(params: dict[str, Any], schema: pl.Schema) -> list[str]:
    """Return the columns that are watched: those named, else the key, where the view has all of it."""
    if params["watch"] is None:
        return list(params["key"]) if all(name in schema for name in params["key"]) else []
    require(params["watch"], schema.names())
    return list(params["watch"])


def _columns(node: Any) -> Columns:
    return tuple(node) if isinstance(node, list) else cast("Columns", node)


def _named(columns: Columns, schema: pl.Schema) -> list[str]:
    return choose(columns, schema) if isinstance(columns, str) else list(columns)
