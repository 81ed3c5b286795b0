"""Promotes a run whose gate holds: moves the alias by compare-and-set, and says what was found.

In: a finished run and the catalog. Out: plain data for the summary. Nothing here makes a run fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.bundling import SHORT, registered
from engine.comparison import Candidate, Measured
from engine.config.spec import Promote
from engine.errors import ConflictError
from engine.gates import Gate, Unmeasured, parse
from engine.stores.aliases import Alias
from engine.stores.catalog import Catalog

_ALL = 1_000_000_000  # runs


def decide(gate: Promote, pipeline: str, candidate: Candidate, catalog: Catalog) -> dict[str, Any]:
    """Return whether a run's gate ``holds``, whether it was ``promoted``, a ``message``, and what it was ``compared`` with.

    What an alias means is measured on the rows of the run, unless it was before; where that can not be, what its newest run
    measured on its own rows counts.
    """
    condition, identity = parse(gate.when), str(candidate.summary["bundle"]["digest"])[:SHORT]
    named = {one.name: one.version for one in catalog.aliases(pipeline)}
    own = candidate.summary["metrics"].get(gate.on, {})
    others = _others(condition, named, candidate, catalog, gate.on) if condition.aliases else {}
    compared = {
        alias: {"version": named[alias], "metrics": dict(found.metrics), "rows": found.rows} for alias, found in others.items()
    }
    said = {"when": gate.when, "on": gate.on, "alias": gate.as_, "version": identity, "holds": False, "promoted": False}
    said["compared"] = compared
    how = "".join(f"; {alias} {named[alias]} was {found.rows}" for alias, found in others.items() if named[alias] != identity)
    try:
        holds = condition.holds(own, {alias: found.metrics for alias, found in others.items()})
    except Unmeasured as error:
        return {**said, "message": f"not promoted: {error} was not measured on {gate.on} rows{how}"}
    if not holds:
        return {**said, "message": f"not promoted: {gate.when} does not hold on {gate.on} rows{how}"}
    before = named.get(gate.as_)
    if before == identity:
        return {**said, "holds": True, "message": f"{identity} is {gate.as_} already"}
    try:
        catalog.move_alias(Alias(pipeline=pipeline, name=gate.as_, version=identity, before=before))
    except ConflictError as error:
        return {**said, "holds": True, "message": f"not promoted: {error.what}"}
    was = "" if before is None else f", and was {before}"
    return {**said, "holds": True, "promoted": True, "message": f"{gate.as_} is {identity} now{was}{how}"}


def _others(
    condition: Gate, named: Mapping[str, str], candidate: Candidate, catalog: Catalog, part: str
) -> dict[str, Measured]:
    """Return what the aliases of a condition come to, as far as they mean something."""
    found = registered(catalog.runs(_ALL))
    return {
        alias: candidate.measure(found[named[alias]], part, names)
        for alias, names in condition.aliases.items()
        if named.get(alias) in found
    }
