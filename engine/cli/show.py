"""What the command line prints: summaries, tables, errors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.cli import STARTED
from engine.errors import LevadaError

if TYPE_CHECKING:
    from engine.tracking import Told


class _Console(Console):
    """A console that lets a closed pipe be what it is: an exception, and no exit of its own."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console_of() -> Console:
    """Return a console as wide as the terminal, 200 where there is none."""
    console = _Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = _Console(highlight=False, soft_wrap=True, width=200)
    return console


def show_error(error: LevadaError) -> None:
    """Print an error to standard error, its first line in bold where there is a terminal."""
    console = _Console(stderr=True, highlight=False, soft_wrap=True)
    first, *rest = str(error).split("\n")
    console.print(Text("error: ", style="bold red") + Text(first, style="bold"))
    for line in rest:
        console.print(Text(line))


def show_run(summary: Mapping[str, Any], report: Path, started: float = STARTED) -> None:
    """Print what came of a run: a line a stage, warnings, metrics, the answer, where the report is.

    ``started`` is when what led to it began, as ``time.perf_counter`` has it.
    """
    console = console_of()
    console.print(_stages(summary["stages"]))
    console.print(_work(summary["stages"], summary["seconds"], started))
    _condition(console, summary["condition"], summary["pipeline"])
    show_warnings(console, summary)
    _failures(console, summary)
    if summary["metrics"]:
        console.print(_metrics(summary["evaluation"]))
    _looked_into(console, summary)
    _answer(console, summary["question"])
    _learning(console, summary["learning_curve"])
    if summary["promotion"] is not None:
        console.print(Text(f"promote  {summary['promotion']['message']}"))
    console.print(Text(f"report   {_short(report)}"))


def show_tracked(told: Told | None, *, as_json: bool = False) -> None:
    """Print where the tracker keeps a run, or to standard error why it was not told; the run itself stands as it is."""
    if told is None:
        return
    if told.error is None:
        if not as_json:
            console_of().print(Text(f"tracked  {told}"))
        return
    first, *rest = str(told).split("\n")
    console = _Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text("tracker  ", style="yellow") + Text(first))
    for line in rest:
        console.print(Text(line))


