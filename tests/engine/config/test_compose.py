from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, ListConfig
from pydantic import BaseModel, ValidationError

from engine.config.compose import lenient, load, load_store
from engine.errors import ConfigError, UnknownName
from engine.registry import build

REPOSITORY = Path(__file__).parents[3]


def leaves(value):
    """Yield all that a specification is made of."""
    yield value
    if isinstance(value, BaseModel):
        inner = [getattr(value, name) for name in type(value).model_fields] + list((value.__pydantic_extra__ or {}).values())
    elif isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, tuple | list | set | frozenset):
        inner = value
    else:
        return
    for one in inner:
        yield from leaves(one)


def refused(shapes, *overrides, name="shapes"):
    with pytest.raises(ConfigError) as caught:
        shapes.load(*overrides, name=name)
    return caught.value


def test_a_pipeline_of_the_users_is_found_where_they_stand(shapes):
    spec = shapes.load()
    assert (spec.name, list(spec.datasets), spec.problem.target) == ("shapes", ["shapes"], "kind")
    assert [type(step).__name__ for step in spec.encode] == ["Impute", "OneHot", "Standardize"]


def test_equal_yaml_is_an_equal_specification_however_it_is_written(shapes):
    shapes.pipeline(
        (
            "problem: {task: classification, target: kind, metric: accuracy}",
            "problem:\n  metric: 'accuracy'   # why\n  target: kind\n  task: classification",
        ),
        ("  - {use: impute}\n", "  - impute\n"),
        ("view:\n  from: shapes", "view:\n  join: []\n  from: shapes"),
        name="other",
        more="name: shapes\n",
    )
    assert shapes.load(name="other") == shapes.load()
    assert shapes.load("problem.goal=0.5") != shapes.load()


def test_nothing_of_omegaconf_is_left_in_a_specification(shapes):
    shapes.pipeline(("metrics: [accuracy]", "metrics: [f1, {use: recall}]"))
    found = {type(value) for value in leaves(shapes.load("model.priors=[0.5,0.5]", "+executor.workers=2"))}
    assert not {DictConfig, ListConfig} & found
    assert {list, str, float, int} <= found


def test_a_specification_is_frozen(shapes):
    with pytest.raises(ValidationError, match="frozen"):
        shapes.load().keep_going = False


@pytest.mark.parametrize("override", ["model.var_smoothing=0.5", "++model.var_smoothing=0.5"])
def test_an_override_changes_a_parameter(shapes, override):
    assert shapes.load(override).model.var_smoothing == 0.5


@pytest.mark.parametrize("override", ["model.priors=[0.5,0.5]", "executor.workers=3", "encode.0.add_indicator=true"])
def test_an_override_may_name_a_parameter_that_no_file_has(shapes, override):
    assert shapes.load(override) != shapes.load()


@pytest.mark.parametrize(
    ("override", "made"),
    [
        ("model.C=1", "++model.C=1"),
        ("a.b.c=[1]", "++a.b.c=[1]"),
        ("model=ridge", "model=ridge"),
        ("+model.C=1", "+model.C=1"),
        ("~model.C", "~model.C"),
        ("hydra.run.dir=x", "hydra.run.dir=x"),
        ("pipeline/sub=x", "pipeline/sub=x"),
        ("-m", "-m"),
        ("path='a.b=c'", "path='a.b=c'"),
    ],
)
def test_only_the_override_of_a_nested_key_may_add_it(override, made):
    assert lenient(override) == made


def test_a_value_from_the_environment_is_resolved(shapes, monkeypatch):
    monkeypatch.setenv("WHERE", "data/shapes-1.csv")
    shapes.pipeline(('"data/shapes-*.csv"', '"${oc.env:WHERE}"'))
    assert shapes.load().datasets["shapes"].extract.path == "data/shapes-1.csv"


