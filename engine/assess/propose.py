"""Writes the ``expect`` and ``prepare`` that would settle findings, only of plugins that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from engine.assess.finding import Finding
from engine.registry import names

Step = dict[str, Any]

CHECKED = frozenset({"key_missing", "outliers", "rare_level", "odd_form"})
"""The kinds of findings that a check settles, which sets rows aside and changes no column."""


def propose(findings: Sequence[Finding], known: Mapping[str, Sequence[str]] | None = None) -> dict[str, list[Step]]:
    """Return ``expect`` and ``prepare`` as plain data: empty lists where nothing has to be settled.

    What is under ``prepare`` goes before the steps that a pipeline has, ``prepare_after`` behind them; ``perhaps`` goes under
    ``prepare`` too, where a person finds that it is right. ``known`` are the names of checks and transformers, by kind;
    left out, those of the registry.
    """
    known = known or {kind: names(kind) for kind in ("check", "transformer")}
    copies = next((one.detail["key"] for one in findings if one.kind == "rows_repeated" and one.detail.get("key")), None)
    expect = [step for one in findings for step in _check(one)]
    if copies:
        expect.append({"use": "unique", "columns": copies})
    spelled = {one.columns for one in findings if one.kind == "variants"}  # which takes blanks for missing as well
    repairs = sorted((one for one in findings if one.kind != "blank" or one.columns not in spelled), key=_turn)
    prepare = [step for one in repairs for step in _repair(one)]
    # what key columns are is the pipeline's own business: whole rows that are equal are safe to drop, rows of one key are not
    if copies is None and any(one.kind == "rows_repeated" for one in findings):
        prepare.append({"use": "deduplicate"})
    prepare += _dropped(one for one in findings if one.kind == "empty" or (one.kind == "constant" and not _is_flag(one)))
    perhaps = [step for one in findings for step in _perhaps(one)]
    return {
        "expect": [step for step in expect if step["use"] in known["check"]],
        "prepare": [step for step in prepare if step["use"] in known["transformer"]],
        "prepare_after": _dropped(one for one in findings if one.kind == "leak"),
        "perhaps": [step for step in perhaps if step["use"] in known["transformer"]],
    }


def _check(one: Finding) -> list[Step]:
    if one.kind == "key_missing":
        return [{"use": "not_null", "columns": list(one.columns)}]
    if one.kind == "outliers" and one.severity == "warning":
        return [{"use": "between", "column": one.columns[0], "min": one.detail["min"], "max": one.detail["max"]}]
    if one.kind == "rare_level":
        return [{"use": "in_set", "column": one.columns[0], **one.detail}]
    if one.kind == "odd_form":
        return [{"use": "matches", "column": one.columns[0], **one.detail}]
    return []


_ORDER = ("variants", "blank", "misspelt", "dates_as_text", "dates_mixed", "numbers_as_text", "numbers_mixed", "constant")


def _turn(one: Finding) -> int:
    """Return when a repair is due: how words are spelled is settled before which words are meant."""
    return _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER)


def _repair(one: Finding) -> list[Step]:
    columns = list(one.columns)
    if one.kind == "variants":
        return [{"use": "normalize_text", "columns": columns, **one.detail}]
    if one.kind == "blank":
        return [{"use": "normalize_text", "columns": columns}]
    if one.kind == "misspelt":
        return [{"use": "replace", "columns": columns, **one.detail}]
    if one.kind == "constant" and _is_flag(one):
        return [{"use": "fill", "columns": columns, "value": one.detail["otherwise"]}]
    return _parsed(one) if "formats" in one.detail else []


def _is_flag(one: Finding) -> bool:
    """Say whether a column says something by having its one value or not."""
    return "otherwise" in one.detail


def _perhaps(one: Finding) -> list[Step]:
    if one.kind == "outliers" and one.severity == "note":
        return [{"use": "clip", "columns": list(one.columns), "min": one.detail["min"], "max": one.detail["max"]}]
    return [{"use": "drop", "columns": [one.columns[1]]}] if one.kind == "correlated" else []


def _dropped(findings: Any) -> list[Step]:
    gone = sorted({name for one in findings for name in one.columns})
    return [{"use": "drop", "columns": gone}] if gone else []


_WRITTEN = {"date 2013-01-31": "%Y-%m-%d", "date 31.01.2013": "%d.%m.%Y"}
"""The formats that can be read in one way only: in 01/02/2013 either may be the month."""

_FEW = 0.05  # of the texts of a column, that may become missing for being of no format


def _parsed(finding: Finding) -> list[Step]:
    """Return the step that reads a column of text; none where too much of it could not be read."""
    formats, columns = sorted(finding.detail["formats"]), list(finding.columns)
    read = sum(finding.detail["formats"].values())
    if finding.total - read > _FEW * finding.total:
        return []
    rest = {} if finding.detail["pure"] else {"strict": False}
    if all(one in _WRITTEN for one in formats):
        written = [_WRITTEN[one] for one in formats]
        return [{"use": "parse_time", "columns": columns, "format": written[0] if len(written) == 1 else written, **rest}]
    if formats == ["time 2013-01-31T10:00:00"]:
        return [{"use": "parse_time", "columns": columns, "time_zone": "UTC", **rest}]
    if formats == ["number"]:
        return [{"use": "parse_number", "columns": columns, **rest}]
    if formats == ["number with a comma"]:
        return [{"use": "parse_number", "columns": columns, "decimal": ",", **rest}]
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
        prepare = [*map(_step, parts["prepare"])]
        perhaps = [f"      # perhaps {_step(step).strip()}" for step in parts["perhaps"]]
        after = [*map(_step, parts["prepare_after"])]
        if prepare or after:
            lines += ["    prepare:", *prepare, *perhaps, "      # here the steps that are there", *after]
        elif perhaps:
            lines += ["    # prepare:", *perhaps]
    return "\n".join(lines) if len(lines) > 1 else "# nothing to propose"


def _step(step: Mapping[str, Any]) -> str:
    flow = yaml.safe_dump(dict(step), default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return f"      - {flow.strip()}"
