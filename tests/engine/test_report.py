from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations, pairwise

import pytest

from engine.report import colours, render_run, render_sweep, wording
from engine.report.evaluation import Cluster, Evaluation
from engine.report.picture import draw
from engine.report.summary import Run, Stage
from tests.engine.evaluations import EVALUATIONS, FIGURES, STABILITY, slices

HOSTILE = "</script><script>alert(1)</script><img src=https://x/a onerror=alert(2)>\"'&{{ 7*7 }}$$x$$"
LABELS = ["flights.ingest", "flights.prepare", "view", "segregate", "encode", "estimate", "evaluate"]
STAGES = [{"label": name, "tasks": 3, "ran": 1, "reused": 2, "rows": 10, "bytes": 5_461_234, "seconds": 0.5} for name in LABELS]
EDGES = [*map(list, pairwise(LABELS)), ["segregate", "evaluate"], ["view", "encode"]]
BATCH = {"dataset": "flights", "id": "0192", "sequence": 1, "rows": 10, "partitions": 3, "created": "2026-11-24T13:00:00+00:00"}
REQUIRED = {"id", "pipeline", "status", "label", "name", "part", "cluster", "feature", "column", "check", "number"}
MINIMAL = {"id": "1", "pipeline": "flights", "status": "interrupted"}


def a_run(task="classification", name=str):
    """A complete summary; ``name`` changes every word that a user or their data may choose."""
    question = {
        "task": task,
        "target": name("late"),
        "metric": "roc_auc",
        "goal": 0.7,
        "answer": 0.7312,
        "part": "test",
        "reached": True,
    }
    return {
        "id": "0192f3a4",
        "pipeline": name("flights"),
        "status": "done",
        "started": "2026-11-24T13:00:00+00:00",
        "seconds": 12.3,
        "question": question,
        "overrides": [name("model=random_forest")],
        "model": {"use": name("sklearn.SVC"), name("max_iter"): 200, "verbose": False, "seed": None},
        "stages": [{**stage, "label": name(stage["label"])} for stage in STAGES],
        "edges": [[name(source), name(target)] for source, target in EDGES],
        "datasets": [
            {
                "name": name("flights"),
                "mode": "append",
                "batches": [BATCH],
                "rows": 327_346,
                "quarantined": 9430,
                "partitions": 12,
                "columns": [[name("year"), name("Int64")]],
                "reasons": [{"check": name("arr_delay is not null"), "rows": 9430}],
            }
        ],
        "condition": {
            "datasets": [
                {
                    "name": name("trips"),
                    "rows": 9,
                    "findings": [
                        {
                            "severity": "warning",
                            "kind": "constant",
                            "columns": [name("unit")],
                            "message": name("is always 'cm'"),
                            "advice": name("drop it"),
                            "count": 9,
                            "total": 9,
                            "examples": [{"file": name("a.csv"), "row": 1, "value": name("cm")}],
                        }
                    ],
                    "settled": [{"kind": "skew", "columns": [name("delay")], "by": name("drop")}],
                    "distributions": [
                        {"column": name("unit"), "type": name("String"), "kind": "levels", "bars": [[name("cm"), 9]]},
                        {
                            "column": name("delay"),
                            "kind": "steps",
                            "bars": [[name("0 to 1"), 9]],
                            "missing": 0.5,
                            "low": name("0"),
                            "middle": name("0.5"),
                            "high": name("1"),
                        },
                    ],
                }
            ]
        },
        "split": [
            {
                "part": "train",
                "rows": 60,
                "share": 0.6,
                "from": "2013-01-01 10:00:00",
                "to": "2013-08-10",
                "classes": {name("true"): 2},
            },
            {"part": "test", "rows": 40},
        ],
        "warnings": [
            {"code": name("class_shares_differ"), "message": name("they differ"), "advice": name("look")},
            {
                "code": "features_differ",
                "severity": name("error"),
                "message": "2 of 3",
                "numbers": {
                    name("cramers_v"): 0.25,
                    "part": name("test"),
                    "columns": [{name("column"): name("hour"), "value": 0.41, "limit": None}],
                },
            },
        ],
        "features": {
            "used": [name("hour")],
            "left_out": [{"column": name("time_hour"), "reason": name("Datetime")}],
            "chosen": [
                {"step": name("encode.1_select"), "column": name("hour"), "kept": True, "reason": name("F 12, number 1 of 2")},
                {"step": name("encode.1_select"), "column": name("dull"), "kept": False, "reason": name("F 0, not above 1")},
            ],
        },
        "metrics": {"validation": {"roc_auc": 0.73, name("f1"): None}, "test": {"roc_auc": 0.7312}},
        "evaluation": json.loads(json.dumps(EVALUATIONS[task]).replace('"true"', json.dumps(name("true")))),
        "slices": slices(name),
        "learning_curve": {
            "metric": name("roc_auc"),
            "part": "validation",
            "points": [
                {"rows": 10, "train": 0.9, "value": 0.5, "interval": [0.4, 0.6]},
                {"rows": 100, "train": 0.8, "value": 0.7, "interval": None},
            ],
            "last_step": {"rows": [10, 100], "difference": 0.2, "interval": [0.1, 0.3], "gains": True, "loses": False},
            "failures": [name("size 1: too few rows")],
        },
        "importance": [
            {"feature": name("hour"), "mean": 0.05, "std": 0.002},
            {"feature": name("day"), "mean": -0.01, "std": 0.0},
        ],
        "stability": STABILITY,
        "lineage": {
            "batches": [{**BATCH, "sources": [name(f"2013-0{month}.csv") for month in range(1, 6)]}],
            "versions": {name("levada"): name("0.1.0")},
            "commit": name("abc (with uncommitted changes)"),
            "code": "5f2e",
        },
        "failures": [{"label": name("evaluate"), "index": 3, "message": name("two\nlines")}],
    }


