"""The figures of a report, by name. Bokeh is loaded for a figure only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bokeh.models import ColumnDataSource, FixedTicker, PlainText, Range1d
from bokeh.models.annotations import TeeHead, Whisker
from bokeh.plotting import figure

from engine.report import certainty
from engine.report.canvas import FAINT, INK, canvas, finite, floats, line, thin, unit_square
from engine.report.colours import PALETTE, UNLABELLED, Colours
from engine.report.evaluation import Evaluation, Importance, Projection
from engine.report.learning import LearningCurve

_DOTS, _FEATURES, _NAME = 3000, 20, 26


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
    figures |= certainty.figures(shown)
    if 0 < len(shown.residuals.counts) == len(shown.residuals.edges) - 1:
        figures["residuals"] = _residuals(shown)
    if shown.scatter.truth:
        figures["scatter"] = _scatter(shown)
    if shown.along:
        figures["along"] = _along(shown)
    at = shown.projection
    if 0 < len(at.x) == len(at.y) == len(at.cluster):
        figures["clusters"] = _projection(at, [colours.groups[group] for group in at.cluster])
        if len(at.label) == len(at.x):
            figures["labels"] = _projection(at, [colours.labels.get(label, UNLABELLED) for label in at.label])
    if importance:
        figures["importance"] = _importance(importance)
    return figures


def _roc(shown: Evaluation, evaluation: Mapping[str, Evaluation], part: str) -> figure:
    tooltips = [("", "@name"), ("found", "@y{0.0 %}"), ("false alarms", "@x{0.0 %}")]
    plot = unit_square("false alarms (false positive rate)", "found (true positive rate)", tooltips)
    plot.line([0, 1], [0, 1], color=FAINT, line_dash=[2, 4])
    others = [(other, it.roc) for other, it in evaluation.items() if other != part]
    for name, curves in [*others, (part, shown.roc)] if len(shown.roc) == 1 else [(part, shown.roc)]:
        for index, curve in enumerate(curves):
            title = f"{curve.name}, {name}" if curve.name else name
            line(plot, curve.fpr, curve.tpr, title, PALETTE[index % len(PALETTE)], main=name == part)
    return plot


def _pr(shown: Evaluation, evaluation: Mapping[str, Evaluation], part: str) -> figure:
    tooltips = [("", "@name"), ("precision", "@y{0.0 %}"), ("recall", "@x{0.0 %}")]
    plot = unit_square("recall", "precision", tooltips)
    others = [(other, it.pr) for other, it in evaluation.items() if other != part]
    for name, curves in [*others, (part, shown.pr)] if len(shown.pr) == 1 else [(part, shown.pr)]:
        for index, curve in enumerate(curves):
            title = f"{curve.name}, {name}" if curve.name else name
            line(plot, curve.recall, curve.precision, title, PALETTE[index % len(PALETTE)], main=name == part)
    return plot


def _residuals(shown: Evaluation) -> figure:
    edges, counts = floats(shown.residuals.edges), shown.residuals.counts
    source = ColumnDataSource({"left": edges[:-1], "right": edges[1:], "top": list(counts)})
    tooltips = [("from", "@left{0,0.[000]}"), ("to", "@right{0,0.[000]}"), ("rows", "@top{0,0}")]
    plot = canvas("truth minus prediction", "rows", tooltips)
    plot.quad("left", "right", "top", 0, source=source, fill_color=PALETTE[0], fill_alpha=0.75, line_color="white")
    plot.y_range = Range1d(start=0, end=1.05 * max(counts) or 1)
    plot.xgrid.grid_line_color = None
    plot.line([0, 0], [0, max(counts)], color=INK, line_dash=[2, 3])
    return plot


def _scatter(shown: Evaluation) -> figure:
    truth, predicted = thin(_DOTS, floats(shown.scatter.truth), floats(shown.scatter.prediction))
    tooltips = [("truth", "@x{0,0.[000]}"), ("prediction", "@y{0,0.[000]}")]
    plot = canvas("truth", "prediction", tooltips)
    known = [number for number in [*truth, *predicted] if math.isfinite(number)]
    if known:
        plot.line([min(known), max(known)], [min(known), max(known)], color=INK, line_dash=[2, 3])
    source = ColumnDataSource({"x": truth, "y": predicted})
    plot.scatter("x", "y", source=source, size=5, color=PALETTE[0], line_color=None, fill_alpha=_alpha(len(truth)))
    return plot


def _along(shown: Evaluation) -> figure:
    truth, predicted = thin(_DOTS, floats(shown.scatter.truth), floats(shown.scatter.prediction))
    tooltips = [("prediction", "@x{0,0.[000]}"), ("truth minus prediction", "@y{0,0.[000]}"), ("", "@name")]
    plot = canvas("prediction", "truth minus prediction", tooltips)
    each = {"x": predicted, "y": [one - other for one, other in zip(truth, predicted, strict=True)], "name": [""] * len(truth)}
    plot.scatter("x", "y", source=ColumnDataSource(each), size=4, color=FAINT, line_color=None, fill_alpha=_alpha(len(truth)))
    x = [finite(one.prediction) for one in shown.along]
    known = [number for number in [*predicted, *x] if math.isfinite(number)]
    if known:
        plot.line([min(known), max(known)], [0, 0], color=INK, line_dash=[2, 3])
    means = ColumnDataSource(
        {
            "x": x,
            "y": [finite(one.mean) for one in shown.along],
            "low": [finite(one.low) for one in shown.along],
            "high": [finite(one.high) for one in shown.along],
            "name": [f"mean of {one.rows:,} rows" for one in shown.along],
        }
    )
    plot.line("x", "y", source=means, color=PALETTE[1], line_width=2)
    whisker = Whisker(source=means, base="x", lower="low", upper="high", line_color=PALETTE[1])
    whisker.upper_head = whisker.lower_head = TeeHead(size=4, line_color=PALETTE[1])
    plot.add_layout(whisker)
    return plot


def _projection(projection: Projection, colours: Sequence[int]) -> figure:
    every = range(0, len(projection.x), math.ceil(len(projection.x) / _DOTS))
    labels = projection.label if len(projection.label) == len(projection.x) else ("",) * len(projection.x)
    source = ColumnDataSource(
        {
            "x": [finite(projection.x[row]) for row in every],
            "y": [finite(projection.y[row]) for row in every],
            "cluster": [projection.cluster[row] for row in every],
            "label": [labels[row] for row in every],
            "colour": [PALETTE[colours[row] % len(PALETTE)] for row in every],
        }
    )
    tooltips = [("group", "@cluster"), *([("label", "@label")] if projection.label else [])]
    plot = canvas("first principal axis", "second principal axis", tooltips)
    alpha = _alpha(len(every))
    plot.scatter("x", "y", source=source, size=6.5, fill_color="colour", fill_alpha=alpha, line_color="white")
    return plot


def _importance(importance: Sequence[Importance]) -> figure:
    top = sorted(importance, key=lambda one: -one.mean)[:_FEATURES]
    rows = list(range(len(top), 0, -1))
    source = ColumnDataSource(
        {
            "y": rows,
            "mean": [finite(one.mean) for one in top],
            "std": [finite(one.std) for one in top],
            "low": [finite(one.mean - one.std) for one in top],
            "high": [finite(one.mean + one.std) for one in top],
            "feature": [one.feature for one in top],
            "colour": [PALETTE[0] if one.mean > 0 else FAINT for one in top],
        }
    )
    tooltips = [("", "@feature"), ("worse by", "@mean{0.[00000]} ± @std{0.[00000]}")]
    plot = canvas("how much worse the metric gets", "", tooltips, height=70 + 24 * len(top))
    plot.hbar("y", right="mean", height=0.62, source=source, color="colour", line_color=None, fill_alpha=0.85)
    whisker = Whisker(source=source, base="y", lower="low", upper="high", dimension="width", line_color=INK)
    whisker.upper_head = whisker.lower_head = TeeHead(size=6, line_color=INK)
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
            "value": floats(tuple(one.value for one in points)),
            "train": floats(tuple(one.train for one in points)),
            "low": floats(tuple(one.interval[0] if one.interval else None for one in points)),
            "high": floats(tuple(one.interval[1] if one.interval else None for one in points)),
        }
    )
    tooltips = [("rows", "@rows{0,0}"), (curve.part, "@value{0.[0000]}"), ("of these rows", "@train{0.[0000]}")]
    wide = points[-1].rows >= 8 * points[0].rows
    plot = canvas("training rows", curve.metric, tooltips, x_axis="log" if wide else "linear")
    plot.varea("rows", "low", "high", source=source, fill_color=PALETTE[0], fill_alpha=0.12)
    if baseline is not None:
        plot.line([points[0].rows, points[-1].rows], floats((baseline, baseline)), color=FAINT, line_width=2, line_dash=[4, 4])
    for column, colour in (("train", PALETTE[1]), ("value", PALETTE[0])):
        plot.line("rows", column, source=source, color=colour, line_width=2)
        plot.scatter("rows", column, source=source, size=7, color=colour)
    plot.xaxis.ticker = FixedTicker(ticks=[one.rows for one in points])
    plot.xaxis.major_label_overrides = {one.rows: PlainText(text=f"{one.rows:,}") for one in points}
    return plot


def _alpha(rows: int) -> float:
    return 0.8 if rows < 500 else 0.45
