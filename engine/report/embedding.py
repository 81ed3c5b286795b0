"""Figures as data within a page, and the one script that draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from bokeh.embed import json_item
from bokeh.plotting import figure
from bokeh.resources import Resources

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"


def library() -> str:
    """Return the code of BokehJS without widgets, tables and MathJax."""
    return "\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw)


def items(figures: Mapping[str, figure]) -> dict[str, Json]:
    """Return each figure as ``Bokeh.embed.embed_item`` takes it; equal figures give equal data."""
    return {name: _renumbered(json_item(plot)) for name, plot in figures.items()}


def _renumbered(item: object) -> Json:
    """Number the models of a figure from 1, as Bokeh goes on counting for as long as a process lives.

    Only values under the keys of an identity are touched; data is in lists, and a map's entries are lists as well.
    """
    numbers: dict[str, str] = {}

    def walk(value: object, *, identity: bool = False) -> Json:
        if isinstance(value, dict):
            return {str(key): walk(inner, identity=key in ("id", "root_id")) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [walk(inner) for inner in value]
        if identity:
            return numbers.setdefault(str(value), f"m{len(numbers) + 1}")
        if value is None or isinstance(value, str | float | int):
            return value
        raise TypeError(f"a figure holds {type(value).__name__}, which is not JSON")

    return walk(item)
