"""What all figures have in common, drawn by Bokeh.

Quiet by intent: no toolbar, nothing to drag; what a point is, it tells when pointed at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from bokeh.models import ColumnDataSource, HoverTool, PlainText, Range1d
from bokeh.plotting import figure

from engine.report.record import Numbers

INK, FAINT = "#33444e", "#a9b8c0"
_SOFT, _GRID = "#5b6b75", "#e8edef"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_CURVE_POINTS = 400


def canvas(
    x: str, y: str, tooltips: Sequence[tuple[str, str]], *, height: int = 320, x_axis: Literal["linear", "log"] = "linear"
) -> figure:
    """Return an empty figure with titles of its axes and what a point tells."""
    plot = figure(x_axis_type=x_axis, height=height, sizing_mode="stretch_width", toolbar_location=None, tools="", min_border=6)
    plot.outline_line_color = None
    plot.background_fill_color = plot.border_fill_color = None
    plot.grid.grid_line_color = _GRID
    for axis, label in ((plot.xaxis[0], x), (plot.yaxis[0], y)):
        axis.axis_label = PlainText(text=label)  # a str may be taken for TeX, and MathJax fetched
        axis.axis_label_text_font = axis.major_label_text_font = _FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "12px", "11px"
        axis.axis_label_text_color, axis.major_label_text_color = _SOFT, _SOFT
        axis.axis_line_color = axis.minor_tick_line_color = axis.major_tick_line_color = None
    plot.add_tools(HoverTool(tooltips=list(tooltips), point_policy="snap_to_data"))
    return plot


def unit_square(x: str, y: str, tooltips: Sequence[tuple[str, str]]) -> figure:
    """Return an empty figure of two shares."""
    plot = canvas(x, y, tooltips)
    plot.x_range, plot.y_range = Range1d(start=-0.01, end=1.01), Range1d(start=-0.01, end=1.02)
    return plot


def line(plot: figure, x: Numbers, y: Numbers, name: str, colour: str, *, main: bool) -> None:
    """Draw a curve, in dashes where it is only to compare with."""
    xs, ys = thin(_CURVE_POINTS, floats(x), floats(y))
    source = ColumnDataSource({"x": xs, "y": ys, "name": [name] * len(xs)})
    dash: list[int] = [] if main else [5, 4]
    plot.line("x", "y", source=source, color=colour, line_width=2.2 if main else 1.4, line_dash=dash, line_join="round")


def thin(limit: int, *columns: list[float]) -> list[list[float]]:
    """Keep about so many rows, evenly, the last among them: a page needs no more points than it has pixels."""
    rows = min(len(column) for column in columns)
    kept = [*range(0, rows - 1, math.ceil(rows / limit)), rows - 1] if rows else []
    return [[column[row] for row in kept] for column in columns]


def floats(numbers: Numbers) -> list[float]:
    """Return numbers as they are drawn, NaN for what is not known."""
    return [finite(number) for number in numbers]


def finite(number: float | None) -> float:
    """Return a number in five digits, NaN if it is not known."""
    return math.nan if number is None else float(f"{number:.5g}")  # five digits are finer than a pixel
