"""The commands that say what the store holds: batches, one of them in full, the quarantine, events. And the replay."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml
from rich.text import Text

from engine import records
from engine.cli.arguments import listing, overrides_of
from engine.cli.progress import Progress
from engine.cli.show import console_of, print_json, show_warnings, size, table_of
from engine.config.compose import load, load_store
from engine.config.spec import Store
from engine.errors import ConfigError
from engine.intake import replay_quarantine


def batches(arguments: Sequence[str]) -> int:
    """List the batches that were committed, of all datasets or of DATASET, newest last."""
    options, words, store = _asked(listing("batches"), "batches", arguments, at_most=1)
    found = records.list_batches(store, *words)
    if options.json:
        print_json(found)
        return 0
    table = table_of("batch", "dataset", "no.", "mode", "read", "loaded", "quarantined", "pieces", "created", "by", "run")
    for column in table.columns[2:3] + table.columns[4:8]:
        column.justify = "right"
    for one in found:
        numbers = (f"{one[key]:,}" for key in ("rows_in", "rows", "quarantined", "partitions"))
        mode = "replay" if one["replays"] else one["mode"]
        by = one["by"], one["run"][:13]
        table.add_row(one["id"], one["dataset"], str(one["sequence"]), mode, *numbers, _local(one["created"]), *by)
    console_of().print(table if found else Text("no batches yet"))
    return 0


def show(arguments: Sequence[str]) -> int:
    """Show all that is recorded of BATCH: an id, the beginning of one, or DATASET:SEQUENCE such as flights:3."""
    parser = listing("show")
    parser.add_argument("--rows", type=int, default=0, help="so many of its rows too")
    options, words, store = _asked(parser, "show", arguments, at_most=1)
    if not words:
        raise ConfigError("which batch?", hint="levada show BATCH; `levada batches` lists them")
    found = records.show_batch(store, words[0], options.rows)
    if options.json:
        print_json(found)
        return 0
    console = console_of()
    console.print(Text(f"batch {found['id']}", style="bold"))
    for name, text in _facts(found):
        console.print(Text(f"  {name:<12}{text}"))
    for piece in found["pieces"]:
        console.print(Text(f"piece {piece['number']}: {piece['source']}", style="bold"))
        for name, text in _piece_facts(piece):
            console.print(Text(f"  {name:<12}{text}"))
    if found["first_rows"]:
        rows = [{name: value for name, value in row.items() if name != records.PARTITION} for row in found["first_rows"]]
        console.print(_rows(rows))
    return 0


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("dataset", f"{found['dataset']}, number {found['sequence']}, mode {found['mode']}"),
        ("created", f"{_local(found['created'])} by {found['by']}"),
        ("run", found["run"]),
        ("rows", f"{found['rows_in']:,} read, {found['rows']:,} loaded, {found['quarantined']:,} quarantined"),
        ("columns", ", ".join(f"{name} {dtype}" for name, dtype in found["columns"])),
        ("source", _flow(found["source"]) if found["source"] else ""),
        ("fingerprint", found["fingerprint"]),
        ("definition", found["definition"]),
        ("adopts", found["adopts"]),
        ("replays", ", ".join(found["replays"])),
        ("goes on with", ", ".join(found["carried"])),
        ("watermark", found["watermark"]),
    ]
    if found["backfill"] is not None:
        column, since, until = (found["backfill"][key] for key in ("column", "since", "until"))
        facts.append(("backfill", f"{column or 'files'} from {since or 'the first'} until {until or 'the last'}"))
    return [(name, text) for name, text in [*facts, *(("drift", line) for line in found["drift"])] if text]


def _flow(source: Mapping[str, Any]) -> str:
    """Return how an extractor is written in YAML, on one line, its name first."""
    ordered = {"use": source["use"]} | {name: value for name, value in source.items() if value not in (None, {}, [])}
    return str(yaml.safe_dump(ordered, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)).strip()


def _piece_facts(piece: Mapping[str, Any]) -> list[tuple[str, str]]:
    loaded, aside = piece["loaded"], piece["aside"]
    facts = [
        ("fingerprint", piece["fingerprint"]),
        ("rows", f"{piece['rows_in']:,} read, {loaded['rows']:,} loaded, {piece['quarantined']:,} quarantined"),
        ("loaded", f"{loaded['path']}  {size(loaded['bytes'])}  {loaded['digest']}"),
        *([("set aside", f"{aside['path']}  {size(aside['bytes'])}  {aside['digest']}")] if aside is not None else []),
    ]
    for reason in piece["reasons"]:
        kept = " (kept)" if reason["on_fail"] == "warn" else ""
        facts.append(("broken", f"{reason['check']}: {reason['rows']:,} rows{kept}, the first is row {reason['first']:,}"))
    if piece["held"]:
        without = "; ".join(f"{column} from {since} until {until}" for column, since, until in piece["without"])
        return [*facts, ("now", f"in the dataset, but for {without}" if without else "in the dataset")]
    by = f": batch {piece['replaced_by']} took its place" if piece["replaced_by"] else ""
    return [*facts, ("now", f"not in the dataset{by}")]


def quarantine(arguments: Sequence[str]) -> int:
    """Say what is in quarantine, and of DATASET also which rows; `quarantine replay` brings in those that pass by now."""
    parser = listing("quarantine")
    parser.add_argument("--rows", type=int, default=10, help="how many rows of the dataset to show; 10 by default")
    options, rest = parser.parse_known_args(arguments)
    if rest[:1] == ["replay"]:
        return _replay(options, rest[1:])
    words, overrides = _words("quarantine", rest, at_most=1)
    store = load_store(overrides, options.config_dir)
    found = records.quarantine(store, words[0] if words else None, options.rows)
    if options.json:
        print_json(found)
        return 0
    console = console_of()
    if not found["rows"]:
        console.print(Text("nothing is in quarantine"))
        return 0
    table = table_of("dataset", "rows", "first", "check", "source")
    for column in table.columns[1:3]:
        column.justify = "right"
    for one in found["reasons"]:
        table.add_row(one["dataset"], f"{one['rows']:,}", f"{one['first']:,}", one["check"], one["source"])
    console.print(table)
    if found["first_rows"]:
        console.print(Text())
        console.print(_rows_aside(found["first_rows"]))
    more = found["rows"] - len(found["first_rows"])
    if words and more:
        console.print(Text(f"{more:,} more; --rows N shows N of them"))
    return 0


def _rows_aside(rows: Sequence[Mapping[str, Any]]) -> Any:
    table = table_of("source", "row", "check", "values")
    table.columns[1].justify = "right"
    for row in rows:
        text = (
            row["raw"] if row["raw"] is not None else ", ".join(f"{key}={_said(value)}" for key, value in row["values"].items())
        )
        table.add_row(row["source"], f"{row['row']:,}", row["check"], Text(text))
    return table


def _replay(options: argparse.Namespace, rest: Sequence[str]) -> int:
    words, overrides = _words("quarantine", rest, at_most=1)
    spec = load(overrides, options.config_dir)
    with Progress() as progress:
        found = replay_quarantine(spec, words[0] if words else None, watchers=[progress])
    if options.json:
        print_json(found.summary)
    else:
        console = console_of()
        console.print(_replayed(found.summary["datasets"]))
        show_warnings(console, found.summary)
    found.raise_failure()
    return 0


def _replayed(datasets: Sequence[Mapping[str, Any]]) -> Any:
    table = table_of("dataset", "in quarantine", "brought in", "left", "batch")
    for column in table.columns[1:4]:
        column.justify = "right"
    for one in datasets:
        style = "red" if one["failures"] else None
        if not one["rows_in"]:
            said = "failed" if one["failures"] else "nothing to replay"
            table.add_row(one["name"], "", "", "", said, style=style)
            continue
        numbers = (f"{number:,}" for number in (one["rows_in"], one["rows"], one["rows_in"] - one["rows"]))
        table.add_row(one["name"], *numbers, one["batch"] or "none: no row keeps the rules yet", style=style)
    return table


def events(arguments: Sequence[str]) -> int:
    """List what was announced, oldest first: the events of TOPIC, which is batch.committed unless it is said."""
    options, words, store = _asked(listing("events"), "events", arguments, at_most=1)
    found = records.events(store, *words)
    if options.json:
        print_json(found)
        return 0
    table = table_of("offset", "time", "key", "payload")
    table.columns[0].justify = "right"
    for one in found:
        payload = ", ".join(f"{name}={value}" for name, value in one["payload"].items())
        table.add_row(str(one["offset"]), _local(one["time"]), one["key"], Text(payload))
    console_of().print(table if found else Text("no events yet"))
    return 0


def _asked(
    parser: argparse.ArgumentParser, command: str, arguments: Sequence[str], *, at_most: int
) -> tuple[argparse.Namespace, list[str], Store]:
    """Return the flags of a command, its words, and the store that its overrides name."""
    options, rest = parser.parse_known_args(arguments)
    words, overrides = _words(command, rest, at_most=at_most)
    return options, words, load_store(overrides, options.config_dir)


def _words(command: str, rest: Sequence[str], *, at_most: int) -> tuple[list[str], list[str]]:
    """Return the words and the overrides among arguments: a word has no ``=``."""
    texts = overrides_of(command, rest)
    words = [text for text in texts if "=" not in text]
    if len(words) > at_most:
        raise ConfigError(f"one word too many: '{words[at_most]}'", hint=f"`levada {command} --help`")
    return words, [text for text in texts if "=" in text]


def _rows(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return rows that people look at as a table."""
    table = table_of(*("row" if name == "__row__" else name for name in rows[0]))
    for row in rows:
        table.add_row(*(Text(_said(value)) for value in row.values()))
    return table


def _said(value: Any) -> str:
    return "" if value is None else str(value)


def _local(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
