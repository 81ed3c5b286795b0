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
    for kind, step in (("variants", "normalize_text"), ("numbers_mixed", "parse_number")):
        if kind in columns:
            prepare.append({"use": step, "columns": columns[kind]})
    times = [one.columns[0] for one in by.get("dates_as_text", []) if any("-" in text for text in one.detail["formats"])]
    if times:
        prepare.append({"use": "parse_time", "columns": times})
    numbers = [one.columns[0] for one in by.get("numbers_as_text", []) if "number" in one.detail["formats"]]
    if numbers:
        prepare.append({"use": "cast", "columns": dict.fromkeys(numbers, "Float64")})
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
