"""The commands about bundles: predictions of raw rows, versions, aliases, folders to take elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
from rich.text import Text

from engine import deployment
from engine.bundles import Bundle
from engine.cli.arguments import listing, overrides_of
from engine.cli.show import console_of, print_json, size, table_of
from engine.config.compose import load_store, prepare_hydra
from engine.config.spec import Store
from engine.errors import ConfigError
from engine.given import read_rows
from engine.records import plain_rows
from engine.summary import versions
from engine.views import write_rows

_MATTER = ("levada", "polars", "scikit-learn", "skops")


def predict(arguments: Sequence[str]) -> int:
    """Predict the rows of a file with MODEL: a pipeline, pipeline@alias, pipeline@version, a run, or an exported folder.

    Rows are as the pipeline's source gives them: .csv, .parquet, .ndjson, .json or .xlsx. Columns that only the target is
    made of may be missing. Answers carry the number of the row; a row that preparation leaves out has none.
    """
    parser = listing("predict")
    parser.add_argument(
        "model", help="a pipeline (its champion, else the newest), pipeline@alias, a version, a run or a folder"
    )
    parser.add_argument("rows", help="the file of rows")
    parser.add_argument("--out", metavar="FILE", help="write the predictions to FILE.parquet or FILE.csv")
    parser.add_argument("--history", metavar="FILE", help="the rows that lie before them, where steps look back")
    options, rest = parser.parse_known_args(arguments)
    overrides = overrides_of("predict", rest)
    if deployment.is_folder(options.model):
        prepare_hydra(overrides, options.config_dir)  # so that plugins of the user's own are found
        found = deployment.read_folder(Path(options.model))
    else:
        found = deployment.bundle(load_store(overrides, options.config_dir), options.model)
    rows = read_rows(options.rows, found.manifest)
    history = None if options.history is None else read_rows(options.history, found.manifest)
    answers = found.predict(rows, history=history)
    left_out = rows.height - answers["row"].n_unique()
    if options.out:
        write_rows(answers.lazy(), Path(options.out))
    if options.json:
        more = {"file": options.out} if options.out else {"predictions": plain_rows(answers.lazy())}
        print_json({"model": found.id, "pipeline": found.manifest.pipeline, "rows": rows.height, "left_out": left_out, **more})
        return 0
    console = console_of()
    if not options.out:
        with pl.Config(tbl_rows=20, tbl_hide_dataframe_shape=True, tbl_width_chars=console.width):
            console.print(Text(str(answers)))
    for difference in _differences(found):
        console.print(Text(f"trained with {difference}", style="yellow"))
    written = f", written to {options.out}" if options.out else ""
    console.print(Text(f"{answers.height:,} predictions by {found.manifest.pipeline} {found.id}{written}"))
    if left_out:
        console.print(Text(f"{left_out:,} rows have none: preparation leaves them out", style="yellow"))
    return 0


def _differences(found: Bundle) -> list[str]:
    """Return the libraries that a bundle was trained with in another version than is here."""
    here = versions()
    return [
        f"{name} {was}, and predicted with {here.get(name, 'none')}"
        for name, was in found.manifest.versions.items()
        if name in _MATTER and here.get(name) != was
    ]


def models(arguments: Sequence[str]) -> int:
    """List the versions of bundles, of PIPELINE or of all, newest last; `levada models export MODEL --out FOLDER` writes one.

    The folder holds all that predictions need; `levada predict FOLDER rows.csv` works where there is no store.
    """
    parser = listing("models")
    parser.add_argument("--out", metavar="FOLDER", help="the folder to export to")
    options, rest = parser.parse_known_args(arguments)
    words = [text for text in overrides_of("models", rest) if "=" not in text]
    store = load_store([text for text in rest if "=" in text], options.config_dir)
    if words[:1] == ["export"]:
        return _export(store, words[1:], options.out, as_json=options.json)
    if len(words) > 1 or options.out:
        raise ConfigError("what is to be done?", hint="levada models [PIPELINE], or levada models export MODEL --out FOLDER")
    found = deployment.list_models(store, words[0] if words else None)
    if options.json:
        print_json(found)
        return 0
    table = table_of("version", "pipeline", "aliases", "model", "metric", "answer", "on", "size", "created", "run")
    for one in found:
        table.add_row(
            one["id"],
            one["pipeline"],
            ", ".join(one["aliases"]),
            one["model"],
            one["metric"],
            "" if one["answer"] is None else f"{one['answer']:.4f}",
            one["part"],
            "" if one["bytes"] is None else size(one["bytes"]),
            datetime.fromisoformat(one["created"]).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            one["runs"][0][:13],
        )
    console = console_of()
    console.print(table if found else Text("no models yet"))
    for one in found:
        if one["problem"] is not None:
            text = f"{one['id']} can not be read: {one['problem']} (a run that comes to the same writes it again)"
            console.print(Text("warning  ", style="yellow") + Text(text))
    return 0


def _export(store: Store, words: Sequence[str], out: str | None, *, as_json: bool) -> int:
    if len(words) != 1 or out is None:
        raise ConfigError("export which model, and where to?", hint="levada models export MODEL --out FOLDER")
    found = deployment.bundle(store, words[0])
    folder = deployment.export(found, Path(out))
    if as_json:
        print_json({"model": found.id, "folder": str(folder)})
    else:
        console_of().print(Text(f"{found.manifest.pipeline} {found.id} is in {folder}"))
    return 0


def promote(arguments: Sequence[str]) -> int:
    """Let an alias mean MODEL: `levada promote RUN --as champion`. Who moves it second, at the same time, is told."""
    parser = listing("promote")
    parser.add_argument("model", help="a run or a version, or the beginning of its id")
    parser.add_argument("--as", dest="alias", default=deployment.CHAMPION, help="the alias; champion by default")
    parser.add_argument("--expect", metavar="VERSION", help="the version that the alias must mean now; `none` for none")
    options, rest = parser.parse_known_args(arguments)
    store = load_store(overrides_of("promote", rest), options.config_dir)
    done = deployment.promote(store, options.model, options.alias, expected=options.expect)
    if options.json:
        print_json(done)
    else:
        before = f", and was {done['before']}" if done["before"] not in (None, done["version"]) else ""
        console_of().print(Text(f"{done['name']} of {done['pipeline']} is {done['version']}{before}"))
    return 0
