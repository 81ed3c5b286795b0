from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from engine import registry
from engine.errors import ConfigError, UnknownName
from engine.plugin import Plugin
from engine.registry import build, describe, find, modules_of, name_of, names, snake_case, use_folder

REQUIRED = {
    "mlflow": {"uri": "sqlite:///mlflow.db"},
    "calibrated": {"model": "sklearn.GaussianNB"},
    "thresholded": {"model": "sklearn.GaussianNB", "metric": "f1"},
    "between": {"column": "x", "min": 0},
    "expression": {"where": "x > 1"},
    "foreign_key": {"columns": ["x"], "dataset": "others"},
    "freshness": {"column": "x", "max_age": "1d"},
    "in_set": {"column": "x", "values": ["a"]},
    "matches": {"column": "x", "pattern": "a"},
    "monotonic": {"column": "x"},
    "not_null": {"columns": ["x"]},
    "row_count": {"min": 1},
    "predefined": {"column": "x"},
    "unique": {"columns": ["x"]},
    "csv": {"path": "x.csv"},
    "parquet": {"path": "x.parquet"},
    "ndjson": {"path": "x.ndjson"},
    "json": {"path": "x.json"},
    "excel": {"path": "x.xlsx"},
    "http": {"url": "https://example.org/x.csv", "format": "csv", "hosts": ["example.org"]},
    "python": {"function": "x"},
    "sql": {"uri": "sqlite:///x.db", "table": "x"},
    "mongo": {"uri": "mongodb://127.0.0.1:1", "database": "x", "collection": "x"},
    "calendar": {"column": "x", "parts": ["month"]},
    "cast": {"columns": {"x": "Int64"}},
    "clip": {"columns": ["x"], "min": 0},
    "derive": {"double": "x * 2"},
    "difference": {"column": "x", "minus": "y", "into": "z"},
    "drop": {"columns": ["x"]},
    "expanding": {"on": "t", "value": "x"},
    "fill": {"columns": ["x"], "value": 0},
    "fill_forward": {"on": "t"},
    "filter": {"where": "x > 1"},
    "geo_distance": {"from": ["x", "y"], "to": [0, 0], "into": "z"},
    "hash_tokens": {"column": "x"},
    "json_path": {"column": "x", "path": "$.y", "into": "z"},
    "keep": {"columns": ["x"]},
    "lag": {"on": "t", "value": "x"},
    "parse_number": {"columns": ["x"]},
    "polynomial": {"columns": ["x", "y"]},
    "parse_time": {"columns": ["x"]},
    "ratio": {"over": "x", "under": "y", "into": "z"},
    "rename": {"columns": {"x": "y"}},
    "replace": {"columns": ["x"], "values": {"a": "b"}},
    "rolling": {"on": "t", "value": "x", "within": "2h"},
    "select": {"by": "variance", "keep": 3},
    "tf_idf": {"column": "x"},
    "model_importance": {"model": "sklearn.Ridge"},
    "recursive": {"model": {"use": "sklearn.Ridge", "alpha": 0.5}, "step": 2},
}
"""What a plugin can not do without."""

MINE = '''
import polars as pl

from engine.plugin import Transformer
from plugins.transformers._mine import factor


class Twice(Transformer):
    """Double a column."""

    column: str

    def apply(self, frame):
        return frame.with_columns(pl.col(self.column) * factor)


class OtherOfTheFile(Transformer):
    """Shares the file."""

    def apply(self, frame):
        return frame


class _Hidden(Transformer):
    def apply(self, frame):
        return frame


class Unfinished(Transformer):
    """Has no apply."""
'''


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("OneHot", "one_hot"),
        ("KMeans", "k_means"),
        ("DBSCAN", "dbscan"),
        ("LinearSVC", "linear_svc"),
        ("SGDClassifier", "sgd_classifier"),
        ("F1", "f1"),
        ("R2", "r2"),
        ("one_hot", "one_hot"),
    ],
)
def test_class_names_in_snake_case(name, snake):
    assert snake_case(name) == snake


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("transformer", "one_hot", "OneHot"),
        ("metric", "roc_auc", "RocAuc"),
        ("model", "sklearn.Ridge", "Ridge"),
        ("model", "sklearn.ridge", "Ridge"),
        ("model", "sklearn.hist_gradient_boosting_classifier", "HistGradientBoostingClassifier"),
        ("splitter", "hash", "Hash"),
    ],
)
def test_a_plugin_is_found_by_its_file_its_class_or_its_family(kind, name, found):
    assert find(kind, name).__name__ == found
    assert find(kind, name).kind == kind


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("transformer", "one_hto", "did you mean 'one_hot'?"),
        ("transformer", "OneHot", "did you mean 'one_hot'?"),
        ("model", "sklearn.Rigde", "did you mean 'sklearn.Ridge'?"),
        ("model", "sklearn.nothing_of_the_kind", ""),
        ("transformer", "mutual_information", ""),
        ("transformer", "os.system", ""),
        ("transformer", "_levels", ""),
        ("transformer", "../models/sklearn", ""),
        ("transformer", "", ""),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_of_its_kind(kind, name, hint):
    with pytest.raises(UnknownName) as caught:
        find(kind, name, where="here")
    assert (caught.value.what, caught.value.where) == (f"unknown {kind} '{name}'", "here")
    if hint:
        assert caught.value.hint == hint


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_name_is_found_and_its_class_knows_it(kind):
    listed = names(kind)
    assert listed
    assert [name_of(find(kind, name)) for name in listed] == listed


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_plugin_is_built_again_from_its_description(kind):
    for name in names(kind):
        plugin = build(kind, {"use": name, **REQUIRED.get(name, {})})
        description = describe(plugin)
        assert build(kind, description) == plugin
        assert description["use"] == name
        assert describe(build(kind, description)) == description


