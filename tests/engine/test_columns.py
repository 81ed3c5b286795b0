from __future__ import annotations

import copy
from pathlib import Path

import pytest

from engine.columns import check_columns
from engine.config.compose import load
from engine.config.specify import specify
from engine.errors import ConfigError

DATA = Path(__file__).parents[2] / "data"
RAW = {
    "name": "shapes",
    "problem": {"task": "classification", "target": "kind"},
    "datasets": {
        "shapes": {
            "extract": {"use": "csv", "path": "shapes.csv"},
            "key": ["id"],
            "time": "when",
            "expect": [{"use": "not_null", "columns": ["kind"]}],
            "prepare": [{"use": "drop", "columns": ["note"]}, {"use": "rename", "columns": {"w": "width"}}],
        },
        "colours": {
            "extract": {"use": "csv", "path": "colours.csv"},
            "prepare": [{"use": "rename", "columns": {"name": "colour"}}],
        },
    },
    "view": {
        "from": "shapes",
        "join": [{"with": "colours", "on": ["colour"]}],
        "features": [{"use": "derive", "area": "width * height"}, {"use": "calendar", "column": "when", "parts": ["hour"]}],
    },
    "encode": [
        {"use": "impute", "columns": ["width", "area"]},
        {"use": "one_hot"},
        {"use": "standardize", "columns": ["colour=red"]},
    ],
    "splitter": {"use": "chronological"},
    "model": {"use": "sklearn.GaussianNB"},
}
COLUMNS = {"shapes": ("id", "when", "note", "w", "height", "colour", "kind"), "colours": ("name", "height", "warm")}


def check(*changes, columns=None):
    """Check the pipeline after values at some paths were changed."""
    raw = copy.deepcopy(RAW)
    for path, value in changes:
        node = raw
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
    known = COLUMNS | (columns or {})
    check_columns(specify(raw), {name: known[name] for name in raw["datasets"]})


def test_a_pipeline_whose_columns_are_there_is_let_through():
    check()


@pytest.mark.parametrize(
    ("path", "value", "what", "where", "hint"),
    [
        (
            ("datasets", "shapes", "expect", 0, "columns"),
            ["knd"],
            "no column 'knd' in shapes",
            "datasets.shapes.expect[0]",
            "kind",
        ),
        (("datasets", "shapes", "prepare", 0, "columns"), ["nte"], "no column 'nte'", "datasets.shapes.prepare[0]", "note"),
        (
            ("datasets", "shapes", "prepare", 1, "columns"),
            {"note": "x"},
            "no column 'note'",
            "datasets.shapes.prepare[1]",
            None,
        ),
        (("datasets", "shapes", "key"), ["idd"], "no column 'idd' in shapes", "datasets.shapes.key", "id"),
        (("datasets", "shapes", "time"), "whne", "no column 'whne' in shapes", "datasets.shapes.time", "when"),
        (
            ("datasets", "colours", "prepare", 0, "columns"),
            {"nam": "colour"},
            "no column 'nam'",
            "datasets.colours.prepare[0]",
            "name",
        ),
        (("view", "join", 0, "on"), ["color"], "no column 'color' in shapes", "view.join[0].on", "colour"),
        (("view", "join", 0, "on"), ["kind"], "no column 'kind' in colours", "view.join[0].on", None),
        (("view", "features", 0, "area"), "widht * 2", "no column 'widht'", "view.features[0]", "width"),
        (("view", "features", 1, "column"), "wen", "no column 'wen'", "view.features[1]", "when"),
        (("problem", "target"), "kin", "no column 'kin' in the view", "problem.target", "kind"),
        (("slices",), ["colour", "kin"], "no column 'kin' in the view", "slices", "kind"),
        (("problem", "features"), ["widt"], "no column 'widt' in the view", "problem.features", "width"),
        (
            ("encode", 0, "columns"),
            ["heigth_colours"],
            "no column 'heigth_colours' among the features",
            "encode[0].columns",
            "height_colours",
        ),
        (("splitter", "column"), "whenn", "no column 'whenn' in the view, and the splitter needs it", "splitter", "when"),
    ],
)
def test_a_column_that_can_not_be_there_is_refused_with_the_key_and_the_nearest_one(path, value, what, where, hint):
    with pytest.raises(ConfigError) as caught:
        check((path, value))
    error = caught.value
    assert (error.what, error.where) == (what, where)
    if hint is not None:
        assert error.hint == f"did you mean '{hint}'?"


def test_the_target_among_the_columns_of_a_step_is_refused():
    with pytest.raises(ConfigError, match="the target 'kind' is also a feature") as caught:
        check((("encode", 0, "columns"), ["kind"]))
    assert caught.value.where == "encode[0].columns"


