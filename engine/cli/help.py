"""The help page: commands, and the choices there are in each group of the configuration."""

from __future__ import annotations

from pathlib import Path

_TEXT = """\
levada: from YAML to an evaluated model

  levada [run] [OVERRIDES]       run a pipeline                levada pipeline=penguins model=random_forest
  levada -m OVERRIDES            sweep: every combination      levada -m model=ridge,random_forest splitter.seed=1,2,3
  levada ingest [OVERRIDES]      bring what is new into the raw store; datasets=[A,B] since=X until=Y narrow it down
  levada assess [DATASET]        in what condition the data is; --propose prints YAML that would settle it
  levada watch [OVERRIDES]       run again whenever new batches are announced, on what was ingested
  levada plan [OVERRIDES]        what would run, and why
  levada plugins [KIND [NAME]]   what `use:` can name, and its parameters
  levada schema                  JSON Schema of a pipeline file, for completion in editors
  levada runs                    what ran, newest first
  levada lineage ID              where a run, batch, result or a dataset's rows came from, and what came of it
  levada batches [DATASET]       what was ingested, batch by batch
  levada show BATCH              all that is known of a batch, and its first rows
  levada quarantine [DATASET]    which rows were set aside, and why; `levada quarantine replay` looks at them once more
  levada features [VIEW]         versions of a view, their columns and rows: --schema, since=X until=Y COLUMN=VALUE, --out FILE
  levada split [OVERRIDES]       how rows are divided, and what is doubtful; part=test format=csv labels=false writes them
  levada models [PIPELINE]       versions of what was trained, and their aliases; `levada models export MODEL --out FOLDER`
  levada promote MODEL           lets an alias mean a version: --as champion
  levada predict MODEL FILE      predicts raw rows: --out FILE; MODEL is a pipeline, pipeline@alias, a run or a folder
  levada events [TOPIC]          what was announced
  levada fsck                    whether every file of the store is what was written
  levada gc                      what nothing in the store names any more; --delete clears it away

  Listings take --json. An override is KEY=VALUE; a group's choice is GROUP=OPTION:

{groups}

  The files of these groups are YAML; a folder conf/ where you stand, or --config-dir DIR, adds your own, and a folder
  plugins/ beside it your own plugins. `levada OVERRIDES --cfg job` prints the composed configuration without running it,
  `levada OVERRIDES --help` explains it; `levada --hydra-help` lists Hydra's other flags.
"""


def show_help() -> int:
    """Print the help page."""
    folders = [Path(__file__).parents[2] / "conf", Path.cwd() / "conf"]
    groups: dict[str, set[str]] = {}
    for folder in folders:
        for file in folder.glob("*/*.yaml"):
            groups.setdefault(file.parent.name, set()).add(file.stem)
    order = sorted(groups, key=lambda name: (name != "pipeline", name))
    print(_TEXT.format(groups="\n".join(_wrapped(name, sorted(groups[name])) for name in order)), end="")
    return 0


def _wrapped(name: str, options: list[str]) -> str:
    lines, line = [], f"    {name:<10}"
    for option in options:
        if len(line) + len(option) > 110:
            lines.append(line)
            line = " " * 14
        line += f" {option}"
    return "\n".join([*lines, line])
