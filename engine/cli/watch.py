"""The command that follows announcements: it runs a pipeline again whenever there are new batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.text import Text

from engine.cli.arguments import listing, overrides_of
from engine.cli.commands import write_report
from engine.cli.progress import Progress
from engine.cli.show import console_of, show_error, show_run
from engine.config.compose import load
from engine.errors import ConfigError
from engine.names import span
from engine.watch import Turn
from engine.watch import watch as turns


def watch(arguments: Sequence[str]) -> int:
    """Run a pipeline whenever new batches of its datasets are announced, on what was ingested; Ctrl-C ends it.

    Sources are not looked at: `levada ingest`, in another process, brings in what is new. It waits until every dataset has a
    batch.
    """
    parser = listing("watch")
    parser.add_argument("--once", action="store_true", help="see to what was announced so far, and leave")
    parser.add_argument("--every", default="2s", help="how often to look (500ms, 2s, 1m)")
    options, rest = parser.parse_known_args(arguments)
    try:
        every = span(options.every).total_seconds()
    except ValueError as error:
        raise ConfigError(str(error), where="--every") from None
    spec = load(overrides_of("watch", rest), options.config_dir)
    with Progress() as progress:
        for turn in turns(spec, every=every, once=options.once, watchers=[progress]):
            _show(turn, as_json=options.json)
            if options.once:
                turn.raise_failure()
    return 0


def _show(turn: Turn, *, as_json: bool) -> None:
    """Print what came of a turn: a line that says what was new, then as for any run."""
    now = datetime.now().astimezone()
    console = console_of()
    if turn.missing:
        line = f"waiting for a batch of {', '.join(turn.missing)}"
    else:
        new: dict[str, int] = {}
        for batch in turn.batches:
            new[batch.dataset] = new.get(batch.dataset, 0) + 1
        line = ", ".join(f"{count} new batch{'es' * (count > 1)} of {name}" for name, count in new.items())
    if as_json:
        found = turn.run.summary if turn.run is not None else None
        print(
            json.dumps({"missing": list(turn.missing), "batches": [one.id for one in turn.batches], "run": found}), flush=True
        )
    else:
        console.print(Text(f"{now:%H:%M:%S} {line}"))
    if turn.run is not None and not as_json:
        from engine.report import render_run

        folder = Path("outputs") / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}"
        show_run(turn.run.summary, write_report(folder, turn.run.summary, render_run(dict(turn.run.summary))))
    if turn.error is not None:
        show_error(turn.error)