@pytest.mark.parametrize(("splitter", "what"), [("chronological", "needs a time"), ("hash", "needs a key")])
def test_a_splitter_without_what_it_needs_is_placed(splitter, what):
    changes = [(("datasets", "shapes", "key"), []), (("datasets", "shapes", "time"), None), (("splitter", "use"), splitter)]
    with pytest.raises(ConfigError, match=what) as caught:
        check(*changes)
    assert caught.value.where == "splitter"


def test_a_column_that_a_step_before_has_left_out_is_not_there():
    with pytest.raises(ConfigError, match="no column 'height'"):
        check((("datasets", "shapes", "prepare", 0, "columns"), ["note", "height"]), (("view", "join"), []))


def test_a_key_may_be_a_column_that_is_prepared_or_one_that_is_left_out_later():
    check((("datasets", "shapes", "key"), ["width"]))
    check((("datasets", "shapes", "key"), ["note"]))


def test_columns_of_a_joined_dataset_get_its_name_where_there_are_two():
    check((("encode", 0, "columns"), ["height", "height_colours", "warm"]))
    check((("view", "join", 0, "suffix"), "_x"), (("encode", 0, "columns"), ["height_x"]))


def test_what_a_fitted_step_makes_is_not_known_before_it_was_fitted():
    check((("encode", 2, "columns"), ["colour=red", "anything"]))


def test_what_no_step_has_changed_is_checked_however_late():
    with pytest.raises(ConfigError) as caught:
        check((("encode",), [{"use": "impute"}, {"use": "standardize"}, {"use": "impute", "columns": ["widht"]}]))
    assert caught.value.where == "encode[2].columns"


def test_a_source_that_does_not_know_its_columns_is_let_through():
    check((("encode", 0, "columns"), ["who", "knows"]), columns={"shapes": None})
    check((("encode", 0, "columns"), ["who", "knows"]), columns={"colours": None})


def test_what_is_known_of_the_other_source_is_still_checked():
    with pytest.raises(ConfigError, match="no column 'nam'"):
        check((("datasets", "colours", "prepare", 0, "columns"), {"nam": "colour"}), columns={"shapes": None})


STEPS = [
    {"use": "cast", "columns": {"w": "Int64", "when": "Datetime", "note": "Boolean", "id": "Date"}},
    {"use": "parse_time", "columns": ["when"]},
    {"use": "parse_time", "columns": ["when"], "time_zone": "UTC"},
    {"use": "filter", "where": "w > 3 AND note = 'x' OR when IS NULL"},
    {"use": "deduplicate", "columns": ["id"]},
    {"use": "deduplicate"},
    {"use": "calendar", "column": "when", "parts": ["hour", "is_weekend"]},
    {"use": "keep", "columns": ["id", "when", "w", "height", "colour", "kind", "note"]},
    {"use": "derive", "x": "coalesce(w, 0) + height * 2", "y": "upper(note) || 'x'", "z": "when > '2013-01-01'"},
    {"use": "derive", "x": "CASE WHEN note LIKE 'a%' THEN 1 ELSE NULL END", "y": "substr(note, 1, 2)", "z": "CAST(w AS INT)"},
    {"use": "derive", "x": "abs(w)", "y": "round(w, 2)", "z": "note IN ('a', 'b')", "u": "extract(year FROM when)"},
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["use"])
def test_no_step_of_ours_is_refused_for_types_that_are_not_known_yet(step):
    check(
        (
            ("datasets", "shapes", "prepare"),
            [step, {"use": "drop", "columns": ["note"]}, {"use": "rename", "columns": {"w": "width"}}],
        )
    )


@pytest.mark.parametrize(
    "raised", ["TypeError('numbers only')", "DataError('no number', found='Null')", "KeyError('x')", "ZeroDivisionError()"]
)
def test_a_step_of_the_users_that_asks_for_types_is_not_refused(user_folder, forget, raised):
    (user_folder / "plugins/transformers").mkdir()
    (user_folder / "plugins/transformers/picky.py").write_text(PICKY.replace("RAISED", raised))
    forget()
    check((("view", "features"), [{"use": "picky"}]))


PICKY = '''
from engine.errors import DataError
from engine.plugin import Transformer


class Picky(Transformer):
    """Wants numbers."""

    def apply(self, frame):
        if not frame.collect_schema()["width"].is_numeric():
            raise RAISED
        return frame
'''


@pytest.mark.parametrize("name", ["penguins", "flights", "penguin_colonies"])
def test_our_own_pipelines_are_let_through(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = load([f"pipeline={name}", f"data={DATA}"])
    check_columns(spec, {name: dataset.extract.plan().columns for name, dataset in spec.datasets.items()})


@pytest.mark.parametrize(
    "step",
    [
        {"use": "derive", "known": "__target__ = 'a'"},
        {"use": "tf_idf", "column": "__target__"},
        {"use": "frequency", "columns": ["__part__"]},
    ],
)
def test_no_step_of_the_encoding_can_name_the_target_or_the_part(step):
    with pytest.raises(ConfigError, match="is no column of a step") as raised:
        check((("encode",), [step]))
    assert raised.value.where == "encode[0]"
