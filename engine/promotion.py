"""Promotes a run whose gate holds: moves the alias by compare-and-set, and says what was found.

In: a finished run's summary and the catalog. Out: plain data for the summary. Nothing here makes a run fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.bundling import SHORT, manifests
from engine.config.spec import Promote
from engine.errors import ConflictError
from engine.gates import Unmeasured, parse
from engine.stores.aliases import Alias
from engine.stores.catalog import Catalog

_ALL = 1_000_000_000  # runs


def decide(gate: Promote, pipeline: str, summary: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return whether a run's gate ``holds``, whether it was ``promoted``, and a ``message``.

    What an alias means is compared by what its newest run measured on the same part.
    """
    condition, identity = parse(gate.when), str(summary["bundle"]["digest"])[:SHORT]
    named = {one.name: one.version for one in catalog.aliases(pipeline)}
    found = manifests(catalog.runs(_ALL))
    others = {
        alias: found[named[alias]][1][0].summary["metrics"].get(gate.on, {})
        for alias in condition.aliases
        if named.get(alias) in found
    }
    said = {"when": gate.when, "on": gate.on, "alias": gate.as_, "version": identity, "holds": False, "promoted": False}
    try:
        holds = condition.holds(summary["metrics"].get(gate.on, {}), others)
    except Unmeasured as error:
        return {**said, "message": f"not promoted: {error} was not measured on {gate.on} rows"}
    if not holds:
        return {**said, "message": f"not promoted: {gate.when} does not hold on {gate.on} rows"}
    before = named.get(gate.as_)
    if before == identity:
        return {**said, "holds": True, "message": f"{identity} is {gate.as_} already"}
    try:
        catalog.move_alias(Alias(pipeline=pipeline, name=gate.as_, version=identity, before=before))
    except ConflictError as error:
        return {**said, "holds": True, "message": f"not promoted: {error.what}"}
    was = "" if before is None else f", and was {before}"
    return {**said, "holds": True, "promoted": True, "message": f"{gate.as_} is {identity} now{was}"}
