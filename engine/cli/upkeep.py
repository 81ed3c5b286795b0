"""The commands that look after a store: ``levada fsck`` and ``levada gc``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from engine.cli.arguments import listing, overrides_of
from engine.cli.show import console_of, size, table_of
from engine.config.compose import load_store
from engine.errors import Corrupt


def fsck(arguments: Sequence[str]) -> int:
    """Read all that a store holds and say what is missing or not what was written; the exit code is 3 if anything is."""
    from engine.upkeep import fsck as check

    options, rest = listing("fsck").parse_known_args(arguments)
    found = check(load_store(overrides_of("fsck", rest), options.config_dir))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _show_findings(found)
    return Corrupt.exit_code if found["errors"] else 0


def gc(arguments: Sequence[str]) -> int:
    """Say what of a store nothing names any more; with --delete, clear it away."""
    from engine.upkeep import gc as clear
    from engine.upkeep import seconds_of

    parser = listing("gc")
    parser.add_argument("--delete", action="store_true", help="clear it away; without it, it is only listed")
    parser.add_argument(
        "--grace", default="24h", help="how old it must be (90s, 30m, 2h, 1d); longer than the longest batch takes to be read"
    )
    options, rest = parser.parse_known_args(arguments)
    grace = seconds_of(options.grace)
    found = clear(load_store(overrides_of("gc", rest), options.config_dir), grace, delete=options.delete)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _show_garbage(found)
    return 0


def _show_findings(found: Mapping[str, Any]) -> None:
    console = console_of()
    for one in found["findings"]:
        style = "red" if one["severity"] == "error" else "yellow"
        console.print(Text(f"{one['severity']:<8} {one['problem']:<11}{one['path']}", style=style))
        told = {"of": one["what"], "expected": one["expected"], "found": one["found"]}
        for name, text in told.items():
            if text:
                console.print(Text(f"         {name:<10} {text}"))
    checked, errors = found["checked"], found["errors"]
    notes = len(found["findings"]) - errors
    amount = f"{checked['files']:,} files ({size(checked['bytes'])}) of {checked['batches']:,} batches and "
    console.print(Text(f"checked  {amount}{checked['results']:,} results"))
    if errors:
        console.print(
            Text(f"{errors} errors, {notes} notes: bring back what is missing, or remove what is damaged", style="red")
        )
    elif notes:
        console.print(Text(f"no errors; {notes} results are gone and will be made anew", style="yellow"))
    else:
        console.print(Text("all is as it was written", style="green"))


def _show_garbage(found: Mapping[str, Any]) -> None:
    console = console_of()
    if found["files"]:
        table = table_of("size", "hours old", "file", right_from=0, left_last=True)
        for one in found["files"]:
            table.add_row(size(one["bytes"]), f"{one['age'] / 3600:.1f}", Text(one["path"]))
        console.print(table)
    if found["features"]:
        table = table_of("size", "rows", "version of features", "view", right_from=0, left_last=True)
        for one in found["features"]:
            table.add_row(size(one["bytes"]), f"{one['rows']:,}", one["id"], one["view"])
        console.print(table)
    if found["waits"]:
        console.print(Text("versions of features wait: a run may be reading them", style="yellow"))
    words = {
        "files": "files",
        "features": "versions of features",
        "temporary": "temporary folders",
        "reservations": "reservations",
        "memories": "results to forget",
    }
    counts = ", ".join(f"{len(found[key])} {text}" for key, text in words.items() if found[key])
    if not counts:
        console.print(Text("nothing to clear away", style="green"))
    elif found["deleted"]:
        console.print(Text(f"cleared away: {counts}; {size(found['bytes'])}"))
    else:
        console.print(Text(f"to be cleared away: {counts}; {size(found['bytes'])}. --delete does it"))
