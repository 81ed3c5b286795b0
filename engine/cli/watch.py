"""The command that follows announcements: it runs a pipeline again whenever there are new batches."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.text import Text

from engine.cli.arguments import listing, overrides_of
from engine.cli.commands import write_report
from engine.cli.progress import Progress
from engine.cli.show import console_of, show_error, show_run, show_tracked
from engine.config.compose import load
from engine.config.spec import PipelineSpec
from engine.errors import ConfigError, Interrupted, LevadaError
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
    for turn in turns(spec, every=every, once=options.once):
        _announce(turn, as_json=options.json)
        if turn.spec is None:
            continue
        try:
            _run(turn.spec, as_json=options.json)
        except Interrupted:
            raise
        except LevadaError as error:  # the next announcement may put it right
            if options.once:
                raise
            show_error(error)
    return 0


def _announce(turn: Turn, *, as_json: bool) -> None:
    """Print a line that says what is new, or what is waited for."""
    if as_json:
        print(json.dumps({"missing": list(turn.missing), "batches": [batch.id for batch in turn.batches]}), flush=True)
        return
    new = Counter(batch.dataset for batch in turn.batches)
    parts = [f"{count} new batch{'es' * (count > 1)} of {name}" for name, count in new.items()]
    parts += [f"waiting for a batch of {', '.join(turn.missing)}"] if turn.missing else []
    console_of().print(Text(f"{datetime.now().astimezone():%H:%M:%S} {', '.join(parts)}"))


def _run(spec: PipelineSpec, *, as_json: bool) -> None:
    """Run the pipeline, tell what came of it as ``levada run`` does, and raise what went wrong."""
    from engine.report import render_run
    from engine.runs import run_pipeline
    from engine.tracking import track_run

    started, now = time.perf_counter(), datetime.now().astimezone()
    with Progress() as progress:
        found = run_pipeline(spec, overrides=[f"view.as_of={spec.view.as_of}"], watchers=[progress])
    report = write_report(Path("outputs") / f"{now:%Y-%m-%d/%H-%M-%S}", found.summary, render_run(dict(found.summary)))
    if as_json:
        print(json.dumps(found.summary), flush=True)
    else:
        show_run(found.summary, report, started)
    show_tracked(track_run(found), as_json=as_json)
    found.raise_failure()
