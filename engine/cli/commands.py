"""The commands. Each takes its arguments and returns an exit code."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from engine.trials import Sweep, Trial

import hydra
from hydra._internal.utils import get_args_parser  # there is no public way to read the flags as Hydra does
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from engine.cli import show
from engine.cli.arguments import listing, overrides_of, own_words
from engine.cli.progress import Progress
from engine.config.compose import lenient, load, load_store, prepare_hydra, specify_config, translated
from engine.errors import ConfigError, LevadaError, unknown
from engine.plugin import Window
from engine.registry import KINDS, names


def run(arguments: Sequence[str]) -> int:
    """Run a pipeline, or with ``-m`` a sweep, the way Hydra runs its applications: all of its flags work."""
    flags = _hydra_flags(arguments)
    if flags.experimental_rerun is not None:
        raise ConfigError("--experimental-rerun is not allowed: it loads a pickle", hint="repeat the overrides instead")
    if (flags.config_path or "").startswith("pkg://"):
        raise ConfigError("--config-path may not name a Python package", hint="use --config-dir with a folder")
    prepare_hydra(flags.overrides, flags.config_dir)
    for resolver in ("oc.create", "oc.decode"):  # they would make keys such as _target_ out of text, for Hydra to act on
        OmegaConf.clear_resolver(resolver)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us as they are, and are explained in one place
    sys.argv = ["levada", *(lenient(argument) for argument in arguments)]
    with translated(), redirect_stderr(_WithoutHydrasLine(sys.stderr)):
        hydra.main(config_path="pkg://conf", config_name="config", version_base="1.3")(task)()
    return 0


def task(config: DictConfig) -> float | None:
    """Run one pipeline; Hydra calls this with the composed configuration. Returns the ranking metric."""
    from engine.report import render_run
    from engine.runs import run_pipeline
    from engine.tracking import track_run

    settings = HydraConfig.instance().cfg.hydra  # type: ignore[union-attr]  # Hydra has set it before it calls a task
    spec = specify_config(config, settings)
    with Progress() as progress:
        found = run_pipeline(spec, overrides=_given(settings), watchers=[progress])
    report = write_report(Path(settings.runtime.output_dir), found.summary, render_run(dict(found.summary)))
    show.show_run(found.summary, report)
    show.show_tracked(track_run(found))
    found.raise_failure()
    part = found.compiled.ranking
    return found.metrics[part].get(str(found.summary["question"]["metric"])) if part in found.metrics else None


def sweep(configs: Sequence[DictConfig], beside: Sequence[DictConfig], folder: Path, *, final: bool, identity: str) -> Sweep:
    """Run the trials of a multirun as one graph, print their ranking and write the sweep's report. The launcher calls this.

    ``beside`` are trials that nobody asked for: baselines. They run if there is one to compare with. Sweeps of one ``identity``
    are rounds of one, for the tracker.
    """
    from engine.report import render_sweep
    from engine.tracking import track_sweep
    from engine.trials import run_sweep

    trials = [_trial(config) for config in configs]
    if not all(isinstance(trial.spec, LevadaError) for trial in trials):
        trials += [_trial(config) for config in beside]
    with Progress() as progress:
        found = run_sweep(trials, final=final, watchers=[progress])
    report = write_report(folder, found.summary, render_sweep(dict(found.summary)))
    show.show_sweep(found.summary, report)
    show.show_tracked(track_sweep(found, trials, identity))
    return found


def _given(settings: DictConfig) -> tuple[str, ...]:
    """Return the overrides as they were given."""
    return tuple(override.removeprefix("++") for override in settings.overrides.task)


def _trial(config: DictConfig) -> Trial:
    from engine.trials import Trial

    settings = config.hydra
    overrides = _given(settings)
    try:
        return Trial(settings.job.num, overrides, specify_config(config, settings))
    except LevadaError as error:
        return Trial(settings.job.num, overrides, error)


def answer(found: Sweep, settings: DictConfig) -> float | None:
    """Return a trial's metric and leave its summary in its own folder. Raises what went wrong with it."""
    number = int(settings.job.num)
    if number in found.runs:
        folder = Path(settings.runtime.output_dir)
        (folder / "summary.json").write_text(json.dumps(found.runs[number].summary, indent=1), encoding="utf-8")
    return found.value(number)


