"""Finds the class of a plugin by its kind and name, importing as little as it can.

Where a name is looked for, first match wins:

1. the file ``plugins/<kind>s/<name>.py``, in ours or in a ``plugins/`` folder where the user stands;
2. a family: ``sklearn.Ridge`` is asked of ``plugins/<kind>s/sklearn.py``, through its ``names()`` and ``plugin(name)``; its
   ``refusal(name)``, if it has one, says why a name is not among them;
3. any class of any file of the kind's folder (families that share a file);
4. an installed distribution's entry point ``<kind>.<name>`` of the group ``levada.plugins``.

Names never become code: a name is only compared with what those places hold.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.errors import ConfigError, LevadaError, unknown
from engine.names import Secret, masked
from engine.plugin import Plugin
from engine.validate import Path as KeyPath
from engine.validate import dotted, validated

KINDS = ("extractor", "check", "transformer", "splitter", "selector", "model", "metric", "tracker")
"""The plugin kinds, in the order in which data meets them."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def snake_case(name: str) -> str:
    """Return ``OneHot`` as ``one_hot`` and ``KMeans`` as ``k_means``; names already so stay."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower()


def use_folder(folder: Path) -> None:
    """Let the plugins of ``folder/plugins`` be found beside ours, and their helpers beside them.

    Raises ``ConfigError`` if a ``plugins/__init__.py`` there hides ours: the folder must be a namespace package.
    """
    blocker = folder / "plugins" / "__init__.py"
    if blocker.exists():
        raise ConfigError(
            f"{blocker} hides the built-in plugins",
            expected="a plugins/ folder without __init__.py, so that it merges with the built-in one",
            hint=f"remove {blocker}",
        )
    if (folder / "plugins").is_dir() and str(folder) not in sys.path:
        sys.path.append(str(folder))
        forget()


def forget(*modules: str) -> None:
    """Look for plugins anew, and read these modules again when they are next asked for: their code has changed."""
    for module in modules:
        parent, _, child = module.rpartition(".")
        if sys.modules.pop(module, None) is not None and parent in sys.modules:
            vars(sys.modules[parent]).pop(child, None)
    importlib.invalidate_caches()
    for remembered in (_modules, _classes, _family_names, _entry_points):
        remembered.cache_clear()


def find(kind: str, name: str, *, where: str = "") -> type[Plugin]:
    """Return the class registered under a kind and name; ``UnknownName`` with the nearest name if there is none."""
    family, _, member = name.partition(".")
    if member and family in _modules(kind):
        return _member(kind, family, member, where)
    if _NAME.fullmatch(name):
        if name in _modules(kind) and (found := _classes(kind, name).get(name)):
            return found
        for module in _modules(kind):
            if found := _classes(kind, module).get(name):
                return found
    if found := _entry_point(kind, name):
        return found
    raise unknown(kind, name, names(kind), where=where)


def names(kind: str) -> list[str]:
    """Return every name of a kind, families in full, sorted."""
    known = {name for module in _modules(kind) for name in (*_classes(kind, module), *_family_names(kind, module))}
    known |= {point.name.partition(".")[2] for point in _entry_points() if point.name.startswith(f"{kind}.")}
    return sorted(known)


def _member(kind: str, family: str, member: str, where: str) -> type[Plugin]:
    by_snake = {snake_case(known.partition(".")[2]): known.partition(".")[2] for known in _family_names(kind, family)}
    exact = member if member in by_snake.values() else by_snake.get(member)
    if exact is None and (refused := _refusal(kind, family, member)) is not None:
        refused.where = where
        raise refused
    if exact is None:
        raise unknown(kind, f"{family}.{member}", _family_names(kind, family), where=where)
    made: type[Plugin] = _module(kind, family).plugin(exact)
    return made


def _refusal(kind: str, family: str, member: str) -> LevadaError | None:
    """Return what a family says of a name that is not among its members, None if it knows no more than that."""
    home = _module(kind, family)
    return home.refusal(member) if hasattr(home, "refusal") else None


@cache
def _modules(kind: str) -> tuple[str, ...]:
    """Return the names of the files in a kind's folders, sorted."""
    try:
        package = importlib.import_module(f"plugins.{kind}s")
    except ModuleNotFoundError:
        return ()
    return tuple(sorted(info.name for info in pkgutil.iter_modules(package.__path__)))


def _module(kind: str, name: str) -> ModuleType:
    return importlib.import_module(f"plugins.{kind}s.{name}")


@cache
def _classes(kind: str, module: str) -> dict[str, type[Plugin]]:
    """Return the plugins that a file defines: concrete public classes of the kind, by snake_case name."""
    home = _module(kind, module)
    return {
        snake_case(name): value
        for name, value in vars(home).items()
        if inspect.isclass(value)
        and issubclass(value, Plugin)
        and value.__module__ == home.__name__
        and not name.startswith("_")
        and not inspect.isabstract(value)
        and getattr(value, "kind", None) == kind
    }


