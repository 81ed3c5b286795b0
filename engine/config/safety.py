"""Refuses YAML that could do harm, from its raw text, before anything builds objects from it.

Refused: tags, merge of too much into too little (aliases that expand beyond a limit), depth, size, and the keys by
which a text could name code to run (Hydra's ``_target_`` and its kin, logging's ``()``, ``class`` and ``ext://``).
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from engine.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 10_000

_NAMES_CODE = frozenset({"_target_", "_partial_", "_args_", "_recursive_", "_convert_", "()"})
_NAMES_MODULES = ("ext://", "pkg://")  # logging's way to an object, Hydra's to a package
_LOGGING_CLASS = re.compile(r"class\s*[:=]\s*([\w.]+)")
_SECRET_KEYS = ("password", "token", "secret")
_PASSWORD = re.compile(r"://[^/@\s:]*:(?!\$\{|@)[^/@\s]+@")  # of an address; an interpolation is no password
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def scan(text: str, file: str) -> None:
    """Raise ``ConfigError`` with file and line if a YAML text is not safe to load, or is not YAML."""
    if len(text) > MAX_BYTES:
        raise ConfigError("this file is too large for a configuration", where=file, expected=f"at most {MAX_BYTES} bytes")
    try:
        tally = _Tally()
        for event in yaml.parse(text, Loader=_LOADER):
            tally.take(event, f"{file}:{_line(event.start_mark)}")
    except yaml.MarkedYAMLError as error:
        where = f"{file}:{_line(error.problem_mark)}"
        raise ConfigError(f"this is not YAML: {error.problem}", where=where) from None
    except yaml.YAMLError as error:  # characters that YAML does not allow have no mark
        raise ConfigError(f"this is not YAML: {error}", where=file) from None


def _line(mark: Any) -> int:  # the C parser has marks of its own type
    return mark.line + 1 if mark is not None else 1


class _Tally:
    """Counts what a stream of YAML events would unfold to, and refuses it as soon as it is too much.

    Events, not nodes: a parser that builds nodes of deeply nested text runs out of stack before anybody can count.
    """

    def __init__(self) -> None:
        self._sizes: dict[str | None, int] = {}  # how many values an anchor stands for
        self._counts = [0]  # values below each open collection, aliases expanded
        self._anchors: list[str | None] = []  # of each open collection
        self._before = ""  # the scalar before: the key of a value

    def take(self, event: yaml.Event, where: str) -> None:
        """Count an event. Raises ``ConfigError``."""
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._sizes:
                raise ConfigError(f"the alias *{event.anchor} stands for nothing, or for what it is part of", where=where)
            self._counts[-1] += self._sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            self._open(event, where)
            _refuse_text(event.value, self._before, where)
            self._before = event.value
            self._remember(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event, where)
            self._counts.append(0)
            self._anchors.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            inner = self._counts.pop()
            self._counts[-1] += inner
            self._remember(self._anchors.pop(), inner + 1)
        if len(self._counts) > MAX_DEPTH:
            raise ConfigError("this YAML is nested too deeply", where=where, expected=f"at most {MAX_DEPTH} levels")
        if sum(self._counts) > MAX_NODES:
            expected = f"at most {MAX_NODES:,} values, aliases expanded"
            raise ConfigError("this YAML unfolds to too much", where=where, expected=expected)

    def _open(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, where: str) -> None:
        if event.tag is not None:
            raise ConfigError(f"the tag {event.tag} is not allowed", where=where, hint="write the plain value")
        self._counts[-1] += 1

    def _remember(self, anchor: str | None, size: int) -> None:
        if anchor:
            self._sizes[anchor] = size


def scan_override(override: str) -> None:
    """Raise ``ConfigError`` if an override of the command line could name code to run, or shows a secret."""
    where = f"command line: {override}"
    for name in (*_NAMES_CODE, *_NAMES_MODULES):
        if name in override and (name != "()" or "hydra" in override):
            _refuse(name, where)
    key, _, value = override.partition("=")
    _refuse_secret(key.rpartition(".")[2], value, f"command line: {key}")
    if "hydra" in override and (named := _LOGGING_CLASS.search(override)):
        _refuse_class(named[1], where)


def refuse_code(node: object, path: str = "") -> None:
    """Raise ``ConfigError`` if plain data has a key that names code, wherever it came from."""
    if isinstance(node, dict):
        for key, value in node.items():
            below = f"{path}.{key}".lstrip(".")
            if key in _NAMES_CODE:
                _refuse(str(key), below)
            refuse_code(value, below)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            refuse_code(value, f"{path}[{number}]")


def _refuse_text(text: str, before: str, where: str) -> None:
    """Refuse a scalar of YAML that names code: by itself, inside of a text, or as the class of a logging handler."""
    for name in (*_NAMES_CODE, *_NAMES_MODULES):
        if text == name or (name != "()" and name in text):
            _refuse(name, where)
    if before == "class":
        _refuse_class(text, where)
    _refuse_secret(before, text, where)


def _refuse_secret(key: str, text: str, where: str) -> None:
    """Refuse a secret in clear: what a configuration holds is saved beside every run."""
    named = key.lower().endswith(_SECRET_KEYS) and text not in ("", "null", "???", "~") and "${" not in text
    if named or _PASSWORD.search(text):
        raise ConfigError(
            "a secret stands in clear here, and would be saved with every run",
            where=where,
            hint="put it into an environment variable and name that: ${oc.env:NAME}",
        )


def _refuse_class(name: str, where: str) -> None:
    if "." in name and not name.startswith("logging."):
        _refuse(name, where)


def _refuse(name: str, where: str) -> None:
    raise ConfigError(
        f"'{name}' is not allowed: a configuration can not name code to run",
        where=where,
        hint="name a registered plugin with 'use:'; `levada plugins` lists them",
    )
