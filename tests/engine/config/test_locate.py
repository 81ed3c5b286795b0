from __future__ import annotations

import pytest

from engine.config.locate import Origin
from engine.errors import ConfigError, DataError

PIPELINE = """\
# @package _global_
# A comment.
defaults:
  - override /model: ridge

problem: {task: regression,
          target: late}
datasets:
  flights:
    expect:
      - {use: not_null, columns: [a]}
      - use: between
        column: distance
        min: 1
    prepare: [{use: drop}, {use: derive, late: "a > 1"}]
view:
  join:
    - with: weather
      on: [origin]
"""
MODEL = "use: sklearn.Ridge\nalpha: 1.0\n"
CONFIG = "defaults:\n  - model: ridge\ndata: data\nkeep_going: true\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"pipeline/flights": PIPELINE, "model/ridge": MODEL, "config": CONFIG}.items():
        file = tmp_path / "conf" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "conf"


def origin(folder, *overrides, **choices):
    return Origin(tuple({"pipeline": "flights", "model": "ridge", **choices}.items()), (folder,), overrides)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("problem", 6),
        ("problem.target", 7),
        ("datasets.flights.expect[0].columns", 11),
        ("datasets.flights.expect[1]", 12),
        ("datasets.flights.expect[1].min", 14),
        ("datasets.flights.prepare[1].late", 15),
        ("view.join[0].on", 19),
    ],
)
def test_a_key_of_a_file_for_the_whole_configuration_is_found_at_its_line(folder, key, line):
    assert origin(folder).place(key) == f"conf/pipeline/flights.yaml:{line}, {key}"


@pytest.mark.parametrize(("key", "line"), [("model", 1), ("model.use", 1), ("model.alpha", 2), ("model.unknown", 1)])
def test_a_key_of_a_group_is_found_in_the_file_that_was_chosen(folder, key, line):
    assert origin(folder).place(key) == f"conf/model/ridge.yaml:{line}, {key}"


def test_a_key_at_the_top_is_found_in_the_first_file(folder):
    assert origin(folder).place("keep_going") == "conf/config.yaml:4, keep_going"


def test_a_key_that_is_not_written_is_placed_at_the_nearest_one_above_it(folder):
    key = "datasets.flights.expect[1].max"
    assert origin(folder).place(key) == f"conf/pipeline/flights.yaml:12, {key}"


def test_a_key_that_nobody_wrote_is_itself(folder):
    assert origin(folder).place("nowhere.at.all") == "nowhere.at.all"


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("model.alpha=2", "model.alpha"),
        ("+model.alhpa=2", "model.alhpa"),
        ("++problem.target=x", "problem.target"),
        ("problem={task: regression}", "problem.task"),
        ("view.join=[{with: x}]", "view.join[0].with"),
        ("~model.alpha", "model.alpha"),
    ],
)
def test_a_key_that_was_given_on_the_command_line_is_placed_there(folder, override, key):
    assert origin(folder, "data=elsewhere", override).place(key) == f"command line: {override}"


def test_the_last_override_of_a_key_counts(folder):
    assert origin(folder, "model.alpha=1", "model.alpha=2").place("model.alpha") == "command line: model.alpha=2"


def test_the_choice_of_a_group_is_no_place_of_its_keys(folder):
    assert origin(folder, "model=ridge").place("model.alpha") == "conf/model/ridge.yaml:2, model.alpha"


def test_an_override_of_another_key_is_no_place(folder):
    assert origin(folder, "model.alpha=1").place("model.use") == "conf/model/ridge.yaml:1, model.use"
    assert origin(folder, "model.use=x").place("model.use_it") == "conf/model/ridge.yaml:1, model.use_it"


def test_the_folder_that_comes_first_counts(folder, tmp_path):
    nearer = tmp_path / "nearer"
    (nearer / "model").mkdir(parents=True)
    (nearer / "model/ridge.yaml").write_text("# mine\nuse: sklearn.Ridge\n")
    assert Origin((("model", "ridge"),), (nearer, folder)).place("model.use") == "nearer/model/ridge.yaml:2, model.use"


def test_a_key_of_a_file_that_another_includes_is_found_there(folder):
    (folder / "pipeline/small.yaml").write_text("# @package _global_\ndefaults: [flights, _self_]\nproblem: {goal: 1}\n")
    (folder / "pipeline/smaller.yaml").write_text("# @package _global_\ndefaults:\n  - small\n  - override /model: ridge\n")
    place = origin(folder, pipeline="smaller").place
    assert place("view.join[0].on") == "conf/pipeline/flights.yaml:19, view.join[0].on"
    assert place("problem.goal") == "conf/pipeline/small.yaml:3, problem.goal"


def test_files_that_include_each_other_are_looked_at_once(folder):
    (folder / "pipeline/a.yaml").write_text("defaults: [b]\n")
    (folder / "pipeline/b.yaml").write_text("defaults: [a]\nx: 1\n")
    assert origin(folder, pipeline="a").place("pipeline.x") == "conf/pipeline/b.yaml:2, pipeline.x"


def test_a_key_of_a_group_that_was_put_elsewhere_is_found_in_the_groups_file(folder):
    (folder / "dataset").mkdir()
    (folder / "dataset/weather.yaml").write_text("extract: {use: csv}\nmode: apend\n")
    place = Origin((("dataset@datasets.weather", "weather"),), (folder,)).place
    assert place("datasets.weather.mode") == "conf/dataset/weather.yaml:2, datasets.weather.mode"


def test_a_file_that_is_not_below_where_the_user_stands_is_named_in_full(folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert origin(folder).place("model.alpha") == f"{folder}/model/ridge.yaml:2, model.alpha"


def test_a_config_error_gets_its_place_once(folder):
    places = []
    for where in ("model.alpha", "command line: model.alpha=1", "/etc/x.yaml:1", ""):
        with pytest.raises(ConfigError) as caught, origin(folder).placed():
            raise ConfigError("x", where=where)
        places.append(caught.value.where)
    assert places == ["conf/model/ridge.yaml:2, model.alpha", "command line: model.alpha=1", "/etc/x.yaml:1", ""]


def test_an_error_of_data_keeps_its_place(folder):
    with pytest.raises(DataError) as caught, origin(folder).placed():
        raise DataError("x", where="model.alpha")
    assert caught.value.where == "model.alpha"


def test_where_something_was_written_is_no_part_of_what_it_is(folder):
    assert (origin(folder), hash(origin(folder))) == (Origin(), hash(Origin()))