def a_sweep(name=str):
    trials = [
        {
            "number": 0,
            "overrides": [name("model=ridge")],
            "model": name("Ridge"),
            "status": "failed",
            "error": name("too large"),
        },
        {
            "number": 1,
            "overrides": [name("model=lasso")],
            "model": name("Lasso"),
            "metrics": {"roc_auc": 0.61, name("f1"): 0.2},
        },
        {"number": 2, "overrides": [name("model=svc")], "model": name("Svc"), "metrics": {"roc_auc": 0.74}, "seconds": 3.2},
        {"number": 3, "overrides": [name("model=kmeans")], "model": None, "status": "left_out", "error": name("another task")},
    ]
    run = a_run(name=name)
    told = {key: run[key] for key in ("id", "pipeline", "status", "question", "stages", "edges")}
    command = name("levada pipeline=flights model=svc")
    return {
        **told,
        "part": "validation",
        "trials": trials,
        "candidates": trials,
        "best": 2,
        "command": command,
        "best_overrides": [name("model=svc")],
        "run": run,
    }


class Page(HTMLParser):
    """The tags of a page in order, what they refer to, and its scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.references, self.scripts, self.policy, self.text = [], [], [], "", ""
        self._script = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append((tag, tuple(sorted(values))))
        self.references += [values[name] for name in ("src", "href", "srcset", "action", "data") if name in values]
        self.policy = values["content"] if values.get("http-equiv") == "Content-Security-Policy" else self.policy
        self._script = tag == "script"
        if self._script:
            self.scripts.append([values, ""])

    def handle_endtag(self, tag):
        self._script = self._script and tag != "script"

    def handle_data(self, data):
        if self._script:
            self.scripts[-1][1] += data
        else:
            self.text += data


def without(value):
    """Copies of a nested value, each with one part of it null or, in a mapping, absent."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in REQUIRED:
                yield {**value, key: None}
                yield {other: one for other, one in value.items() if other != key}
            yield from ({**value, key: changed} for changed in without(inner))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from ([changed, *value[1:]] for changed in without(value[0]))