@cache
def _family_names(kind: str, module: str) -> tuple[str, ...]:
    """Return the full names of a family's members (``sklearn.Ridge``), and none when the file is no family."""
    home = _module(kind, module)
    return tuple(f"{module}.{name}" for name in home.names()) if hasattr(home, "names") else ()


@cache
def _entry_points() -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group="levada.plugins"))


def _entry_point(kind: str, name: str) -> type[Plugin] | None:
    for point in _entry_points():
        if point.name == f"{kind}.{name}":
            loaded: type[Plugin] = point.load()
            return loaded
    return None


def build(kind: str, node: object, path: KeyPath = ()) -> Plugin:
    """Return the plugin that ``{use: name, parameter: value, …}`` describes; a bare name is ``{use: name}``.

    A parameter that is itself a plugin is described in the same way. Raises ``ConfigError`` with the key's path.
    """
    if isinstance(node, str):
        node = {"use": node}
    if not isinstance(node, dict) or not isinstance(node.get("use"), str):
        raise ConfigError(
            f"this is no {kind}",
            where=dotted(path),
            expected=f"a mapping with the key 'use' and the name of a {kind}",
            found=repr(node)[:80],
            hint=f"`levada plugins {kind}` lists the names",
        )
    plugin = find(kind, node["use"], where=dotted((*path, "use")))
    parameters = {key: value for key, value in node.items() if key != "use"}
    for name, inner in _inner_kinds(plugin).items():
        if name in parameters:
            parameters[name] = build(inner, parameters[name], (*path, name))
    return validated(plugin, parameters, path)


def describe(plugin: Plugin) -> dict[str, Any]:
    """Return the plain data from which ``build`` makes an equal plugin: every parameter, defaults included.

    Secrets are masked: what is described goes into keys, records and reports. ``secrets_of`` has them.
    """
    inner = {alias: getattr(plugin, name) for name, alias in _fields(type(plugin)) if alias in _inner_kinds(type(plugin))}
    parameters = plugin.model_dump(
        mode="json", by_alias=True, exclude={name for name, alias in _fields(type(plugin)) if alias in inner}
    )
    hidden = {key: masked(value) for key, value in _secrets(plugin)}
    return {"use": name_of(type(plugin)), **parameters, **hidden, **{key: describe(value) for key, value in inner.items()}}


def secrets_of(plugin: Plugin) -> dict[str, str]:
    """Return the secret parameters of a plugin by key, in clear: for a worker, never for a record."""
    return {key: value.get_secret_value() for key, value in _secrets(plugin)}


def _secrets(plugin: Plugin) -> list[tuple[str, Secret]]:
    values = [(alias, getattr(plugin, name)) for name, alias in _fields(type(plugin))]
    return [(alias, value) for alias, value in values if isinstance(value, Secret)]


def name_of(plugin: type[Plugin]) -> str:
    """Return the name under which ``find`` returns this class."""
    module = sys.modules[plugin.__module__]
    if not plugin.__module__.startswith("plugins.") and (name := _entry_point_of(plugin)):
        return name
    if vars(module).get(plugin.__name__) is plugin:
        return snake_case(plugin.__name__)
    return f"{plugin.__module__.rpartition('.')[2]}.{plugin.__name__}"  # a member of a family


def _entry_point_of(plugin: type[Plugin]) -> str | None:
    """Return the name under which an installed distribution offers a class."""
    value = f"{plugin.__module__}:{plugin.__qualname__}"
    points = (point for point in _entry_points() if point.value == value and point.name.startswith(f"{plugin.kind}."))
    return next((point.name.partition(".")[2] for point in points), None)


def modules_of(plugin: Plugin) -> set[str]:
    """Return the modules of a plugin and of the plugins that are its parameters: the code that it runs."""
    inner = (getattr(plugin, name) for name, alias in _fields(type(plugin)) if alias in _inner_kinds(type(plugin)))
    return {type(plugin).__module__, *plugin.modules()}.union(*(modules_of(value) for value in inner))


def _fields(plugin: type[Plugin]) -> list[tuple[str, str]]:
    return [(name, info.alias or name) for name, info in plugin.model_fields.items()]


def _inner_kinds(plugin: type[Plugin]) -> dict[str, str]:
    """Return the kind of each parameter that is itself a plugin, by key."""
    return {
        info.alias or name: info.annotation.kind
        for name, info in plugin.model_fields.items()
        if inspect.isclass(info.annotation) and issubclass(info.annotation, Plugin)
    }