def test_a_missing_environment_variable_is_said(shapes, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    shapes.pipeline(('"data/shapes-*.csv"', '"${oc.env:NOWHERE}"'))
    error = refused(shapes)
    assert "NOWHERE" in error.what
    assert error.where == "conf/pipeline/shapes.yaml:8, datasets.shapes.extract.path"


def test_the_bare_key_on_is_text(shapes):
    shapes.pipeline(("  from: shapes", "  from: shapes\n  join: [{with: shapes, on: [id]}]"))
    assert shapes.load().view.join[0].on == ("id",)


def test_bare_keys_true_and_false_are_classes_where_there_are_no_others(shapes):
    spec = shapes.load("problem.costs={true:{false:5},false:{true:1}}", "problem.metric=cost", "assess=false")
    assert spec.problem.costs == {"true": {"false": 5}, "false": {"true": 1}}
    weighted = shapes.load("model=logistic_regression", "model.class_weight={true:5,false:1}")
    assert weighted.model.class_weight == {"true": 5, "false": 1}


@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        (("kind, metric", "'???', metric"), "the key 'target' has no value yet", "conf/pipeline/shapes.yaml:5, problem.target"),
        (
            ("data/shapes-*.csv", "${nope:1}"),
            "Unsupported interpolation type nope",
            "conf/pipeline/shapes.yaml:8, datasets.shapes.extract.path",
        ),
        (
            ("data/shapes-*.csv", "${nowhere}"),
            "Interpolation key 'nowhere' not found",
            "conf/pipeline/shapes.yaml:8, datasets.shapes.extract.path",
        ),
        (
            ("data/shapes-*.csv", "${datasets.shapes.extract.path}"),
            "",
            "conf/pipeline/shapes.yaml:8, datasets.shapes.extract.path",
        ),
        (
            ("  - {use: impute}", "  - {use: imput}"),
            "unknown transformer 'imput'",
            "conf/pipeline/shapes.yaml:18, encode[0].use",
        ),
        (("  - {use: impute}", "  - {use: impute"), "this is not YAML", "conf/pipeline/shapes.yaml:19"),
        (
            ("# @package _global_\n", "# hello\n# @package _global_\n"),
            "'# @package' counts only in the first line of a file",
            "conf/pipeline/shapes.yaml:2",
        ),
        (("view:", "problem: {}\nview:"), "this is not YAML: found duplicate key", "conf/pipeline/shapes.yaml:12"),
        (("view:", "extra: {_target_: os.system}\nview:"), "'_target_' is not allowed", "conf/pipeline/shapes.yaml:12"),
        (
            ("view:", "metrics: &a [*a]\nview:"),
            "the alias *a stands for nothing, or for what it is part of",
            "conf/pipeline/shapes.yaml:12",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_file_and_line(shapes, change, what, where):
    shapes.pipeline(change)
    error = refused(shapes)
    assert error.what.startswith(what)
    assert error.where == where


@pytest.mark.parametrize(
    ("override", "what", "where"),
    [
        ("model.var_smothing=1", "unknown key 'var_smothing'", "command line: model.var_smothing=1"),
        ("+model.var_smothing=1", "unknown key 'var_smothing'", "command line: +model.var_smothing=1"),
        ("splitter.train=2", "wrong value for 'train'", "command line: splitter.train=2"),
        ("splitter.test=0.3", "train + validation + test must be 1, but they are 1.1", "command line: splitter.test=0.3"),
        ("model.use=sklearn.GausianNB", "unknown model 'sklearn.GausianNB'", "command line: model.use=sklearn.GausianNB"),
        ("model=gausian_nb", "unknown model 'gausian_nb'", "model=gausian_nb"),
        ("model=null", "a group takes one of its options, by name", ""),
        ("modle=ridge", "unknown key 'modle'", "command line: modle=…"),
        ("model.x=[", "this override can not be read", "command line: model.x=["),
        ("model._target_=x", "'_target_' is not allowed", "command line: model._target_=x"),
        ("keep_going=maybe", "wrong value for 'keep_going'", "command line: keep_going=maybe"),
    ],
)
def test_what_is_wrong_with_an_override_is_said_with_the_override(shapes, override, what, where):
    error = refused(shapes, override)
    assert error.what.startswith(what)
    assert error.where == where


def test_a_model_for_another_task_is_placed_in_its_own_file(shapes):
    assert refused(shapes, "model=ridge").where.endswith("conf/model/ridge.yaml:2, model.use")


@pytest.mark.usefixtures("shapes")
def test_an_unknown_pipeline_gets_the_nearest_one():
    with pytest.raises(UnknownName) as caught:
        load(["pipeline=shape"])
    assert caught.value.hint == "did you mean 'shapes'?"


def test_a_file_that_is_not_utf_8_is_said(shapes):
    shapes.write("conf/pipeline/latin.yaml", "# caf\xe9\n".encode("latin-1"))
    error = refused(shapes, name="latin")
    assert (error.what, error.where, error.found) == ("this file is not UTF-8", "conf/pipeline/latin.yaml", "byte 5")


def test_a_file_that_another_includes_is_looked_at_too(shapes):
    shapes.pipeline(("  - {use: impute}", "  - {use: imput}"), name="base")
    shapes.write("conf/pipeline/child.yaml", "# @package _global_\ndefaults: [base, _self_]\nproblem: {goal: 1}\n")
    assert refused(shapes, name="child").where == "conf/pipeline/base.yaml:18, encode[0].use"


def test_a_dataset_of_a_group_of_its_own_is_shared_and_its_keys_are_found(shapes):
    shapes.write("conf/dataset/more.yaml", 'extract: {use: csv, path: "data/shapes-1.csv"}\nmode: append\n')
    shapes.pipeline(("defaults:", "defaults:\n  - /dataset@datasets.more: more"), name="two")
    assert shapes.load(name="two").datasets["more"].mode == "append"
    shapes.write("conf/dataset/more.yaml", 'extract: {use: csv, path: "data/shapes-1.csv"}\nmode: apend\n')
    assert refused(shapes, name="two").where == "conf/dataset/more.yaml:2, datasets.more.mode"


@pytest.mark.parametrize("name", ["plain", "a (b), [c] {d}", "it's = \\'käse\\", 'a$b"c\\d\te'])
@pytest.mark.usefixtures("shapes")
def test_a_folder_of_configurations_may_have_any_name(tmp_path, name):
    folder = tmp_path / "elsewhere" / name / "conf"
    (folder / "pipeline").mkdir(parents=True)
    (folder / "pipeline/away.yaml").write_text((tmp_path / "conf/pipeline/shapes.yaml").read_text())
    assert load(["pipeline=away"], config_dir=str(folder)).name == "away"


def test_a_folder_of_configurations_goes_before_ours_and_brings_its_plugins(shapes, tmp_path):
    folder = tmp_path / "elsewhere/conf"
    (folder / "model").mkdir(parents=True)
    (folder / "model/gaussian_nb.yaml").write_text("use: sklearn.GaussianNB\nvar_smoothing: 0.25\n")
    shapes.write("elsewhere/plugins/transformers/nothing_at_all.py", NOTHING)
    shapes.pipeline(("  - {use: impute}", "  - {use: nothing_at_all}"))
    spec = load(["pipeline=shapes"], config_dir=str(folder))
    assert (spec.model.var_smoothing, type(spec.encode[0]).__name__) == (0.25, "NothingAtAll")


NOTHING = '''
from engine.plugin import Transformer


class NothingAtAll(Transformer):
    """Leaves rows as they are."""

    def apply(self, frame):
        return frame
'''


@pytest.mark.usefixtures("shapes")
def test_the_store_is_found_without_a_pipeline(tmp_path):
    (tmp_path / "elsewhere/conf/store").mkdir(parents=True)
    (tmp_path / "elsewhere/conf/store/mine.yaml").write_text("root: far/away\n")
    found = [
        load_store(),
        load_store(["store.root=x"]),
        load_store(["store=mine"], config_dir=str(tmp_path / "elsewhere/conf")),
    ]
    assert [store.root for store in found] == [".levada", "x", "far/away"]


def test_a_notebook_that_uses_hydra_itself_is_not_disturbed(shapes):
    (shapes.folder / "conf/own.yaml").write_text("mine: 1\n")
    with initialize_config_dir(str(shapes.folder / "conf"), version_base="1.3"):
        before = GlobalHydra.instance().hydra
        shapes.load()
        refused(shapes, "model=none_such")
        assert GlobalHydra.instance().hydra is before
        assert compose("own").mine == 1
    assert GlobalHydra.instance().hydra is None


@pytest.mark.parametrize("name", ["penguins", "flights", "penguin_colonies"])
def test_our_own_pipelines_are_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load([f"pipeline={name}"]).name == name


@pytest.mark.parametrize("file", sorted((REPOSITORY / "conf/model").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_model_of_ours_is_right(file):
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
    if node["use"].startswith("catboost."):
        pytest.importorskip("catboost", reason="no catboost: pip install 'levada[catboost]'")
    assert build("model", node).kind == "model"