@pytest.mark.parametrize("task", list(EVALUATIONS))
def test_every_task_has_its_figures(task):
    html = render_run(a_run(task))
    page = Page(html)
    data = json.loads(page.scripts[0][1])
    assert set(data) == FIGURES[task]
    assert all(f'id="plot-{name}"' in html for name in data)


@pytest.mark.parametrize(
    "html", [render_run(a_run()), render_sweep(a_sweep()), render_run(MINIMAL)], ids=["run", "sweep", "minimal"]
)
def test_a_page_refers_to_nothing_outside_it(html):
    page = Page(html)
    assert page.references == []
    assert not {"link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert not re.search(r"@import|url\(", re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))
    assert page.policy.startswith("default-src 'none';")


@pytest.mark.parametrize("html", [render_run(a_run()), render_sweep(a_sweep())], ids=["run", "sweep"])
def test_only_the_scripts_of_the_page_may_run(html):
    page = Page(html)
    code = [text for values, text in page.scripts if values.get("type") != "application/json"]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in code]
    assert page.policy.partition("script-src ")[2] == " ".join(f"'sha256-{digest}'" for digest in digests)


@pytest.mark.parametrize(("render", "summary"), [(render_run, a_run), (render_sweep, a_sweep)], ids=["run", "sweep"])
def test_hostile_names_are_text_wherever_they_stand(render, summary):
    tame, hostile = Page(render(summary())), Page(render(summary(name=lambda word: word + HOSTILE)))
    assert hostile.tags == tame.tags
    assert [values for values, _ in hostile.scripts] == [values for values, _ in tame.scripts]
    assert hostile.text.count("alert(1)") > 40
    assert HOSTILE in json.dumps(json.loads(hostile.scripts[0][1]), ensure_ascii=False).replace('\\"', '"')


def test_hostile_names_of_all_tasks_leave_the_data_block_whole():
    for task in EVALUATIONS:
        page = Page(render_run(a_run(task, name=lambda word: word + HOSTILE)))
        assert set(json.loads(page.scripts[0][1])) == FIGURES[task]


def test_whatever_may_be_absent_may_be_absent():
    drawn = {
        "evaluation",
        "importance",
        "learning_curve",
    }  # figures take most of the time: they have the next test to themselves
    plain = {key: value for key, value in a_run().items() if key not in drawn}
    for summary in without(plain):
        assert "<main>" in render_run(summary)
    for summary in without({key: value for key, value in a_sweep().items() if key != "run"}):
        assert "<main>" in render_sweep(summary)


@pytest.mark.parametrize("task", list(EVALUATIONS))
def test_whatever_was_not_evaluated_may_be_absent(task):
    for name, found in EVALUATIONS[task]["test"].items():  # one at a time: a page of all figures takes a while to draw
        for evaluation in without({"test": {name: found}}):
            assert "<main>" in render_run({**MINIMAL, "evaluation": evaluation, "importance": None})


def test_whatever_a_learning_curve_lacks_may_be_absent():
    for curve in without(a_run()["learning_curve"]):
        assert "<main>" in render_run({**MINIMAL, "learning_curve": curve})


def test_a_warning_tells_its_numbers():
    columns = [{"column": "temp", "measure": "ks", "value": 0.41234567}, {"column": "month", "measure": "ks", "value": 1}]
    numbers = {"part": "test", "rows": 65454, "classes": {"a": 3, "b": 0.5}, "watch": ["x", "y"], "p": 1e-9, "columns": columns}
    (warned,) = Run.model_validate(
        {"id": "1", "pipeline": "p", "status": "done", "warnings": [{"severity": "error", "numbers": numbers}]}
    ).warnings
    assert warned.facts == [
        ("part", "test"),
        ("rows", "65,454"),
        ("classes", "a 3, b 0.5"),
        ("watch", "x, y"),
        ("p", wording.measured(1e-9)),
    ]
    assert warned.tables == [(["column", "measure", "value"], [["temp", "ks", "0.4123"], ["month", "ks", "1"]])]
    page = render_run({"id": "1", "pipeline": "p", "status": "done", "warnings": [{"severity": "error", "numbers": numbers}]})
    assert "warning is-error" in page
    assert "<td>0.4123</td>" in page


def test_a_failed_run_says_what_failed_and_needs_no_library():
    failures = [{"label": "flights.ingest", "index": 3, "message": "a row is too long\n  where  2013-12.csv"}]
    html = render_run({**MINIMAL, "status": "failed", "failures": failures, "stages": STAGES, "edges": EDGES})
    assert "the run failed at flights.ingest" in html
    assert "a row is too long\n  where  2013-12.csv" in html
    assert len(html) < 60_000


def test_the_package_loads_bokeh_only_for_a_figure():
    code = f"import sys; from engine.report import render_run; render_run({MINIMAL}); print('bokeh' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_equal_summaries_give_equal_pages():
    assert render_run(a_run()) == render_run(a_run())


def test_trials_are_ranked_and_those_without_a_score_stand_last():
    text = Page(render_sweep(a_sweep())).text
    table = text[text.index("Trials", text.index("Trials") + 1) :]
    places = [table.index(word) for word in ("Svc", "Lasso", "Ridge", "too large", "left out", "another task")]
    assert places == sorted(places)
    assert "levada pipeline=flights model=svc" in text


def test_less_is_better_where_the_question_says_so():
    sweep = a_sweep()
    sweep["question"] = {**sweep["question"], "greater_is_better": False}
    text = Page(render_sweep(sweep)).text
    assert text.index("model=lasso") < text.rindex("Svc", 0, text.index("The best trial in full"))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (
            {"task": "classification", "target": "late", "answer": 0.7312},
            "Can late be told? roc_auc 0.731 on test rows: no goal was set.",
        ),
        (
            {"task": "regression", "target": "fare", "answer": 0.8, "goal": 0.7},
            "Can fare be estimated? roc_auc 0.800 on test rows: the goal of 0.70 is reached.",
        ),
        (
            {"task": "clustering", "answer": 0.69996, "goal": 0.7},
            "Do the rows fall into groups? roc_auc 0.69996 on test rows: the goal of 0.70 is not reached.",
        ),
        (
            {"task": "classification", "target": "late"},
            "Can late be told? There is no answer yet: the run was interrupted; the next one goes on from here.",
        ),
    ],
)
def test_the_page_opens_with_question_and_answer(question, words):
    page = Page(render_run({**MINIMAL, "question": {"metric": "roc_auc", "part": "test", **question}}))
    assert words in " ".join(page.text.split())