def write_report(folder: Path, summary: Any, page: str) -> Path:
    """Write a report and the data that it was made of into Hydra's output folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    report = folder / "report.html"
    report.write_text(page, encoding="utf-8")
    return report


def ingest(arguments: Sequence[str]) -> int:
    """Bring what is new in a pipeline's sources into the raw store; besides overrides: datasets=[A,B] since=X until=Y."""
    from engine.intake import ingest_pipeline

    options, rest = listing("ingest").parse_known_args(arguments)
    own, overrides = own_words(overrides_of("ingest", rest), ("datasets", "since", "until"))
    names = [name.strip() for name in own["datasets"].strip("[]").split(",")] if "datasets" in own else None
    spec = load(overrides, options.config_dir)
    with Progress() as progress:
        found = ingest_pipeline(spec, names, Window(since=own.get("since"), until=own.get("until")), watchers=[progress])
    show.show_ingested(found.summary, as_json=options.json)
    found.raise_failure()
    return 0


def plan(arguments: Sequence[str]) -> int:
    """Say what would run, what is reused, and why."""
    from engine.explain import explain

    options, rest = listing("plan").parse_known_args(arguments)
    show.show_plan(explain(load(overrides_of("plan", rest), options.config_dir)), as_json=options.json)
    return 0


def plugins(arguments: Sequence[str]) -> int:
    """List the plugins of a kind, or explain one."""
    from engine.schema import plugin_parameters

    parser = listing("plugins")
    parser.add_argument("kind", nargs="?", help="one of " + ", ".join(KINDS))
    parser.add_argument("name", nargs="?", help="a plugin of that kind")
    options = parser.parse_args(arguments)
    prepare_hydra([], options.config_dir)
    if options.kind is not None and options.kind not in KINDS:
        raise unknown("kind of plugin", options.kind, KINDS)
    if options.name is not None:
        show.show_plugin(plugin_parameters(options.kind, options.name), as_json=options.json)
    else:
        kinds = [options.kind] if options.kind is not None else KINDS
        show.show_plugins({kind: names(kind) for kind in kinds}, as_json=options.json)
    return 0


def schema(arguments: Sequence[str]) -> int:
    """Print the JSON Schema of a pipeline file."""
    from engine.schema import json_schema

    options = listing("schema").parse_args(arguments)
    prepare_hydra([], options.config_dir)
    print(json.dumps(json_schema(), indent=2))
    return 0


def runs(arguments: Sequence[str]) -> int:
    """List runs, newest first."""
    from engine.explain import list_runs

    options, rest = listing("runs").parse_known_args(arguments)
    show.show_runs(list_runs(load_store(overrides_of("runs", rest), options.config_dir)), as_json=options.json)
    return 0


def lineage(arguments: Sequence[str]) -> int:
    """Say where something came from and what came of it."""
    from engine.explain import lineage as find

    parser = listing("lineage")
    parser.add_argument(
        "id", help="a dataset, or a run, batch, version of features or result; the beginning of the id is enough"
    )
    parser.add_argument("--where", help="an SQL condition: where the rows of the dataset came from that fulfil it")
    options, rest = parser.parse_known_args(arguments)
    store = load_store(overrides_of("lineage", rest), options.config_dir)
    show.show_lineage(find(store, options.id, options.where), as_json=options.json)
    return 0


def _hydra_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments as Hydra will understand them: its parser takes abbreviations too."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return get_args_parser().parse_args(list(arguments))
    except SystemExit:
        message = said.getvalue().strip().rsplit("error: ", 1)[-1]
        raise ConfigError(message or "wrong flags", hint="`levada --help`") from None


class _WithoutHydrasLine(io.TextIOBase):
    """Standard error without the line that Hydra writes before it raises a job's error: we explain it ourselves."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if not text.startswith("Error executing job with overrides"):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()
