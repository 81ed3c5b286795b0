"""A summary in, a page out: one HTML file that is complete in itself.

Every value is data: templates escape it, figures are JSON in a block that is not run, and the page's own policy lets
nothing be fetched, and only those scripts run whose digests it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.report import answer, colours, coordinates, picture, wording
from engine.report.evaluation import Evaluation
from engine.report.ranking import rank
from engine.report.summary import Run, Sweep

_WIDE, _NARROW = 7, 2  # columns of the picture on a page and on a telephone


def render_run(summary: Mapping[str, object]) -> str:
    """Return the page of a run; ``summary.Run`` says what a summary holds. Equal summaries give equal pages."""
    run = Run.model_validate(summary)
    return _page("run.html.jinja", run, run, answer=answer.of_run(run))


def render_sweep(summary: Mapping[str, object]) -> str:
    """Return the page of a sweep, with the best trial's run in full; ``summary.Sweep`` says what a summary holds."""
    sweep = Sweep.model_validate(summary)
    ranking = rank(sweep)
    drawn = coordinates.draw(sweep, [place.trial for place in ranking.places])
    return _page("sweep.html.jinja", sweep, sweep.run, answer=answer.of_sweep(sweep), ranking=ranking, coordinates=drawn)


def _page(template: str, subject: Run | Sweep, run: Run | None, **values: object) -> str:
    part = _shown(run) if run else ""
    shades = colours.assign(run.evaluation.get(part, Evaluation()) if run else Evaluation())
    baseline = _baseline(subject) if isinstance(subject, Sweep) else None
    scripts, plots = _figures(run, part, shades, baseline) if run else ([], {})
    if isinstance(subject, Sweep):
        scripts.append(_source("copy.js"))
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    page = _environment().get_template(template)
    return page.render(
        subject=subject,
        run=run,
        part=part,
        baseline=baseline,
        colours=shades,
        plots=plots,
        scripts=[Markup(script) for script in scripts],  # noqa: S704  # our own files and Bokeh's; no value is in them
        script_sources=" ".join(f"'sha256-{digest}'" for digest in digests) or "'none'",
        style=Markup(_source("page.css")),  # noqa: S704  # our own file
        wide=picture.draw(subject.stages, subject.edges, columns=_WIDE),
        narrow=picture.draw(subject.stages, subject.edges, columns=_NARROW),
        **values,
    )


def _shown(run: Run) -> str:
    """Return the part whose evaluation is drawn: the one that answers the question, or else the one nearest to it."""
    parts = [run.question.part, "test", "validation", *run.evaluation]
    return next((part for part in parts if part in run.evaluation), "")


def _baseline(sweep: Sweep) -> float | None:
    """Return the metric of the trial that looks at no feature, None where there is none."""
    return next((trial.metrics.get(sweep.question.metric) for trial in sweep.candidates if trial.baseline), None)


def _figures(run: Run, part: str, shades: colours.Colours, baseline: float | None) -> tuple[list[str], dict[str, object]]:
    if not run.evaluation and not run.importance and not run.learning_curve.points:
        return [], {}
    from engine.report import embedding, figures  # Bokeh takes longer to load than a failed run takes to report

    drawn = figures.of_run(run.evaluation, part, shades, run.importance)
    if run.learning_curve.points:
        drawn["learning"] = figures.learning_curve(run.learning_curve, baseline)
    plots = embedding.items(drawn)
    return ([embedding.library(), _source("plots.js")], dict(plots)) if plots else ([], {})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("engine.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Bokeh reads a figure in one pass: what is referred to must stand before, so keys keep their order.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    for words in (
        wording.count,
        wording.compact,
        wording.share,
        wording.size,
        wording.duration,
        wording.score,
        wording.interval,
        wording.goal,
        wording.moment,
        wording.parameter,
        picture.counts,
    ):
        environment.filters[words.__name__] = words
    return environment


@cache
def _source(name: str) -> str:
    return (files("engine.report") / "templates" / name).read_text("utf-8")
