"""The figures of how sure a model is: reliability diagrams, and what each threshold would do."""

from __future__ import annotations

from bokeh.models import ColumnDataSource, Range1d
from bokeh.models.annotations import TeeHead, Whisker
from bokeh.plotting import figure

from engine.report.canvas import FAINT, INK, canvas, finite, floats, unit_square
from engine.report.colours import PALETTE
from engine.report.evaluation import Evaluation, Reliability, Thresholds
from engine.report.record import Numbers

CURVES = ("precision", "recall", "f1", "positive")
"""What is drawn against the threshold, in the order of the palette."""


def figures(shown: Evaluation) -> dict[str, figure]:
    """Return the figures that an evaluation allows, by name."""
    found: dict[str, figure] = {}
    if any(one.bins for one in shown.calibration):
        found["calibration"] = _calibration(shown.calibration)
    if shown.thresholds.at:
        found["thresholds"] = _thresholds(shown.thresholds)
        if shown.thresholds.cheapest is not None:
            found["costs"] = _costs(shown.thresholds)
    return found


def _calibration(curves: tuple[Reliability, ...]) -> figure:
    tooltips = [("", "@name"), ("probability", "@x{0.0 %}, @from{0.0 %} to @to{0.0 %}")]
    tooltips += [("came true", "@y{0.0 %}, @low{0.0 %} to @high{0.0 %}"), ("rows", "@rows{0,0}")]
    plot = unit_square("probability, mean of a bin", "share that came true", tooltips)
    plot.line([0, 1], [0, 1], color=FAINT, line_dash=[2, 4])
    for index, curve in enumerate(curves):
        colour = PALETTE[index % len(PALETTE)]
        bins = sorted((one for one in curve.bins if one.mean is not None), key=lambda one: one.mean or 0)
        source = ColumnDataSource(
            {
                "x": [finite(one.mean) for one in bins],
                "y": [finite(one.share) for one in bins],
                "low": [finite(one.low) for one in bins],
                "high": [finite(one.high) for one in bins],
                "from": [finite(one.since) for one in bins],
                "to": [finite(one.to) for one in bins],
                "rows": [one.rows for one in bins],
                "name": [curve.name] * len(bins),
            }
        )
        plot.line("x", "y", source=source, color=colour, line_width=1.6)
        plot.scatter("x", "y", source=source, size=6, color=colour)
        whisker = Whisker(source=source, base="x", lower="low", upper="high", line_color=colour)
        whisker.upper_head = whisker.lower_head = TeeHead(size=4, line_color=colour)
        plot.add_layout(whisker)
    return plot


def _thresholds(found: Thresholds) -> figure:
    plot = canvas(f"threshold of the {found.rating or 'rating'}", "", [("", "@name"), ("from", "@x{0.000}"), ("", "@y{0.0 %}")])
    plot.y_range = Range1d(start=-0.01, end=1.02)
    for index, name in enumerate(CURVES):
        _against(plot, found, getattr(found, name), "said positive" if name == "positive" else name, PALETTE[index])
    if found.used is not None:
        plot.line([found.used, found.used], [0, 1], color=INK, line_dash=[2, 3])
    return plot


def _costs(found: Thresholds) -> figure:
    tooltips = [("from", "@x{0.000}"), ("a row costs", "@y{0.000}")]
    plot = canvas(f"threshold of the {found.rating or 'rating'}", "mean cost of a row", tooltips)
    _against(plot, found, found.cost, "cost", PALETTE[0])
    known = [number for number in found.cost if number is not None]
    if found.used is not None:
        plot.line([found.used, found.used], [min(0.0, *known), max(known)], color=INK, line_dash=[2, 3])
    best = found.cheapest
    if best is not None:
        plot.scatter([finite(found.at[best])], [finite(found.cost[best])], size=8, color=PALETTE[1])
    return plot


def _against(plot: figure, found: Thresholds, values: Numbers, name: str, colour: str) -> None:
    rows = min(len(found.at), len(values))
    source = ColumnDataSource({"x": floats(found.at[:rows]), "y": floats(values[:rows]), "name": [name] * rows})
    plot.line("x", "y", source=source, color=colour, line_width=2, line_join="round")
