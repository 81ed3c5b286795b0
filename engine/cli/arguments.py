"""How commands that are not runs read their arguments: a few flags, then overrides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from engine.cli import COMMANDS
from engine.errors import ConfigError


def listing(command: str) -> argparse.ArgumentParser:
    """Return the parser of a command, explained by its docstring; it knows ``--json`` and ``--config-dir``."""
    function = getattr(import_module(f"engine.cli.{COMMANDS[command]}"), command)
    parser = _Parser(prog=f"levada {command}", description=function.__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--config-dir", "-cd", help="a folder of YAML files of your own")
    return parser


def overrides_of(command: str, rest: Sequence[str]) -> Sequence[str]:
    """Return what is left of a command's arguments, which must be overrides."""
    for text in rest:
        if text.startswith("-"):
            raise ConfigError(f"unknown flag '{text}'", hint=f"`levada {command} --help`")
    return rest


def own_words(overrides: Sequence[str], keys: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the overrides that are a command's own, by key, and those of the configuration."""
    own = {key: text for key, _, text in (override.partition("=") for override in overrides) if key in keys}
    return own, [override for override in overrides if override.partition("=")[0] not in keys]


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours."""

    def error(self, message: str) -> Any:
        raise ConfigError(message, hint=f"`{self.prog} --help`")
