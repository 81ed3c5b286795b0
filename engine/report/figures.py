"""The figures of a report, drawn by Bokeh, which only this module and ``embedding`` load, and only for a figure.

Quiet by intent: no toolbar, nothing to drag; what a point is, it tells when pointed at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, PlainText, Range1d
from bokeh.models.annotations import TeeHead, Whisker
from bokeh.plotting import figure

from engine.report.colours import PALETTE, UNLABELLED, Colours
from engine.report.evaluation import Evaluation, Importance, Projection
from engine.report.learning import LearningCurve
from engine.report.record import Numbers

_INK, _SOFT, _GRID, _FAINT = "#33444e", "#5b6b75", "#e8edef", "#a9b8c0"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_CURVE_POINTS, _DOTS, _FEATURES, _NAME = 400, 3000, 20, 26


def of_run(
    evaluation: Mapping[str, Evaluation], part: str, colours: Colours, importance: Sequence[Importance]
) -> dict[str, figure]:
    """Return the figures that the evaluation of a part allows, by name: none for what was not evaluated."""
    figures: dict[str, figure] = {}
    shown = evaluation.get(part, Evaluation())
    if shown.roc:
        figures["roc"] = _roc(shown, evaluation, part)
    if shown.pr:
        figures["pr"] = _pr(shown, evaluation, part)
    if 0 < len(shown.residuals.counts) == len(shown.residuals.edges) - 1:
        figures["residuals"] = _residuals(shown)
    if shown.scatter.truth:
        figures["scatter"] = _scatter(shown)
    at = shown.projection
    if 0 < len(at.x) == len(at.y) == len(at.cluster):
        figures["clusters"] = _projection(at, [colours.groups[group] for group in at.cluster])
        if len(at.label) == len(at.x):
            figures["labels"] = _projection(at, [colours.labels.get(label, UNLABELLED) for label in at.label])
    if importance:
        figures["importance"] = _importance(importance)
    return figures


def _canvas(
    x: str, y: str, tooltips: Sequence[tuple[str, str]], *, height: int = 320, x_axis: Literal["linear", "log"] = "linear"
) -> figure:
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


def _unit_square(x: str, y: str, tooltips: Sequence[tuple[str, str]]) -> figure:
    plot = _canvas(x, y, tooltips)
    plot.x_range, plot.y_range = Range1d(start=-0.01, end=1.01), Range1d(start=-0.01, end=1.02)
    return plot


def _roc(shown: Evaluation, evaluation: Mapping[str, Evaluation], part: str) -> figure:
    tooltips = [("", "@name"), ("found", "@y{0.0 %}"), ("false alarms", "@x{0.0 %}")]
    plot = _unit_square("false alarms (false positive rate)", "found (true positive rate)", tooltips)
    plot.line([0, 1], [0, 1], color=_FAINT, line_dash=[2, 4])
    others = [(other, it.roc) for other, it in evaluation.items() if other != part]
    for name, curves in [*others, (part, shown.roc)] if len(shown.roc) == 1 else [(part, shown.roc)]:
        for index, curve in enumerate(curves):
            title = f"{curve.name}, {name}" if curve.name else name
            _line(plot, curve.fpr, curve.tpr, title, PALETTE[index % len(PALETTE)], main=name == part)
    return plot


def _pr(shown: Evaluation, evaluation: Mapping[str, Evaluation], part: str) -> figure:
    tooltips = [("", "@name"), ("precision", "@y{0.0 %}"), ("recall", "@x{0.0 %}")]
    plot = _unit_square("recall", "precision", tooltips)
    others = [(other, it.pr) for other, it in evaluation.items() if other != part]
    for name, curves in [*others, (part, shown.pr)] if len(shown.pr) == 1 else [(part, shown.pr)]:
        for index, curve in enumerate(curves):
            title = f"{curve.name}, {name}" if curve.name else name
            _line(plot, curve.recall, curve.precision, title, PALETTE[index % len(PALETTE)], main=name == part)
    return plot


def _line(plot: figure, x: Numbers, y: Numbers, name: str, colour: str, *, main: bool) -> None:
    xs, ys = _thin(_CURVE_POINTS, _floats(x), _floats(y))
    source = ColumnDataSource({"x": xs, "y": ys, "name": [name] * len(xs)})
    dash: list[int] = [] if main else [5, 4]
    plot.line("x", "y", source=source, color=colour, line_width=2.2 if main else 1.4, line_dash=dash, line_join="round")


def _residuals(shown: Evaluation) -> figure:
    edges, counts = _floats(shown.residuals.edges), shown.residuals.counts
    source = ColumnDataSource({"left": edges[:-1], "right": edges[1:], "top": list(counts)})
    tooltips = [("from", "@left{0,0.[000]}"), ("to", "@right{0,0.[000]}"), ("rows", "@top{0,0}")]
    plot = _canvas("truth minus prediction", "rows", tooltips)
    plot.quad("left", "right", "top", 0, source=source, fill_color=PALETTE[0], fill_alpha=0.75, line_color="white")
    plot.y_range = Range1d(start=0, end=1.05 * max(counts) or 1)
    plot.xgrid.grid_line_color = None
    plot.line([0, 0], [0, max(counts)], color=_INK, line_dash=[2, 3])
    return plot


def _scatter(shown: Evaluation) -> figure:
    truth, predicted = _thin(_DOTS, _floats(shown.scatter.truth), _floats(shown.scatter.prediction))
    tooltips = [("truth", "@x{0,0.[000]}"), ("prediction", "@y{0,0.[000]}")]
    plot = _canvas("truth", "prediction", tooltips)
    finite = [number for number in [*truth, *predicted] if math.isfinite(number)]
    if finite:
        plot.line([min(finite), max(finite)], [min(finite), max(finite)], color=_INK, line_dash=[2, 3])
    source = ColumnDataSource({"x": truth, "y": predicted})
    plot.scatter("x", "y", source=source, size=5, color=PALETTE[0], line_color=None, fill_alpha=_alpha(len(truth)))
    return plot


def _projection(projection: Projection, colours: Sequence[int]) -> figure:
    every = range(0, len(projection.x), math.ceil(len(projection.x) / _DOTS))
    labels = projection.label if len(projection.label) == len(projection.x) else ("",) * len(projection.x)
    source = ColumnDataSource(
        {
            "x": [_float(projection.x[row]) for row in every],
            "y": [_float(projection.y[row]) for row in every],
            "cluster": [projection.cluster[row] for row in every],
            "label": [labels[row] for row in every],
            "colour": [PALETTE[colours[row] % len(PALETTE)] for row in every],
        }
    )
    tooltips = [("group", "@cluster"), *([("label", "@label")] if projection.label else [])]
    plot = _canvas("first principal axis", "second principal axis", tooltips)
    alpha = _alpha(len(every))
    plot.scatter("x", "y", source=source, size=6.5, fill_color="colour", fill_alpha=alpha, line_color="white")
    return plot


def _importance(importance: Sequence[Importance]) -> figure:
    top = sorted(importance, key=lambda one: -one.mean)[:_FEATURES]
    rows = list(range(len(top), 0, -1))
    source = ColumnDataSource(
        {
            "y": rows,
            "mean": [_float(one.mean) for one in top],
            "std": [_float(one.std) for one in top],
            "low": [_float(one.mean - one.std) for one in top],
            "high": [_float(one.mean + one.std) for one in top],
            "feature": [one.feature for one in top],
            "colour": [PALETTE[0] if one.mean > 0 else _FAINT for one in top],
        }
    )
    tooltips = [("", "@feature"), ("worse by", "@mean{0.[00000]} ± @std{0.[00000]}")]
    plot = _canvas("how much worse the metric gets", "", tooltips, height=70 + 24 * len(top))
    plot.hbar("y", right="mean", height=0.62, source=source, color="colour", line_color=None, fill_alpha=0.85)
    whisker = Whisker(source=source, base="y", lower="low", upper="high", dimension="width", line_color=_INK)
    whisker.upper_head = whisker.lower_head = TeeHead(size=6, line_color=_INK)
    plot.add_layout(whisker)
    plot.y_range = Range1d(start=0.4, end=len(top) + 0.6)
    plot.yaxis.ticker = FixedTicker(ticks=rows)
    plot.yaxis.major_label_overrides = {
        row: PlainText(text=one.feature if len(one.feature) <= _NAME else f"{one.feature[: _NAME - 1]}…")
        for row, one in zip(rows, top, strict=True)
    }
    plot.ygrid.grid_line_color = None
    return plot


def learning_curve(curve: LearningCurve, baseline: float | None) -> figure:
    """Return the metric by the number of training rows: on the part with its intervals, on those rows, and of a baseline."""
    points = curve.points
    source = ColumnDataSource(
        {
            "rows": [one.rows for one in points],
            "value": [_float(one.value) for one in points],
            "train": [_float(one.train) for one in points],
            "low": [_float(one.interval[0] if one.interval else None) for one in points],
            "high": [_float(one.interval[1] if one.interval else None) for one in points],
        }
    )
    tooltips = [("rows", "@rows{0,0}"), (curve.part, "@value{0.[0000]}"), ("of these rows", "@train{0.[0000]}")]
    wide = points[-1].rows >= 8 * points[0].rows
    plot = _canvas("training rows", curve.metric, tooltips, x_axis="log" if wide else "linear")
    plot.varea("rows", "low", "high", source=source, fill_color=PALETTE[0], fill_alpha=0.12)
    if baseline is not None:
        plot.line([points[0].rows, points[-1].rows], [_float(baseline)] * 2, color=_FAINT, line_width=2, line_dash=[4, 4])
    for column, colour in (("train", PALETTE[1]), ("value", PALETTE[0])):
        plot.line("rows", column, source=source, color=colour, line_width=2)
        plot.scatter("rows", column, source=source, size=7, color=colour)
    plot.xaxis.ticker = FixedTicker(ticks=[one.rows for one in points])
    plot.xaxis.major_label_overrides = {one.rows: PlainText(text=f"{one.rows:,}") for one in points}
    return plot


def _thin(limit: int, *columns: list[float]) -> list[list[float]]:
    """Keep about so many rows, evenly, the last among them: a page needs no more points than it has pixels."""
    rows = min(len(column) for column in columns)
    kept = [*range(0, rows - 1, math.ceil(rows / limit)), rows - 1] if rows else []
    return [[column[row] for row in kept] for column in columns]


def _floats(numbers: Numbers) -> list[float]:
    return [_float(number) for number in numbers]


def _float(number: float | None) -> float:
    return math.nan if number is None else float(f"{number:.5g}")  # five digits are finer than a pixel


def _alpha(rows: int) -> float:
    return 0.8 if rows < 500 else 0.45