def test_a_plugin_is_imported_only_when_it_is_asked_for():
    say = """
import sys
from engine.registry import find
find("transformer", "drop")
print(sorted(name for name in sys.modules if name.startswith("plugins.") and name.count(".") == 2))
"""
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['plugins.transformers.drop']"


def test_a_bare_name_is_a_plugin_with_its_defaults():
    assert (
        build("splitter", "random") == build("splitter", {"use": "random"}) == build("splitter", {"use": "random", "seed": 0})
    )


def test_a_parameter_that_is_a_plugin_is_built_from_a_name_or_a_description():
    bare = build("transformer", {"use": "select", "by": "variance", "keep": 2})
    full = build("transformer", {"use": "select", "by": {"use": "variance"}, "keep": 2})
    assert bare == full
    assert describe(bare)["by"] == {"use": "variance"}
    assert modules_of(bare) == {"plugins.transformers.select", "plugins.selectors.variance"}


@pytest.mark.parametrize(
    ("node", "what", "where"),
    [
        (None, "this is no selector", "encode[1].by"),
        ({"keep": 1}, "this is no selector", "encode[1].by"),
        ("varience", "unknown selector 'varience'", "encode[1].by.use"),
        ({"use": "mutual_information", "bin": 3}, "unknown key 'bin'", "encode[1].by.bin"),
    ],
)
def test_what_is_wrong_with_a_nested_plugin_is_placed(node, what, where):
    with pytest.raises(ConfigError) as caught:
        build("transformer", {"use": "select", "by": node, "keep": 2}, ("encode", 1))
    assert (caught.value.what, caught.value.where) == (what, where)


@pytest.mark.parametrize("node", [None, 3, [], {}, {"use": 3}, {"use": None}, {"drop": {}}])
def test_what_names_no_plugin_is_refused(node):
    with pytest.raises(ConfigError, match="this is no transformer"):
        build("transformer", node, ("encode", 0))


def test_a_users_file_is_found_beside_ours_with_its_helper(user_folder, forget):
    (user_folder / "plugins/transformers").mkdir()
    (user_folder / "plugins/transformers/twice.py").write_text(MINE)
    (user_folder / "plugins/transformers/_mine.py").write_text("factor = 2\n")
    forget()
    twice = build("transformer", {"use": "twice", "column": "x"})
    assert twice.apply(pl.LazyFrame({"x": [1, 2]})).collect()["x"].to_list() == [2, 4]
    assert {"twice", "other_of_the_file", "one_hot"} <= set(names("transformer"))
    assert {"hidden", "_hidden", "unfinished", "transformer"}.isdisjoint(names("transformer"))
    assert describe(twice) == {"use": "twice", "column": "x"}


def test_a_folder_of_plugins_is_found_though_plugins_were_looked_for_before(tmp_path):
    assert "thrice" not in names("transformer")
    (tmp_path / "plugins/transformers").mkdir(parents=True)
    (tmp_path / "plugins/transformers/thrice.py").write_text(MINE.replace("Twice", "Thrice").replace("_mine", "_theirs"))
    (tmp_path / "plugins/transformers/_theirs.py").write_text("factor = 3\n")
    use_folder(tmp_path)
    assert "thrice" in names("transformer")


def test_a_package_that_hides_ours_is_refused_with_the_file_to_remove(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/__init__.py").write_text("")
    before = list(sys.path)
    with pytest.raises(ConfigError) as caught:
        use_folder(tmp_path)
    assert caught.value.hint == f"remove {tmp_path / 'plugins' / '__init__.py'}"
    assert sys.path == before


def test_a_folder_without_plugins_is_not_looked_into(tmp_path):
    use_folder(tmp_path)
    assert str(tmp_path) not in sys.path


@pytest.fixture
def installed(tmp_path, forget):
    """A distribution with two entry points, one of which has another name than its class."""
    (tmp_path / "acme_steps.py").write_text(MINE.replace("from plugins.transformers._mine import factor", "factor = 2"))
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[levada.plugins]\ntransformer.twice = acme_steps:Twice\ntransformer.acme_double = acme_steps:Twice\n"
    )
    sys.path.append(str(tmp_path))
    forget()


@pytest.mark.usefixtures("installed")
def test_the_plugin_of_an_installed_distribution_is_found():
    assert build("transformer", {"use": "twice", "column": "x"}).column == "x"
    assert {"twice", "acme_double"} <= set(names("transformer"))


@pytest.mark.usefixtures("installed")
def test_a_plugin_is_found_again_by_the_name_of_its_entry_point(tmp_path, forget):
    (tmp_path / "acme-1.0.dist-info/entry_points.txt").write_text(
        "[levada.plugins]\ntransformer.acme_double = acme_steps:Twice\n"
    )
    forget()
    plugin = build("transformer", {"use": "acme_double", "column": "x"})
    assert build("transformer", describe(plugin)) == plugin


@pytest.mark.usefixtures("installed")
def test_an_entry_point_does_not_take_the_place_of_ours(tmp_path, forget):
    (tmp_path / "acme-1.0.dist-info/entry_points.txt").write_text("[levada.plugins]\ntransformer.drop = acme_steps:Twice\n")
    forget()
    assert find("transformer", "drop").__module__ == "plugins.transformers.drop"


def test_every_plugin_says_what_it_does_and_explains_its_parameters():
    silent = []
    for kind in registry.KINDS:
        for name in names(kind):
            plugin = find(kind, name)
            assert issubclass(plugin, Plugin)
            silent += [name] * (not plugin.__doc__) + [
                f"{name}.{key}" for key, info in plugin.model_fields.items() if not info.description
            ]
    assert silent == []
