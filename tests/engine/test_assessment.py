"""Assessments of pipelines: the defects that real data has, what is run anew for a new batch, and what people are shown."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from engine.assess.counting import summarize
from engine.assess.examine import examine
from engine.assess.profile import Profile
from engine.assess.propose import text_of
from engine.assessment import assess_pipeline
from engine.cli import run as levada
from engine.config.compose import load
from engine.errors import LevadaError, UnknownName
from engine.plugin import ROW
from engine.report import render_run
from engine.trials import Trial, run_sweep

DATA = Path(__file__).parents[2] / "data"
NOTHING = {"expect": [], "prepare": [], "prepare_after": [], "perhaps": []}
APPEND = ("    key: [id]\n", "    key: [id]\n    mode: append\n")


def ran(found):
    """Return how many tasks of each stage ran, without the stages in which none did."""
    tasks = ((found.execution.graph[key].label, outcome.status) for key, outcome in found.execution.outcomes.items())
    return dict(Counter(label for label, status in tasks if status == "ran"))


def of(found, number=0):
    """Return the findings of a dataset by kind and columns."""
    return {(one["kind"], *one["columns"]): one for one in found.summary["datasets"][number]["findings"]}


@pytest.fixture(scope="module")
def penguins(tmp_path_factory):
    root = tmp_path_factory.mktemp("penguins") / "store"
    key = "datasets.penguins.key=[studyName,Sample Number]"  # as one would think from the names of the columns
    return assess_pipeline(load(["pipeline=penguins", key, f"data={DATA}", f"store.root={root}"]))


def test_the_defects_of_the_penguins_are_found_and_nothing_else(penguins):
    found = {name: (one["severity"], one["count"]) for name, one in of(penguins).items()}
    assert found == {
        # numbers begin anew with each species of a study, so that the key names up to three penguins
        ("key_repeated", "studyName", "Sample Number"): ("error", 124),
        ("constant", "Region"): ("warning", 344),  # Anvers
        ("constant", "Stage"): ("warning", 344),  # Adult, 1 Egg Stage
        ("missing", "Comments"): ("warning", 290),
        ("missing", "Delta 15 N (o/oo)"): ("note", 14),
        ("missing", "Delta 13 C (o/oo)"): ("note", 13),
        ("missing", "Sex"): ("note", 11),  # ten NA and a full stop
        # two penguins were not measured at all
        ("missing", "Culmen Length (mm)"): ("note", 2),
        ("missing", "Culmen Depth (mm)"): ("note", 2),
        ("missing", "Flipper Length (mm)"): ("note", 2),
        ("missing", "Body Mass (g)"): ("note", 2),
        ("missing_together", "Delta 13 C (o/oo)", "Delta 15 N (o/oo)"): ("note", 8),
    }


def test_examples_name_the_file_and_the_row(penguins):
    first, second, *_ = of(penguins)[("key_repeated", "studyName", "Sample Number")]["examples"]
    lines = (DATA / "penguins/penguins_raw.csv").read_text(encoding="utf-8").splitlines()
    assert Path(first["file"]).name == "penguins_raw.csv"
    assert lines[first["row"]].split(",")[:2] == lines[second["row"]].split(",")[:2]  # the header is row 0
    assert first["row"] < second["row"]


def test_what_is_proposed_for_the_penguins_composes_and_settles_it(penguins):
    proposal = penguins.proposals["penguins"]
    assert proposal == {**NOTHING, "prepare": [{"use": "drop", "columns": ["Region", "Stage"]}]}


def test_a_new_batch_costs_its_own_summary_one_comparison_and_the_merge_above(shapes):
    shapes.pipeline(APPEND)
    spec = shapes.load()
    first = {"shapes.assess": 3, "shapes.compare": 3, "shapes.merge_assessed": 1, "shapes.judge": 1}
    assert ran(assess_pipeline(spec)) == first
    assert ran(assess_pipeline(spec)) == {}
    shapes.write("data/shapes-3.csv", shapes.rows(61, 20))
    found = assess_pipeline(spec)
    assert ran(found) == dict.fromkeys(first, 1)
    assert (found.summary["datasets"][0]["batches"], found.summary["datasets"][0]["rows"]) == (4, 80)


def test_planted_defects_are_found_where_they_are_and_what_is_proposed_can_be_pasted(shapes):
    lines = shapes.rows(1, 60).splitlines()
    lines[0] += ",unit,told"
    kinds = [line.rsplit(",", 1)[1] for line in lines[1:]]
    lines[1:] = [f"{line},cm,{'yes' if kind == 'b' else 'no'}" for line, kind in zip(lines[1:], kinds, strict=False)]
    lines[5] = lines[5].replace(",blue,", ",Blue ,").replace(",red,", ",Red ,").replace(",green,", ",Green ,")
    shapes.pipeline(("shapes-*.csv", "planted.csv"))
    shapes.write("data/planted.csv", "\n".join(lines) + "\n")
    found = assess_pipeline(shapes.load())
    by = of(found)
    assert by[("variants", "colour")]["count"] == 1
    assert 5 in [example["row"] for example in by[("variants", "colour")]["examples"]]
    assert by[("constant", "unit")]["severity"] == "warning"
    assert by[("leak", "told")]["severity"] == "warning"
    proposal = found.proposals["shapes"]
    assert proposal["prepare"][-1] == {"use": "drop", "columns": ["unit"]}
    assert proposal["prepare_after"] == [{"use": "drop", "columns": ["told"]}]
    steps = [*proposal["prepare"], {"use": "derive", "wide": "width > 5"}, *proposal["prepare_after"]]
    shapes.pipeline(
        ("shapes-*.csv", "planted.csv"),
        ('      - {use: derive, wide: "width > 5"}', "\n".join(f"      - {json.dumps(step)}" for step in steps)),
    )
    settled = assess_pipeline(shapes.load())
    assert settled.proposals["shapes"] == NOTHING
    run = shapes.run()
    assert not {"unit", "told"} & set(run.features().collect_schema().names())


def test_the_wind_that_never_blew_is_found_in_the_weather_and_set_aside(tmp_path):
    spec = load(["pipeline=flights", f"data={DATA}", f"store.root={tmp_path}"])
    found = assess_pipeline(spec, ["weather"])
    warnings = {name: one for name, one in of(found).items() if one["severity"] == "warning"}
    assert set(warnings) == {("missing", "wind_gust"), ("outliers", "wind_speed")}
    settled = {(one["kind"], *one["columns"]): one["by"] for one in found.summary["datasets"][0]["settled"]}
    assert settled.pop(("constant", "year")) == "drop"  # by the pipeline, already
    assert {kind for kind, _ in settled} == {"missing"}
    assert set(settled.values()) == {"impute"}
    wind = warnings[("outliers", "wind_speed")]
    assert (wind["count"], wind["examples"][0]["value"], wind["examples"][0]["row"]) == (1, "1048.36", 1010)
    (rule,) = found.proposals["weather"]["expect"]
    assert (rule["use"], rule["column"], rule["min"]) == ("between", "wind_speed", 0)
    assert 42 < rule["max"] < 43


def test_two_months_of_flights_have_no_defect_but_a_constant_year(tmp_path):
    path = f"datasets.flights.extract.path='{DATA}/nycflights13/flights/2013-0[12].csv.gz'"
    found = assess_pipeline(load(["pipeline=flights", f"data={DATA}", f"store.root={tmp_path}", path]), ["flights"])
    assert {name for name, one in of(found).items() if one["severity"] != "note"} == {("constant", "year")}
    assert found.summary["datasets"][0]["batches"] == 2


def test_a_run_says_in_what_condition_the_data_is_and_the_command_takes_it_from_there(shapes):
    shapes.pipeline(APPEND)
    run = shapes.run("assess=true")
    condition = run.summary["condition"]
    (one,) = condition["datasets"]
    assert (one["name"], one["rows"], one["batches"]) == ("shapes", 60, 3)
    assert ("missing", ["height"], "impute") in [(found["kind"], found["columns"], found["by"]) for found in one["settled"]]
    assert [shown["column"] for shown in one["distributions"]] == ["id", "colour", "width", "height", "kind"]
    assert condition["ran"] == 8
    assert ran(assess_pipeline(shapes.load())) == {}
    assert shapes.run("assess=true").summary["condition"]["ran"] == 0
    assert "Condition of the data" in render_run(dict(run.summary))


def test_a_run_takes_from_the_command_what_it_has_found_out(shapes):
    found = assess_pipeline(shapes.load())
    condition = shapes.run("assess=true").summary["condition"]
    assert condition["ran"] == 0
    assert condition["datasets"][0]["findings"] == found.summary["datasets"][0]["findings"]
    assert shapes.run().summary["condition"] is None  # assess: false, as the pipeline has it


def test_what_can_not_be_assessed_is_a_warning_and_fails_no_run(shapes):
    shapes.write(".levada/artifacts/shapes.assess", "where a folder should be\n")
    run = shapes.run("assess=true", "keep_going=false", "executor.retries=0")
    assert run.summary["status"] == "done"
    assert run.metrics["test"]["accuracy"] is not None
    (warning,) = [one for one in run.summary["warnings"] if one["code"] == "not_assessed"]
    assert warning["message"].startswith("shapes could not be assessed: ")
    assert run.summary["condition"]["datasets"] == []


def test_trials_of_a_sweep_go_without_and_the_best_one_is_assessed(shapes):
    trials = [
        Trial(number, (model,), shapes.load(model, "assess=true"))
        for number, model in enumerate(("model=gaussian_nb", "model=dummy"))
    ]
    found = run_sweep(trials)
    assert [run.summary["condition"] for run in found.runs.values()] == [None, None]
    assert found.summary["run"]["condition"]["datasets"][0]["rows"] == 60


def test_what_is_there_is_assessed_when_a_new_file_can_not_be_ingested(shapes):
    shapes.pipeline(APPEND)
    assess_pipeline(shapes.load())
    shapes.write("data/shapes-3.csv", b"")
    found = assess_pipeline(shapes.load())
    assert found.summary["datasets"][0]["rows"] == 60
    with pytest.raises(LevadaError, match="shapes-3"):
        found.raise_failure()


def test_rows_behind_quarantined_ones_keep_the_numbers_of_their_source(shapes):
    lines = shapes.rows(1, 40).splitlines()
    lines[2] = lines[2].rsplit(",", 1)[0] + ","  # no kind: to quarantine
    lines[31] = lines[30]
    shapes.pipeline(
        ("shapes-*.csv", "one.csv"), ("    prepare:\n", "    expect: [{use: not_null, columns: [kind]}]\n    prepare:\n")
    )
    shapes.write("data/one.csv", "\n".join(lines) + "\n")
    found = of(assess_pipeline(shapes.load()))
    assert [example["row"] for example in found[("key_repeated", "id")]["examples"]] == [30, 31]


def test_a_dataset_that_is_not_there_is_refused_with_the_nearest_name(shapes):
    with pytest.raises(UnknownName, match="shape") as raised:
        assess_pipeline(shapes.load(), ["shape"])
    assert "shapes" in raised.value.hint


def planted(count=600):
    """Return the lines of a CSV file with a defect of each kind that a step or a rule settles."""
    lines = ["id,colour,unit,code,seen,day,price,note,level,kind"]
    for n in range(count):
        colour = {7: "Red ", 11: "gren", 13: "?"}.get(n, ("red", "green", "blue")[n % 3])
        code = {17: "A-7"}.get(n, f"N{n % 97}{'ABC'[n % 3]}")
        day = f"2013-01-{n % 28 + 1:02}" if n % 5 else f"{n % 28 + 1:02}.01.2013"
        price = "?" if n == 19 else f'"{n % 37},{n % 10}"'
        level = 9_000 if n == 23 else n % 41
        note = "  " if n == 29 else ("p", "", "q", "r")[n % 4]
        lines.append(f"{n},{colour},cm,{code},{'yes' if n % 4 else ''},{day},{price},{note},{level},{'ab'[n // 3 % 2]}")
    return [*lines, *lines[5:8]]


def test_all_that_is_proposed_is_pasted_and_what_it_settles_is_gone(shapes):
    shapes.write("data/planted.csv", "\n".join(planted()) + "\n")
    source = ("shapes-*.csv", "planted.csv")
    bare = ('    prepare:\n      - {use: derive, wide: "width > 5"}\n', "")
    view = ('    - {use: derive, area: "width * height"}\n    - {use: drop, columns: [wide]}', "    []")
    shapes.pipeline(source, bare, view)
    found = assess_pipeline(shapes.load())
    assert {one["kind"] for one in found.summary["datasets"][0]["findings"]} > {
        "variants",
        "misspelt",
        "rare_level",
        "odd_form",
    }
    proposal = found.proposals["shapes"]
    assert [step["use"] for step in proposal["expect"]] == ["between", "matches", "in_set", "unique"]
    assert [step["use"] for step in proposal["prepare"]] == [
        *("normalize_text", "normalize_text", "replace", "parse_time", "parse_number", "fill", "drop")
    ]
    pasted = yaml.safe_load(text_of(found.proposals))["datasets"]["shapes"]
    lines = [f"    {part}:\n" + "".join(f"      - {json.dumps(step)}\n" for step in pasted[part]) for part in pasted]
    shapes.pipeline(source, (bare[0], "".join(lines)), view)
    again = assess_pipeline(shapes.load())
    assert again.proposals["shapes"] == NOTHING
    (after,) = again.summary["datasets"]
    assert {one["kind"] for one in after["findings"]} == {"missing"}
    assert after["rows"] == 600 - 3  # a level, a colour and a code that do not belong; the copies are gone too
    assert {one["by"] for one in after["settled"]} == {
        "normalize_text",
        "replace",
        "parse_time",
        "parse_number",
        "fill",
        "drop",
    }
    rows = shapes.run().features().with_row_index(ROW, offset=1)
    left = {(one.kind, *one.columns) for one in examine(Profile(summarize(rows, "rows", ["id"])), ["id"])}
    assert left == {("missing", "note"), ("missing", "price")}


def test_the_command_shows_what_was_found_and_proposes(shapes, capsys):
    shapes.write("data/shapes-3.csv", shapes.rows(1, 20))  # all of the first file once more
    assert levada(["assess", "pipeline=shapes"]) == 0
    said = capsys.readouterr().out
    assert "20 rows have a key (id) that another row has" in said
    assert max(map(len, said.splitlines())) <= 100
    assert "levada assess pipeline=shapes --propose" in said
    assert levada(["assess", "pipeline=shapes", "shapes", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["datasets"]
    assert (one["name"], one["rows"]) == ("shapes", 80)
    assert levada(["assess", "pipeline=shapes", "--propose"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"datasets": {"shapes": {"prepare": [{"use": "deduplicate"}]}}}


@pytest.mark.usefixtures("shapes")
def test_a_wrong_flag_is_refused(capsys):
    assert levada(["assess", "pipeline=shapes", "--propse"]) == 2
    assert "--propse" in capsys.readouterr().err
