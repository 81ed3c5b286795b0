"""The command that reads the feature store: versions of views, their columns, and ranges of their rows."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.text import Text

from engine import views
from engine.cli.arguments import listing, overrides_of
from engine.cli.show import console_of, print_json, size, table_of
from engine.config.compose import load_store
from engine.config.spec import Store
from engine.errors import ConfigError
from engine.records import plain_rows

_WORDS = ("version", "as_of", "since", "until")


def features(arguments: Sequence[str]) -> int:
    """List the versions of VIEW's features, or of all views, newest last.

    version=ID or as_of=TIME|BATCH names one. since=X, until=Y, COLUMN=VALUE and --rows show rows of it, --out writes them.
    """
    parser = listing("features")
    parser.add_argument("--schema", action="store_true", help="what the columns mean, and what each was made of")
    parser.add_argument("--rows", type=int, help="how many rows to show; 10 where a range is asked for")
    parser.add_argument("--out", metavar="FILE", help="write the rows to FILE.parquet, FILE.csv or FILE.arrow")
    options, rest = parser.parse_known_args(arguments)
    view, asked, where, overrides = _sorted(overrides_of("features", rest))
    store = load_store(overrides, options.config_dir)
    named: dict[str, Any] = {name: asked[name] for name in ("version", "as_of") if name in asked}
    ranged: dict[str, Any] = {name: asked[name] for name in ("since", "until") if name in asked}
    wants_rows = bool(ranged or where or options.out or options.rows is not None)
    if view is None and (asked or where or options.schema or wants_rows):
        raise ConfigError("of which view?", hint="levada features VIEW …; `levada features` lists what there is")
    if view is not None and options.schema:
        _show_schema(views.describe_version(store, view, **named), as_json=options.json)
    elif view is not None and wants_rows:
        _show_rows(views.features(store, view, **named, **ranged, where=where), options)
    else:
        _show_versions(store, view, named, as_json=options.json)
    return 0


def _sorted(texts: Sequence[str]) -> tuple[str | None, dict[str, str], dict[str, list[str]], list[str]]:
    """Return the view, the command's own words, the values that columns may have, and overrides, which name the store."""
    views_named, overrides = [text for text in texts if "=" not in text], []
    if len(views_named) > 1:
        raise ConfigError(f"one word too many: '{views_named[1]}'", hint="`levada features --help`")
    asked: dict[str, str] = {}
    where: dict[str, list[str]] = {}
    for text in (one for one in texts if "=" in one):
        name, _, value = text.partition("=")
        if name in _WORDS:
            asked[name] = value
        elif name in ("store", "pipeline") or name.startswith(("store.", "hydra.", "+")):
            overrides.append(text)
        else:
            where.setdefault(name, []).append(value)
    return (views_named[0] if views_named else None), asked, where, overrides


def _show_versions(store: Store, view: str | None, named: Mapping[str, Any], *, as_json: bool) -> None:
    found = views.list_versions(store, view, **named)
    if as_json:
        print_json(found)
        return
    table = table_of("version", "view", "definition", "batches", "rows", "size", "columns", "pieces", "created", "run")
    for column in table.columns[3:8]:
        column.justify = "right"
    for one in found:
        gone = one["retired"] is not None
        table.add_row(
            one["id"],
            one["view"],
            one["definition"][:12],
            f"{one['batches']:,}",
            f"{one['rows']:,}",
            "cleared away" if gone else size(one["bytes"]),
            f"{one['columns']:,}",
            f"{one['partitions']:,}",
            datetime.fromisoformat(one["created"]).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            one["run"][:13],
            style="dim" if gone else None,
        )
    console_of().print(table if found else Text("no features yet"))


def _show_schema(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    console = console_of()
    console.print(Text(f"version {found['id']} of {found['view']}", style="bold"))
    if found["chosen_by"]["steps"]:
        console.print(Text(f"rows chosen by {_steps(found['chosen_by']['steps'])}"))
    table = table_of("column", "type", "from", "made by", "meaning")
    for one in found["columns"]:
        table.add_row(
            *(Text(text) for text in (one["name"], one["type"], ", ".join(one["raw"]), _steps(one["steps"]))),
            Text(one["description"]),
        )
    console.print(table)


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(_step(step) for step in steps)


def _step(step: Mapping[str, Any]) -> str:
    """Return a step in the way of YAML, without what it is not told."""
    told = ((name, value) for name, value in step.items() if name not in ("place", "use") and value not in (None, False, []))
    words = ", ".join(f"{name}: {_said(value)}" for name, value in told)
    return f"{step.get('use', 'join')} ({words})" if words else str(step.get("use", "join"))


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(_said(one) for one in value)}]" if isinstance(value, list) else str(value)


def _show_rows(frame: pl.LazyFrame, options: argparse.Namespace) -> None:
    if options.out:
        count = views.write_rows(frame, Path(options.out))
        if options.json:
            print_json({"file": options.out, "rows": count})
        else:
            console_of().print(Text(f"{count:,} rows written to {options.out}"))
        return
    first = frame.head(10 if options.rows is None else options.rows)
    if options.json:
        print_json(plain_rows(first))
        return
    shown, counted = pl.collect_all([first, frame.select(pl.len())])
    count, console = counted.item(), console_of()
    if shown.height:
        with pl.Config(
            tbl_rows=-1, tbl_cols=max(2, console.width // 14), tbl_hide_dataframe_shape=True, tbl_width_chars=console.width
        ):
            console.print(Text(str(shown)))
    more = count - shown.height
    console.print(Text(f"{count:,} rows" if not more else f"{more:,} more; --rows N shows N, --out FILE writes all {count:,}"))
