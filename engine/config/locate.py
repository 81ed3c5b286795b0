"""Finds the file and line at which a key of the composed configuration was written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from engine.errors import ConfigError

_COMMAND_LINE = "command line: "
_PLACED = (_COMMAND_LINE, "/")  # what a place that is already found begins with
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a composed configuration came from: what was chosen in each group, the folders, the overrides.

    All origins are equal: where a specification was written is no part of what it is.
    """

    choices: tuple[tuple[str, str], ...] = ()
    folders: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        return 0

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Give each ``ConfigError`` raised in the context, which knows its key, the file and line of that key."""
        try:
            yield
        except ConfigError as error:
            if error.where and not error.where.startswith(_PLACED):
                error.where = self.place(error.where)
            raise

    def place(self, key: str) -> str:
        """Return ``file:line, key`` for a dotted key, ``command line: override`` if it was given there, or the key."""
        path = _split(key)
        for override in reversed(self.overrides):
            name = override.lstrip("+~").partition("=")[0].partition("@")[0]
            given = _split(name.replace("/", "."))
            shared = min(len(given), len(path))
            if path[:shared] == given[:shared] and name not in dict(self.choices):
                return f"{_COMMAND_LINE}{override}"
        best, place = 0, key
        for file, package in self._files():
            depth, line = _find(file, package, path)
            if depth > best:
                best, place = depth, f"{short(file)}:{line}, {key}"
        return place

    def _files(self) -> list[tuple[Path, list[str]]]:
        """Return the files that were composed, the strongest first, each with the package its keys are put into."""
        found = []
        for choice, option in (*reversed(self.choices), ("", "config")):
            group, _, package = choice.partition("@")
            for name in self._with_included(group, option):
                file = self._file(group, name)
                if file is not None:
                    found.append((file, package.split(".") if package else _package(file, group)))
        return found

    def _with_included(self, group: str, option: str) -> list[str]:
        """Return an option and those of its group that its defaults list includes, however deep."""
        todo, found = [option], list[str]()
        while todo:
            name = todo.pop(0)
            file = self._file(group, name)
            if file is not None and name not in found:
                found.append(name)
                todo += _included(file)
        return found

    def _file(self, group: str, option: str) -> Path | None:
        files = (folder / group / f"{option}.yaml" for folder in self.folders)
        return next((file for file in files if file.is_file()), None)


def _included(file: Path) -> list[str]:
    """Return the options of its own group in a file's defaults list."""
    _, defaults = _child(_nodes(file), "defaults")
    entries = defaults.value if isinstance(defaults, yaml.SequenceNode) else []
    return [entry.value for entry in entries if isinstance(entry, yaml.ScalarNode) and entry.value != "_self_"]


def _package(file: Path, group: str) -> list[str]:
    header = _PACKAGE.search(file.read_text(encoding="utf-8", errors="replace")[:512])
    name = header.group(1) if header else "_group_"
    name = name.replace("_global_", "").replace("_group_", group.replace("/", "."))
    return [part for part in name.split(".") if part]


def _split(key: str) -> list[str]:
    return [part for part in re.split(r"[.\[\]]+", key) if part]


def _find(file: Path, package: Sequence[str], path: Sequence[str]) -> tuple[int, int]:
    """Return how many parts of a path a file has, and the line of the last of them."""
    if list(path[: len(package)]) != list(package):
        return 0, 0
    node = _nodes(file)
    depth, line = 0, 1
    for part in path[len(package) :]:
        key, value = _child(node, part)
        if key is None or value is None:
            break
        depth, line, node = depth + 1, key.start_mark.line + 1, value
    return (depth + len(package) if depth or package else 0), line


def _nodes(file: Path) -> yaml.Node | None:
    """Return a file as YAML nodes, which know their lines; None if it can not be read."""
    try:
        node: yaml.Node | None = yaml.compose(file.read_text(encoding="utf-8"), Loader=_LOADER)
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return None
    return node


def _child(node: yaml.Node | None, part: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), (None, None))
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        return node.value[int(part)], node.value[int(part)]
    return None, None


def short(file: Path) -> str:
    """Return the path as seen from where the user stands, if it is below."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
