"""Digests that say whether two things are the same: values, files, code.

All digests are BLAKE3, 128 bits, in hex. Digests of values go through one canonical JSON, so they do not depend on
the order of keys, on the process or on the machine.
"""

import ast
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, TypeAlias

from blake3 import blake3

from engine.remembered import Remembered

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
"""Plain data: what JSON can say."""

_HEX = 32
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_PROVIDERS = {"sklearn": "scikit-learn", "yaml": "PyYAML", "hydra": "hydra-core", "bson": "pymongo"}
"""The common ones whose names differ: to look through all distributions takes a tenth of a second."""
_FIRST_PARTY = ("engine", "plugins")
_OURS = Path(__file__).parents[1]
_read: dict[str, tuple[str, tuple[str, ...]]] = {}
"""What was found out of modules in this process, by their names."""

_fresh: dict[str, list[object]] = {}
"""What was read out of source files and is not kept yet, by the digest of the source."""


class Import(NamedTuple):
    """An import statement: the dots before the module, the module, the names that are taken from it."""

    level: int
    module: str
    names: tuple[str, ...]


def canonical(value: object) -> str:
    """Return the one JSON text of a plain value: sorted keys, no spaces; infinity, which JSON lacks, as ``Infinity``."""
    return _CANONICAL.encode(value)


def of_text(*parts: str) -> str:
    """Return the digest of texts, each with its length, so that ("ab", "c") and ("a", "bc") differ."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return blake3(joined.encode("utf-8", "surrogatepass")).hexdigest()[:_HEX]


def of_value(value: object) -> str:
    """Return the digest of a plain value."""
    return of_text(canonical(value))


def of_file(path: Path) -> str:
    """Return the digest of a file's bytes. Memory-mapped; raises ``OSError`` as ``open`` would."""
    hasher = blake3()
    hasher.update_mmap(path)
    return hasher.hexdigest()[:_HEX]


def is_ours(module: str) -> bool:
    """Say whether a module is Levada's own or somebody else's distribution, and not the user's."""
    top = module.partition(".")[0]
    if _is_third_party(top):
        return True
    spec = _spec(module)
    places = [spec.origin] if spec and spec.origin else list((spec and spec.submodule_search_locations) or ())
    return bool(places) and all(Path(place).is_relative_to(_OURS / top) for place in places)


def of_code(*modules: str, count: Callable[[str], bool] = lambda _: True) -> str:
    """Return the digest of modules' code and of all the first-party code that they import, however indirectly.

    First-party is ``engine``, ``plugins`` and whatever is imported from outside the installed packages (a user's own
    helper beside their plugins). What counts of a module is its syntax tree without docstrings: comments and
    formatting do not. Of a third-party distribution the version counts. Modules that ``count`` says no to are left out,
    and what they import.
    """
    closure: dict[str, str] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in closure or not count(name):
            continue
        tree, imports = _module(name)
        closure[name] = tree
        todo += imports
    if _fresh:
        _kept().keep(_fresh)
        _fresh.clear()
    return of_value(closure)


def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a module's own digest and the modules it imports; for third-party modules its version and nothing."""
    if name not in _read:
        _read[name] = _looked_up(name)
    return _read[name]


def _looked_up(name: str) -> tuple[str, tuple[str, ...]]:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return "", ()
    spec = _spec(name)
    if spec is None:
        return "missing", ()
    if _is_third_party(top):
        return _version(top), ()
    if spec.origin is None or not spec.origin.endswith(".py"):
        return "namespace", ()
    tree, statements = _source(Path(spec.origin).read_bytes())
    imports = tuple(sorted(set(_imports(statements, name, is_package=bool(spec.submodule_search_locations)))))
    return tree, imports


def _source(text: bytes) -> tuple[str, list[Import]]:
    """Return the digest of a source file's syntax tree without docstrings, and its import statements.

    To parse is slow, and a command looks at some hundred files: what they came to is remembered from process to process.
    """
    name = blake3(text).hexdigest()[:_HEX]
    known = _kept().recall(name)
    if known is None:
        tree = ast.parse(text)
        statements = list(_statements(tree))
        known = _fresh[name] = [of_text(ast.dump(_without_docstrings(tree))), statements]
    return known[0], [Import(level, module, tuple(names)) for level, module, names in known[1]]


@cache
def _kept() -> Remembered:
    """Return what is known of source files; what is made of them depends on Python's parser and on this file."""
    return Remembered(f"code-{sys.implementation.cache_tag}-{of_file(Path(__file__))[:12]}")


def _statements(tree: ast.Module) -> Iterator[Import]:
    """Yield every import statement of a tree, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.level, node.module or "", tuple(alias.name for alias in node.names))


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None


def _installed(origin: str) -> bool:
    return "site-packages" in origin or "dist-packages" in origin


def _imports(statements: list[Import], module: str, *, is_package: bool) -> Iterator[str]:
    """Yield every module that a module's statements import, parents included.

    ``from a import b`` may name the module ``a.b``: it is yielded when there is such a module.
    """
    package = module if is_package else module.rpartition(".")[0]
    for level, named, taken in statements:
        parent = package.rsplit(".", level - 1)[0] if level > 1 else package
        base = f"{parent}.{named}".rstrip(".") if level else named
        for name in (base, *(f"{base}.{one}" for one in taken if _is_module(f"{base}.{one}"))):
            top, *rest = name.split(".")
            if _is_third_party(top):
                yield top  # one version for all of a distribution
                continue
            for depth in range(len(rest) + 1):
                yield ".".join([top, *rest[:depth]])


@cache
def _is_third_party(top: str) -> bool:
    if top in _FIRST_PARTY:
        return False
    if top in sys.stdlib_module_names:
        return True
    spec = _spec(top)
    places = [spec.origin] if spec and spec.origin else list((spec and spec.submodule_search_locations) or ())
    return all(_installed(place) for place in places)


@cache
def _is_module(name: str) -> bool:
    """Say whether a name is that of a module. Only packages are imported to find out, which is what looking into them does."""
    if _is_third_party(name.partition(".")[0]):
        return False
    parent = _spec(name.rpartition(".")[0])
    return parent is not None and parent.submodule_search_locations is not None and _spec(name) is not None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = node.body[1:]
    return tree


@cache
def _version(top: str) -> str:
    """Return the version of the distribution that provides a top-level module."""
    try:
        return metadata.version(_PROVIDERS.get(top, top))
    except metadata.PackageNotFoundError:
        names = _distributions().get(top, [])
        return ",".join(f"{name} {metadata.version(name)}" for name in sorted(set(names)))


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def forget() -> None:
    """Forget what was read of modules that are not Levada's own: for a notebook or a test in which code changes meanwhile."""
    for name in [name for name in _read if name.partition(".")[0] not in _FIRST_PARTY or not is_ours(name)]:
        del _read[name]
    for remembered in (_kept, _is_module, _is_third_party, _version, _distributions):
        remembered.cache_clear()
