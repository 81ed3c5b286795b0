"""Writes the ``expect`` and ``prepare`` that would settle findings, only of plugins that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from engine.assess.findings import Finding
from engine.registry import names


def propose(findings: Sequence[Finding], known: Mapping[str, Sequence[str]] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Return ``expect`` and ``prepare`` as plain data: empty lists where nothing has to be settled.

    What is under ``prepare`` goes before the steps that a pipeline has, ``prepare_after`` behind them.
    ``known`` are the names of checks and transformers, by kind; left out, those of the registry.
    """
    known = known or {kind: names(kind) for kind in ("check", "transformer")}
    by: dict[str, list[Finding]] = {}
    for finding in findings:
        by.setdefault(finding.kind, []).append(finding)
    columns = {kind: [name for one in found for name in one.columns] for kind, found in by.items()}
    expect: list[dict[str, Any]] = []
    if "key_missing" in columns:
        expect.append({"use": "not_null", "columns": columns["key_missing"]})
    expect += [
        {"use": "between", "column": one.columns[0], **one.detail}
        for one in by.get("outliers", [])
        if one.severity == "warning"
    ]
    prepare: list[dict[str, Any]] = []
    prepare += [{"use": "normalize_text", "columns": list(one.columns), **one.detail} for one in by.get("variants", [])]
    if blank := [name for name in columns.get("blank", []) if name not in columns.get("variants", [])]:
        prepare.append({"use": "normalize_text", "columns": blank})
    for one in [*by.get("dates_as_text", []), *by.get("dates_mixed", []), *by.get("numbers_as_text", [])]:
        prepare += _parsed(one)
    # what key columns are is the pipeline's own business: whole rows that are equal are safe to drop, rows of one key are not
    if "rows_repeated" in by:
        prepare.append({"use": "deduplicate"})
    gone = sorted({*columns.get("empty", []), *columns.get("constant", [])})
    if gone:
        prepare.append({"use": "drop", "columns": gone})
    after = [{"use": "drop", "columns": sorted(columns["leak"])}] if "leak" in columns else []
    return {
        "expect": [step for step in expect if step["use"] in known["check"]],
        "prepare": [step for step in prepare if step["use"] in known["transformer"]],
        "prepare_after": after,
    }


_WRITTEN = {"date 2013-01-31": "%Y-%m-%d", "date 31.01.2013": "%d.%m.%Y"}
"""The formats that can be read in one way only: in 01/02/2013 either may be the month."""


def _parsed(finding: Finding) -> list[dict[str, Any]]:
    """Return the step that reads a column of text; none where some of it could not be read."""
    formats, columns = sorted(finding.detail["formats"]), list(finding.columns)
    if not finding.detail["pure"]:
        return []
    if all(one in _WRITTEN for one in formats):
        written = [_WRITTEN[one] for one in formats]
        return [{"use": "parse_time", "columns": columns, "format": written[0] if len(written) == 1 else written}]
    if formats == ["time 2013-01-31T10:00:00"]:
        return [{"use": "parse_time", "columns": columns, "time_zone": "UTC"}]
    if formats == ["number"]:
        return [{"use": "cast", "columns": dict.fromkeys(columns, "Float64")}]
    if formats == ["number with a comma"]:
        return [{"use": "parse_number", "columns": columns, "decimal": ","}]
    return []


def text_of(proposals: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    """Return proposals of datasets as YAML to paste."""
    lines = ["datasets:"]
    for dataset, parts in proposals.items():
        if not any(parts.values()):
            continue
        lines.append(f"  {dataset}:")
        if parts["expect"]:
            lines += ["    expect:", *map(_step, parts["expect"])]
        if parts["prepare"] or parts["prepare_after"]:
            there = "      # here the steps that are there"
            lines += ["    prepare:", *map(_step, parts["prepare"]), there, *map(_step, parts["prepare_after"])]
    return "\n".join(lines) if len(lines) > 1 else "# nothing to propose"


def _step(step: Mapping[str, Any]) -> str:
    flow = yaml.safe_dump(dict(step), default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return f"      - {flow.strip()}"
