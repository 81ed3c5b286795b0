"""The command that divides the rows of a view, says what is doubtful about the parts, and writes one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from engine.cli.arguments import listing, overrides_of, own_words
from engine.cli.progress import Progress
from engine.cli.show import console_of, print_json, show_warnings, table_of
from engine.config.compose import load
from engine.errors import ConfigError, unknown
from engine.plugin import PARTS

_CLASSES = 6  # that have a column each


def split(arguments: Sequence[str]) -> int:
    """Say how the rows of a pipeline's view are divided and what is doubtful about it; besides overrides: part=PART.

    part=train, validation or test writes its rows to a file; labels=false leaves out the target, format=parquet, csv or arrow.
    """
    from engine.runs import segregate_pipeline
    from engine.views import write_rows

    parser = listing("split")
    parser.add_argument("--out", metavar="FILE", help="the file to write; by default PIPELINE-PART.FORMAT where you stand")
    options, rest = parser.parse_known_args(arguments)
    own, overrides = own_words(overrides_of("split", rest), ("part", "labels", "format"))
    part, labels, form = _asked(own, options.out)
    spec = load(overrides, options.config_dir)
    with Progress() as progress:
        found, summary = segregate_pipeline(spec, overrides=overrides, watchers=[progress])
    written: dict[str, Any] = {}
    if part is not None:
        chosen = found.split(part, labels=labels)
        out = Path(options.out or f"{spec.name}-{part}.{form or 'parquet'}")
        written = {"part": part, "file": str(out), "rows": write_rows(chosen.rows, out, form)}
    if options.json:
        print_json({**summary, "written": written or None})
        return 0
    console = console_of()
    console.print(_table(summary["split"]))
    show_warnings(console, summary)
    if written:
        console.print(Text(f"{written['rows']:,} rows written to {written['file']}"))
    return 0


def _asked(own: Mapping[str, str], out: str | None) -> tuple[str | None, bool, str | None]:
    """Return the part to write, whether with labels, and the format; None where the name of the file says it."""
    from engine.views import FORMATS

    part, labels, form = own.get("part"), own.get("labels", "true").lower(), own.get("format")
    if part is None and (len(own) or out):
        raise ConfigError("which part is to be written?", where="part", expected="one of " + ", ".join(PARTS))
    if part is not None and part not in PARTS:
        raise unknown("part", part, PARTS, where="part")
    if labels not in ("true", "false"):
        raise ConfigError("labels are wanted or not", where="labels", expected="true or false", found=own["labels"])
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS, where="format")
    return part, labels == "true", form


def _table(parts: Sequence[Mapping[str, Any]]) -> Table:
    """Return the parts, a line each: rows and share, the span of time, the share of each class where they are few."""
    timed = any("from" in entry for entry in parts)
    classes = list(dict.fromkeys(name for entry in parts for name in entry.get("classes", {})))
    classes = classes if len(classes) <= _CLASSES else []
    table = table_of("part", "rows", "share", *(["from", "to"] if timed else []), *classes, right_from=1)
    for entry in parts:
        span = [entry.get("from", ""), entry.get("to", "")] if timed else []
        total = sum(entry.get("classes", {}).values())
        shares = [f"{entry['classes'].get(name, 0) / total:.1%}" if total else "" for name in classes]
        table.add_row(entry["part"], f"{entry['rows']:,}", f"{entry['share']:.1%}", *span, *shares)
    return table
