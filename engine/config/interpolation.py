"""Refuses interpolations that would unfold to too much: a bomb that needs no alias.

OmegaConf resolves ``${a.b}`` as often as it is written, so ten lines of ten references each are ten thousand million
values. What a text unfolds to is counted here before anything is resolved. Only what can be counted is allowed:
references to a key, absolute or relative, and resolvers that do not look at other keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.errors import ConfigError

MAX_EXPANDED = 1 << 20  # characters that interpolations may unfold to

_INNER = re.compile(r"\$\{([^${}]*)\}")
_LOOKS_ELSEWHERE = ("oc.select", "oc.dict.keys", "oc.dict.values", "oc.deprecated", "oc.create", "oc.decode")


def scan_interpolations(node: object) -> None:
    """Raise ``ConfigError`` with the key's path for an interpolation that unfolds to too much, or can not be counted."""
    values = dict(_leaves(node, ()))
    below: dict[_Path, list[_Path]] = {}  # the leaves at and below each key
    for leaf in values:
        for depth in range(len(leaf) + 1):
            below.setdefault(leaf[:depth], []).append(leaf)
    sizes: dict[_Path, int] = {}
    for leaf, text in values.items():
        if "${" in text:
            _size(leaf, values, below, sizes, frozenset())


_Path = tuple[str, ...]


def _leaves(node: object, path: _Path) -> Iterator[tuple[_Path, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, (*path, str(key)))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _leaves(value, (*path, str(number)))
    else:
        yield path, str(node)


def _size(
    path: _Path,
    values: Mapping[_Path, str],
    below: Mapping[_Path, list[_Path]],
    sizes: dict[_Path, int],
    above: frozenset[_Path],
) -> int:
    """Return how many characters a key unfolds to, all that is below it included."""
    if path in above:
        return 0  # a cycle: resolving it will say so
    if path not in sizes:
        total = 0
        for leaf in below.get(path, ()):
            text = values[leaf]
            total += len(_INNER.sub("", text)) + 1
            for target in _targets(text, leaf):
                total += _size(target, values, below, sizes, above | {path})
                if total > MAX_EXPANDED:
                    expected = f"at most {MAX_EXPANDED:,} characters"
                    raise ConfigError("this value unfolds to too much", where=".".join(leaf), expected=expected)
        sizes[path] = total
    return sizes[path]


def _targets(text: str, leaf: _Path) -> Iterator[_Path]:
    """Yield the keys that a text refers to."""
    if "${" in _INNER.sub("", text):
        raise ConfigError("an interpolation inside of another is not allowed", where=".".join(leaf), found=text[:80])
    for body in (found.strip() for found in _INNER.findall(text)):
        resolver, colon, _ = body.partition(":")
        if colon:
            if resolver.strip() in _LOOKS_ELSEWHERE:
                hint = "refer to a key as ${key}, or write the value"
                raise ConfigError(f"the resolver {resolver.strip()} is not allowed", where=".".join(leaf), hint=hint)
            continue
        name = body.lstrip(".")
        up = len(body) - len(name)
        base = leaf[: len(leaf) - up] if up else ()
        yield (*base, *(part for part in re.split(r"[.\[\]]+", name) if part))
