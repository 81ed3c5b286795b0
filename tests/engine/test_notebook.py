from __future__ import annotations

from html.parser import HTMLParser

import pytest

from engine import notebook
from engine.errors import ConfigError, DataError
from engine.notebook import Plan, load, plan, report, run, sweep


class Cells(HTMLParser):
    """The texts of a table's cells, row by row; tags that are not those of a table are counted."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.strange = [], 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag not in ("table", "caption"):
            self.strange += 1

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_every_public_name_is_there():
    assert all(hasattr(notebook, name) for name in notebook.__all__)


@pytest.mark.usefixtures("shapes")
def test_a_pipeline_is_planned_run_and_reported():
    before = plan("shapes", "model.var_smoothing=0.1")
    found = run("shapes", "model.var_smoothing=0.1")
    after = plan("shapes", "model.var_smoothing=0.1")
    assert sum(stage["run"] for stage in before.stages) == len(found.compiled.graph)
    assert sum(stage["run"] for stage in after.stages) == 0
    assert found.summary["overrides"] == ["pipeline=shapes", "model.var_smoothing=0.1"]
    assert "accuracy" in report(found)


@pytest.mark.usefixtures("shapes")
def test_a_specification_can_be_run_as_it_is():
    spec = load(["pipeline=shapes"])
    assert run(spec).compiled.spec == spec
    assert sum(stage["run"] for stage in plan(spec).stages) == 0


def test_a_failure_is_raised_and_what_had_ended_is_kept(shapes):
    with pytest.raises(DataError, match="can not predict"):
        run("shapes", "model=k_neighbors", "model.n_neighbors=500")
    assert "encode.apply" not in shapes.ran(run("shapes"))


@pytest.mark.usefixtures("shapes")
def test_what_can_not_be_composed_is_raised():
    with pytest.raises(ConfigError, match="unknown pipeline"):
        run("shape")


@pytest.mark.usefixtures("shapes")
def test_variants_are_swept_and_ranked():
    found = sweep("shapes", ["model=gaussian_nb"], ["model=ridge"], ["model=dummy"])
    assert [entry["status"] for entry in found.summary["trials"]] == ["done", "done", "left_out"]
    assert found.summary["command"] == "levada pipeline=shapes model=gaussian_nb"


@pytest.mark.usefixtures("shapes")
def test_a_plan_shows_itself_as_a_table():
    table = Cells(plan("shapes")._repr_html_())
    assert table.rows[0] == ["stage", "tasks", "run", "reuse", "why"]
    assert table.rows[1] == ["shapes.ingest", "3", "3", "0", "never ran (3 tasks)"]
    assert table.strange == 0


def test_hostile_words_of_a_plan_are_text():
    stage = {"label": "<img src=x>", "tasks": 1, "run": 1, "reuse": 0, "reasons": ["<script>alert(1)</script>", "&amp;"]}
    table = Cells(Plan([stage])._repr_html_())
    assert table.rows[1] == ["<img src=x>", "1", "1", "0", "<script>alert(1)</script>; &amp;"]
    assert table.strange == 0