def show_ingested(summary: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what an ingestion brought in: a line a dataset, then what a person should know."""
    if as_json:
        print_json(summary)
        return
    console = console_of()
    table = table_of("dataset", "what is new", "rows", "quarantined", "rows in all", right_from=2)
    for one in summary["datasets"]:
        new = "nothing new" if not one["new"] else f"{one['new']} new batch{'es' * (one['new'] > 1)}"
        rows = [f"{one[key]:,}" if one["new"] else "" for key in ("new_rows", "new_quarantined")]
        style = "red" if one["failures"] else None
        table.add_row(
            one["name"], "failed" if one["failures"] and not one["new"] else new, *rows, f"{one['rows']:,}", style=style
        )
    console.print(table)
    show_warnings(console, summary)
    for failure in summary["failures"][1:]:  # the first one is raised, and shown as the command's error
        console.print(Text("also     ", style="red") + Text(failure["message"]))


def show_sweep(summary: Mapping[str, Any], report: Path) -> None:
    """Print what came of a sweep: the work done, the ranked trials, the best one's command, where the report is."""
    console = console_of()
    console.print(_stages(summary["stages"]))
    console.print(_work(summary["stages"], summary["seconds"]))
    console.print(_ranking(summary))
    for entry in summary["trials"]:
        if entry["status"] == "failed":
            console.print(Text(f"trial {entry['number']} failed: {entry['error']}", style="red"))
    left_out = {" ".join(entry["own"]): entry["install"] for entry in summary["candidates"] if entry["status"] == "left_out"}
    for_others = [overrides for overrides, install in left_out.items() if install is None]
    if for_others:
        console.print(Text(f"left out, because they are for another task: {', '.join(for_others)}"))
    for overrides, install in left_out.items():
        if install is not None:
            console.print(Text(f"left out, because its library is not installed: {overrides} ({install})"))
    not_begun = [str(entry["number"]) for entry in summary["trials"] if entry["status"] == "not_begun"]
    if not_begun:
        console.print(Text(f"not begun, or not ended, when no more was to be done: trials {', '.join(not_begun)}"))
    if summary["best"] is not None:
        _comparison(console, summary["comparison"])
        _looked_into(console, summary["run"])
        _answer(console, summary["question"])
        if summary["redrawn"] and summary["question"]["part"] == "test":
            console.print(Text("note     ", style="cyan") + Text(_REDRAWN))
        _learning(console, summary["run"]["learning_curve"])
        console.print(Text(f"best     {summary['command']}"))
    console.print(Text(f"report   {_short(report)}"))


def _stages(stages: Sequence[Mapping[str, Any]]) -> Table:
    table = table_of("stage", "tasks", "ran", "reused", "rows", "size", "seconds", right_from=1)
    for stage in stages:
        marks = "".join(f" {stage[status]} {status}" for status in ("failed", "skipped") if stage[status])
        rows = f"{stage['rows']:,}" if stage["rows"] is not None else ""
        counts = (str(stage["tasks"]), str(stage["ran"]), str(stage["reused"]))
        style = "red" if stage["failed"] else None
        table.add_row(Text(stage["label"] + marks), *counts, rows, size(stage["bytes"]), f"{stage['seconds']:.2f}", style=style)
    return table


def _work(stages: Sequence[Mapping[str, Any]], seconds: float, started: float = STARTED) -> Text:
    ran, reused = (sum(stage[status] for stage in stages) for status in ("ran", "reused"))
    took = f"{seconds:.1f} s ({time.perf_counter() - started:.1f} s in all)"
    if ran == 0 and not any(stage["failed"] for stage in stages):
        return Text(f"nothing had to run: all {reused} tasks were done before   {took}", style="green")
    return Text(f"{ran} tasks ran, {reused} were reused   {took}")


def _condition(console: Console, condition: Mapping[str, Any] | None, pipeline: str) -> None:
    """Print in one line in what condition the data was found to be."""
    if condition is None or not condition["datasets"]:
        return
    rows = sum(one["rows"] for one in condition["datasets"])
    severities = [found["severity"] for one in condition["datasets"] for found in one["findings"]]
    counts = [(severities.count(one), one) for one in ("error", "warning", "note")]
    told = ", ".join(f"{count} {one}{'s' * (count > 1)}" for count, one in counts if count) or "nothing to report"
    hint = f" (the report shows them, `levada assess pipeline={pipeline}` what to do)" if severities else ""
    console.print(Text("data     ", style="cyan") + Text(f"{rows:,} rows assessed: {told}{hint}"))


def _learning(console: Console, curve: Mapping[str, Any] | None) -> None:
    """Print in one line what the last of the training rows brought."""
    if curve is None or curve["last_step"] is None:
        return
    step = curve["last_step"]
    verdict = (
        "more rows may well help"
        if step["gains"]
        else "more rows made it worse"
        if step["loses"]
        else "whether more rows would help can not be told"
    )
    before, after = step["rows"]
    change = f"{step['difference']:+.4f}{_between(step['interval'])}"
    console.print(Text(f"curve    {curve['metric']} {change} from {before:,} to {after:,} training rows: {verdict}"))


def show_warnings(console: Console, summary: Mapping[str, Any]) -> None:
    """Print what a person should know of a run, a line each."""
    for warning in summary["warnings"]:
        word, style = _SEVERITIES[warning["severity"]]
        console.print(Text(f"{word:<9}", style=style) + Text(f"{warning['message']} ({warning['advice']})"))
    left_out = [entry["column"] for entry in summary.get("features", {}).get("left_out", [])]
    if left_out:
        console.print(Text("note     ", style="cyan") + Text(f"no feature, because not a number: {', '.join(left_out)}"))
    chosen = summary.get("features", {}).get("chosen", [])
    for step in dict.fromkeys(choice["step"] for choice in chosen):
        of = [choice["kept"] for choice in chosen if choice["step"] == step]
        said = f"{step} keeps {sum(of)} of {len(of)} columns; the report says of each why"
        console.print(Text("note     ", style="cyan") + Text(said))


_SEVERITIES = {"error": ("error", "red"), "warning": ("warning", "yellow"), "info": ("note", "cyan")}


def _failures(console: Console, summary: Mapping[str, Any]) -> None:
    for failure in summary["failures"][1:]:  # the first one is raised, and shown as the run's error
        console.print(Text("also     ", style="red") + Text(failure["message"]))


def _metrics(evaluation: Mapping[str, Mapping[str, Any]]) -> Table:
    table = table_of("metric", *evaluation, right_from=1)
    for name in dict.fromkeys(name for found in evaluation.values() for name in found["metrics"]):
        values = [_value(found, name) for found in evaluation.values()]
        if any(values):
            table.add_row(name, *values)
    return table


def _value(found: Mapping[str, Any], name: str) -> str:
    """Return a metric with its interval of 95 %, as ``0.7132 [0.6901, 0.7243]``; nothing where it is not defined.

    The mean over several trials has its standard deviation, too: ``0.7132 ± 0.0087 [0.6901, 0.7243]``.
    """
    value, deviation = found["metrics"].get(name), found.get("deviation")
    spread = "" if deviation is None else f" ± {deviation:.4f}"
    return "" if value is None else f"{value:.4f}{spread}{_between(found['intervals'].get(name))}"


def _between(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.4f}, {interval[1]:.4f}]"


