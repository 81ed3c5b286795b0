"""The command that says in what condition the data is, and what would settle what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from engine.cli.arguments import listing, overrides_of
from engine.cli.progress import Progress
from engine.cli.show import console_of, print_json, table_of
from engine.config.compose import load

_STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}


def assess(arguments: Sequence[str]) -> int:
    """Say in what condition the datasets of a pipeline are, or one DATASET: what is wrong, in which rows, what to do."""
    from engine.assess.propose import text_of
    from engine.assessment import assess_pipeline

    parser = listing("assess")
    parser.add_argument("--propose", action="store_true", help="print YAML that would settle what was found, ready to paste")
    options, rest = parser.parse_known_args(arguments)
    words = [text for text in rest if "=" not in text and not text.startswith("-")]
    spec = load(overrides_of("assess", [text for text in rest if text not in words]), options.config_dir)
    with Progress() as progress:
        found = assess_pipeline(spec, words or None, watchers=[progress])
    if options.json:
        print_json(found.proposals if options.propose else found.summary)
    elif options.propose:
        print(text_of(found.proposals))
    else:
        for one in found.summary["datasets"]:
            _show(one)
        if any(part for one in found.proposals.values() for part in one.values()):
            command = " ".join(["levada", "assess", *rest, "--propose"])
            console_of().print(Text(f"next     {command} prints YAML that would settle some of this"))
    found.raise_failure()
    return 0


def _show(dataset: Mapping[str, Any]) -> None:
    console = console_of()
    many = "batch" if dataset["batches"] == 1 else "batches"
    facts = f"{dataset['rows']:,} rows, {dataset['columns']} columns, {dataset['batches']} {many}"
    console.print(Text(f"{dataset['name']}: {facts}", style="bold"))
    if not dataset["findings"]:
        console.print(Text("nothing to report", style="green"))
        return
    table = table_of("severity", "column", "what", "rows", "for example", "what to do")
    table.columns[3].justify = "right"
    for one in dataset["findings"]:
        columns = ", ".join(one["columns"][:3]) + (f" and {len(one['columns']) - 3} more" if len(one["columns"]) > 3 else "")
        examples = "; ".join(_example(example) for example in one["examples"][:2])
        rows = f"{one['count']:,}" if one["count"] else ""
        table.add_row(
            Text(one["severity"], style=_STYLES[one["severity"]]),
            Text(columns),
            Text(one["message"]),
            rows,
            Text(examples),
            Text(one["advice"]),
        )
    console.print(table)


def _example(example: Mapping[str, Any]) -> str:
    value = f"'{example['value'][:30]}' in " if example["value"] else ""
    return f"{value}{Path(example['file']).name} row {example['row']:,}"
