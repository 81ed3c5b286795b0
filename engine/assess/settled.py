"""Which findings the steps of a pipeline settle already, because they drop the column, repair it or fill it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.assess.finding import Finding

_REPAIRS: Mapping[str, frozenset[str]] = {
    "missing": frozenset({"fill", "fill_forward", "impute"}),
    "constant": frozenset({"fill"}),
    "not_finite": frozenset({"fill"}),
    "blank": frozenset({"normalize_text", "replace"}),
    "variants": frozenset({"normalize_text", "replace"}),
    "misspelt": frozenset({"replace"}),
    "outliers": frozenset({"clip"}),
    "dates_mixed": frozenset({"parse_time"}),
    "dates_as_text": frozenset({"parse_time"}),
    "numbers_mixed": frozenset({"parse_number", "cast"}),
    "numbers_as_text": frozenset({"parse_number", "cast"}),
}
"""The transformers that repair what a kind of finding is about, where they are given its column."""

Step = Mapping[str, Any]


def settled_by(finding: Finding, steps: Sequence[Step]) -> str:
    """Return the step that settles a finding, of those under ``prepare`` and ``encode``; empty when none does."""
    for step in steps:
        use = str(step["use"])
        if use == "impute" and finding.count * 2 >= finding.total:
            continue  # most of the column would be invented: that is for a person to say
        if use == "deduplicate" and finding.kind in ("rows_repeated", "key_repeated"):
            return use
        if use == "rename":
            return ""  # behind it, names are of other columns
        if not finding.columns:
            continue
        gone = set(step["columns"]) if use == "drop" else set()
        if gone.intersection(finding.columns) and finding.kind not in ("key_repeated", "key_missing", "leak"):
            return use
        if use in _REPAIRS.get(finding.kind, ()) and set(finding.columns) <= _columns(step):
            return use
    return ""


def _columns(step: Step) -> set[str]:
    """Return the columns that a step names to work on."""
    return {name for key in ("columns", "values") for name in _names(step.get(key))}


def _names(node: object) -> list[str]:
    return [str(name) for name in node] if isinstance(node, list | dict) else []