def _answer(console: Console, question: Mapping[str, Any]) -> None:
    if question["answer"] is None:
        return
    text = f"answer   {question['metric']} {question['answer']:.4f}{_between(question['interval'])} on {question['part']} rows"
    if question["goal"] is None:
        console.print(Text(text))
    elif question["reached"]:
        console.print(Text(f"{text}: the goal of {question['goal']:g} is reached", style="bold green"))
    else:
        console.print(Text(f"{text}: the goal of {question['goal']:g} is not reached", style="bold yellow"))


def _looked_into(console: Console, summary: Mapping[str, Any]) -> None:
    """Print what was found out of a chosen model beyond its metrics, where that was asked for."""
    _stability(console, summary["stability"])
    _slices(console, summary["slices"].get(summary["question"]["part"]), summary["question"])


def _stability(console: Console, found: Mapping[str, Any] | None) -> None:
    """Print whether a clustering came to the same groups when it was fitted again."""
    if found is None:
        return
    low, high = found["range"]
    said = f"adjusted Rand {found['adjusted_rand']:.4f}, {low:.4f} to {high:.4f}, over {found['refits']} refits on 80 % of rows"
    lost = [str(one["cluster"]) for one in found["jaccard"] if one["mean"] < _DISSOLVED]
    told = f"; clusters that dissolve: {', '.join(lost)}" if lost else "; every cluster holds"
    console.print(Text("stable   ", style="cyan") + Text(said + told))


_DISSOLVED = 0.6  # mean Jaccard coefficient below which a cluster should not be trusted, after Hennig (2007)


def _slices(console: Console, found: Mapping[str, Any] | None, question: Mapping[str, Any]) -> None:
    """Print which slice is the worst, or why none is named."""
    if found is None:
        return
    on = f"on {question['part']} rows"
    if found["worst"] is not None:
        one = found["slices"][found["worst"]]
        value = f"{question['metric']} {one['value']:.4f}{_between(one['interval'])}"
        apart = f"{one['difference']:+.4f}{_between(one['difference_interval'])}"
        said = f"the worst is {one['column']} {one['slice']}, {one['rows']:,} rows: {value}, {apart} from the other rows, {on}"
    elif found["compared"]:
        said = f"none of {found['compared']} that were compared can be told to be worse than the other rows {on}"
    else:
        said = f"none has the {found['least_rows']} rows {on} that are needed to compare it"
    console.print(Text("slices   ", style="cyan") + Text(said))


def _comparison(console: Console, found: Mapping[str, Any] | None) -> None:
    """Print whether the best trial differs from the next."""
    if found is None:
        return
    apart = "differs from" if found["differs"] else "can not be told from"
    rows = "on the same rows" if found["divisions"] == 1 else f"over the same {found['divisions']} divisions of the rows"
    said = f"the best {apart} trial {found['next']}: {found['difference']:+.4f}{_between(found['interval'])} {rows}"
    console.print(Text("next     ", style="cyan") + Text(said))