def a_graph(count):
    names = [f"s{number}" for number in range(count)]
    edges = [(names[number // 2], names[number]) for number in range(1, count)] + [(names[0], names[-1]), (names[1], names[-2])]
    return [Stage(label=name, tasks=1) for name in names], edges


@pytest.mark.parametrize("columns", [2, 7])
@pytest.mark.parametrize("count", [6, 25])
def test_boxes_of_the_picture_lie_apart_and_within(count, columns):
    picture = draw(*a_graph(count), columns=columns)
    assert len(picture.boxes) == count
    for box in picture.boxes:
        assert 0 <= box.x <= picture.width - box.width
        assert 0 <= box.y <= picture.height - box.height
    for one, other in combinations(picture.boxes, 2):
        assert abs(one.x - other.x) >= one.width or abs(one.y - other.y) >= one.height


def test_a_chain_is_level_and_leads_to_the_right():
    stages = [Stage(label=name) for name in "abcd"]
    boxes = draw(stages, [*pairwise("abcd")], columns=7).boxes
    assert len({box.y for box in boxes}) == 1
    assert [box.x for box in boxes] == sorted(box.x for box in boxes)


def test_circles_and_unknown_stages_do_not_hinder_the_picture():
    stages = [Stage(label=name) for name in "ab"]
    picture = draw(stages, [("a", "b"), ("b", "a"), ("a", "a"), ("a", "nowhere")], columns=7)
    assert len(picture.boxes) == 2
    assert draw([], [], columns=7).boxes == ()


def test_a_group_has_the_colour_of_the_label_most_of_it_bears():
    clusters = (
        Cluster(cluster=0, labels={"b": 5, "a": 1}),
        Cluster(cluster=1, labels={"b": 3}),
        Cluster(cluster=2, labels={"a": 9}),
    )
    found = colours.assign(Evaluation(clusters=clusters))
    assert found.labels == {"a": 0, "b": 1}
    assert found.groups == {2: 0, 0: 1, 1: 2}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (wording.count(336_776), "336,776"),
        (wording.count(None), "\N{EN DASH}"),
        (wording.compact(12_345), "12k"),
        (wording.compact(1_300_000), "1.3M"),
        (wording.size(5_461_234), "5.5 MB"),
        (wording.size(999), "999 B"),
        (wording.size(999_999), "1.0 MB"),
        (wording.duration(0.004), "4 ms"),
        (wording.duration(12.34), "12.3 s"),
        (wording.duration(200), "3 min 20 s"),
        (wording.duration(7500), "2 h 5 min"),
        (wording.score(0.73125), "0.731"),
        (wording.score(-0.0001), "\N{MINUS SIGN}1.0e\N{MINUS SIGN}04"),
        (wording.score(-1234.5), "\N{MINUS SIGN}1,234"),
        (wording.score(-0.0), "0.000"),
        (wording.score(14.0), "14"),
        (wording.score(12.5), "12.50"),
        (wording.score(float("nan")), "\N{EN DASH}"),
        (wording.goal(0.7), "0.70"),
        (wording.goal(0.955), "0.955"),
        (wording.goal(2), "2.00"),
        (wording.moment("2026-11-24T14:00:00+01:00"), "2026-11-24 13:00 UTC"),
        (wording.moment("2013-01-01"), "2013-01-01"),
        (wording.moment("once"), "once"),
        (wording.parameter(value=False), "false"),
    ],
)
def test_numbers_read_as_people_write_them(said, words):
    assert said == words


def test_lines_that_follow_from_others_are_left_out_of_the_picture():
    stages = [Stage(label=name) for name in "abc"]
    assert draw(stages, [("a", "b"), ("b", "c"), ("a", "c")], columns=7) == draw(stages, [("a", "b"), ("b", "c")], columns=7)


def test_a_group_that_dissolves_when_it_is_fitted_again_is_told():
    text = " ".join(Page(render_run(a_run("clustering"))).text.split())
    assert "Fitted again 5 times, each time on 80 of 100 rows, with 2 to 3 groups" in text
    assert "0.500dissolves" in text.replace(" ", "")


def test_the_worst_slice_is_named_and_what_can_not_be_compared_says_so():
    text = " ".join(Page(render_run(a_run())).text.split())
    difference = f"{wording.score(-0.14)} {wording.interval((-0.2, -0.1))}"
    assert f"The worst is dest missing: 0.610, {difference} from the other rows." in text
    assert text.count("too little to tell") == 1


def test_the_condition_of_the_data_is_told_and_drawn_and_columns_beyond_forty_are_folded_away():
    finding = {"severity": "warning", "kind": "constant", "columns": ["unit"], "message": "is always 'cm'", "advice": "drop it"}
    levels = {"column": "unit", "kind": "levels", "bars": [["cm", 3]], "missing": 0.25}
    steps = {"kind": "steps", "bars": [["0 to 1", 4], ["1 to 2", 0]], "low": "0", "high": "2"}
    columns = [levels, *({"column": f"x{number}", **steps} for number in range(44))]
    dataset = {"name": "trips", "rows": 4, "findings": [finding], "distributions": columns}
    page = render_run({"id": "1", "pipeline": "p", "status": "done", "condition": {"datasets": [dataset]}})
    assert "trips <span>4 rows, 1 warning<" in " ".join(page.split())
    assert "is always &#39;cm&#39;" in page
    assert "25.0 % missing" in page
    before, folded = page.split("<summary>5 more columns</summary>")
    assert (before.count("<title>0 to 1: 4 rows</title>"), folded.count("<title>0 to 1: 4 rows</title>")) == (39, 5)
