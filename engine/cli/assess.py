"""The command that says in what condition the data is, and what would settle what is wrong with it."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from engine.cli.arguments import listing, overrides_of
from engine.cli.progress import Progress
from engine.cli.show import console_of, print_json
from engine.config.compose import load

_STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}
_WIDTH = 100  # columns of what is printed
_NAMES, _ROWS = 26, 9  # columns of names, and of numbers of rows


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
            command = shlex.join(["levada", "assess", *rest, "--propose"])
            console_of().print(Text(f"next     {command} prints YAML that would settle some of this"))
    found.raise_failure()
    return 0


def _show(dataset: Mapping[str, Any]) -> None:
    """Print a dataset: a finding a line, or more where it does not fit, and below it where to look and what to do."""
    console = console_of()
    many = "batch" if dataset["batches"] == 1 else "batches"
    facts = f"{dataset['rows']:,} rows, {dataset['columns']} columns, {dataset['batches']} {many}"
    console.print(Text(f"{dataset['name']}: {facts}", style="bold"))
    if not dataset["findings"]:
        console.print(Text("nothing to report", style="green"))
    for one in dataset["findings"]:
        for text in _lines(one):
            console.print(text)
    if dataset["settled"]:
        told = ", ".join(
            f"{' and '.join(one['columns']) or 'rows'} ({one['kind'].replace('_', ' ')}, by {one['by']})"
            for one in dataset["settled"]
        )
        for line in textwrap.wrap(f"settled  by the pipeline: {told}", _WIDTH, subsequent_indent=" " * 9):
            console.print(Text(line, style="dim"))


def _lines(one: Mapping[str, Any]) -> list[Text]:
    columns = ", ".join(one["columns"][:3]) + (f" and {len(one['columns']) - 3} more" if len(one["columns"]) > 3 else "")
    left, wide = 9 + _NAMES + 2, _WIDTH - 9 - _NAMES - 2 - 2 - _ROWS
    what = textwrap.wrap(one["message"], wide) or [""]
    names = textwrap.wrap(columns, _NAMES) or [""]
    rows = f"{one['count']:,}" if one["count"] else ""
    examples = " and ".join(_example(example) for example in one["examples"][:2])
    below = textwrap.wrap("; such as ".join(filter(None, [one["advice"], examples])), _WIDTH - left)
    lines = [Text(f"{one['severity']:<9}", style=_STYLES[one["severity"]])]
    lines[0].append(f"{names[0]:<{_NAMES}}  {what[0]:<{wide}}  {rows:>{_ROWS}}".rstrip(), style="default")
    names, what = names[1:], what[1:]
    rest = [(text, "default") for text in what] + [(text, "dim") for text in below]
    for number in range(max(len(names), len(rest))):
        name = names[number] if number < len(names) else ""
        text, style = rest[number] if number < len(rest) else ("", "default")
        line = Text(f"{'':9}{name:<{_NAMES}}  ")
        line.append(text, style=style)
        line.rstrip()
        lines.append(line)
    return lines


def _example(example: Mapping[str, Any]) -> str:
    value = f"'{example['value'][:30]}' in " if example["value"] else ""
    return f"{value}{Path(example['file']).name} row {example['row']:,}"