def _ranking(summary: Mapping[str, Any]) -> Table:
    metric = summary["question"]["metric"]
    done = [entry for entry in summary["candidates"] if entry["status"] == "done"]
    others = [name for name in (done[0]["metrics"] if done else {}) if name != metric][:3]
    mean = "mean, " if any(entry["deviation"] is not None for entry in done) else ""
    columns = ("rank", "trial", "overrides", f"{metric} ({mean}{summary['part']})", *others, "fit s", "predict s", "size")
    table = table_of(*columns, right_from=3)
    for place, entry in enumerate(done, 1):
        values = [entry["metrics"].get(name) for name in others]
        shown = [_value(entry, metric), *("" if value is None else f"{value:.4f}" for value in values)]
        took = ["known" if entry[key] is None else f"{entry[key]:.2f}" for key in ("fit_seconds", "predict_seconds")]
        style = "bold" if entry["number"] == summary["best"] else None
        told = " ".join([*entry["own"], *(["(the baseline)"] if entry["baseline"] else [])])
        numbers = ", ".join(map(str, entry["numbers"]))
        table.add_row(str(place), numbers, Text(told), *shown, *took, size(entry["model_bytes"] or 0), style=style)
    return table


_REDRAWN = "each seed draws test rows anew, so the choice has seen some of these; sweep over splitter.fold for rows new to all"


def show_plan(plan: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what would run, a line a stage, with the reasons."""
    if as_json:
        print_json(plan)
        return
    console = console_of()
    table = table_of("stage", "tasks", "run", "reuse", "why", right_from=1, left_last=True)
    for stage in plan["stages"]:
        why = "; ".join(stage["reasons"])
        table.add_row(stage["label"], str(stage["tasks"]), str(stage["run"]), str(stage["reuse"]), why)
    console.print(table)
    run, reuse = (sum(stage[key] for stage in plan["stages"]) for key in ("run", "reuse"))
    console.print(Text("nothing would run" if run == 0 else f"{run} tasks would run, at most; {reuse} would be reused"))


def show_plugins(found: Mapping[str, Sequence[str]], *, as_json: bool) -> None:
    """Print the names of plugins, by kind."""
    if as_json:
        print_json(found)
        return
    console = console_of()
    for kind, names in found.items():
        console.print(Text(f"{kind}", style="bold"))
        for name in names:
            console.print(Text(f"  {name}"))


def show_plugin(found: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what a plugin does and its parameters."""
    if as_json:
        print_json(found)
        return
    console = console_of()
    console.print(Text(f"{found['kind']} {found['name']}", style="bold"))
    console.print(Text(found["description"]))
    table = table_of("parameter", "type", "default", "meaning")
    for parameter in found["parameters"]:
        table.add_row(*(Text(str(parameter[key])) for key in ("name", "type", "default", "description")))
    if found["parameters"]:
        console.print(table)


def show_runs(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print runs, newest first."""
    if as_json:
        print_json(found)
        return
    table = table_of("run", "pipeline", "status", "started", "seconds", "answer", "overrides")
    for run in found:
        told = {**run, "status": run["status"].replace("_", " ")}
        table.add_row(
            *(Text(str(told[key])) for key in ("id", "pipeline", "status", "started", "seconds", "answer", "overrides"))
        )
    console_of().print(table if found else Text("no runs yet"))


def show_lineage(found: Mapping[str, Any], *, as_json: bool) -> None:
    """Print where something came from and what came of it, as an indented list."""
    if as_json:
        print_json(found)
        return
    console = console_of()
    console.print(Text(found["title"], style="bold"))
    for heading, key in (("came from", "from"), ("what came of it", "to")):
        if found[key]:
            console.print(Text(heading, style="bold"))
        for depth, line in found[key]:
            console.print(Text("  " * (depth + 1) + line))


def table_of(*columns: str, right_from: int = 99, left_last: bool = False) -> Table:
    """Return a table without lines; columns are to the right from a number on, but for the last if that is to be left."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        right = number >= right_from and not (left_last and number == len(columns) - 1)
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def print_json(value: object) -> None:
    """Print plain data as JSON."""
    print(json.dumps(value, indent=2))


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    number = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _short(path: Path) -> str:
    short = os.path.relpath(path)
    return str(path) if short.startswith("..") else short
