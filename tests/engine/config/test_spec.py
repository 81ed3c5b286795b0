from __future__ import annotations

import copy

import pytest
from pydantic import ValidationError

from engine.config.specify import METRICS, specify
from engine.errors import ConfigError, UnknownName, Unsuitable
from engine.registry import find, name_of

RAW = {
    "name": "shapes",
    "problem": {"task": "classification", "target": "kind", "metric": "accuracy"},
    "datasets": {
        "shapes": {
            "extract": {"use": "csv", "path": "shapes.csv"},
            "key": ["id"],
            "expect": [{"use": "not_null", "columns": ["kind"]}, {"use": "between", "column": "width", "min": 0}],
            "prepare": [{"use": "drop", "columns": ["note"]}],
        },
        "colours": {"extract": {"use": "csv", "path": "colours.csv"}},
    },
    "view": {
        "from": "shapes",
        "join": [{"with": "colours", "on": ["colour"]}],
        "features": [{"use": "derive", "area": "a * b"}],
    },
    "encode": [{"use": "impute"}, {"use": "one_hot"}, {"use": "select", "by": "variance", "keep": 3}],
    "splitter": {"use": "random"},
    "model": {"use": "sklearn.GaussianNB"},
}
DELETE = object()


def changed(path, value):
    """Return the raw specification with another value at a path."""
    raw = copy.deepcopy(RAW)
    node = raw
    for key in path[:-1]:
        node = node[key]
    if value is DELETE:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return raw


def test_a_specification_holds_its_plugins_and_its_defaults():
    spec = specify(RAW)
    assert [type(step).__name__ for step in spec.encode] == ["Impute", "OneHot", "Select"]
    assert spec.view.join[0].with_ == "colours"
    assert (spec.datasets["shapes"].mode, spec.executor.kind, spec.store.root, spec.keep_going) == (
        "snapshot",
        "threads",
        ".levada",
        True,
    )


def test_equal_data_is_an_equal_specification_whatever_the_order_of_keys():
    assert specify(dict(reversed(copy.deepcopy(RAW).items()))) == specify(RAW)
    assert specify(changed(("model", "var_smoothing"), 0.1)) != specify(RAW)


def test_what_was_given_is_not_changed():
    raw = copy.deepcopy(RAW)
    specify(raw)
    assert raw == RAW


@pytest.mark.parametrize("part", ["", "problem", "view", "splitter", "model", "executor", "store"])
def test_no_part_of_a_specification_can_be_changed(part):
    spec = specify(RAW)
    target = getattr(spec, part) if part else spec
    with pytest.raises(ValidationError, match="frozen"):
        setattr(target, next(iter(type(target).model_fields)), None)


@pytest.mark.parametrize(
    ("path", "value", "what", "where", "hint"),
    [
        (("datasets", "shapes", "extract", "use"), "cvs", "unknown extractor 'cvs'", "datasets.shapes.extract.use", "csv"),
        (
            ("datasets", "shapes", "expect", 0, "use"),
            "not_nul",
            "unknown check 'not_nul'",
            "datasets.shapes.expect[0].use",
            "not_null",
        ),
        (
            ("datasets", "shapes", "prepare", 0, "use"),
            "dorp",
            "unknown transformer 'dorp'",
            "datasets.shapes.prepare[0].use",
            "drop",
        ),
        (("view", "features", 0, "use"), "derve", "unknown transformer 'derve'", "view.features[0].use", "derive"),
        (("encode", 1, "use"), "onehot", "unknown transformer 'onehot'", "encode[1].use", "one_hot"),
        (("encode", 2, "by"), "varience", "unknown selector 'varience'", "encode[2].by.use", "variance"),
        (("splitter", "use"), "randon", "unknown splitter 'randon'", "splitter.use", "random"),
        (("model", "use"), "sklearn.GausianNB", "unknown model 'sklearn.GausianNB'", "model.use", "sklearn.GaussianNB"),
        (("problem", "metric"), "acuracy", "unknown metric 'acuracy'", "problem.metric.use", "accuracy"),
        (("metrics",), ["f1", "acuracy"], "unknown metric 'acuracy'", "metrics[1].use", "accuracy"),
        (("datasets", "shapes", "extract", "nuls"), [], "unknown key 'nuls'", "datasets.shapes.extract.nuls", "nulls"),
        (("datasets", "shapes", "prepair"), [], "unknown key 'prepair'", "datasets.shapes.prepair", "prepare"),
        (("encode", 0, "colums"), "all", "unknown key 'colums'", "encode[0].colums", "columns"),
        (("encode", 0, "wiht"), "mean", "unknown key 'wiht'", "encode[0].wiht", "with"),
        (("splitter", "sead"), 1, "unknown key 'sead'", "splitter.sead", "seed"),
        (("model", "var_smothing"), 1, "unknown key 'var_smothing'", "model.var_smothing", "var_smoothing"),
        (("problem", "targt"), "x", "unknown key 'targt'", "problem.targt", "target"),
        (("view", "joins"), [], "unknown key 'joins'", "view.joins", "join"),
        (("view", "join", 0, "sufix"), "_x", "unknown key 'sufix'", "view.join[0].sufix", "suffix"),
        (("encodes",), [], "unknown key 'encodes'", "encodes", "encode"),
        (("executor",), {"wokers": 2}, "unknown key 'wokers'", "executor.wokers", "workers"),
        (("store",), {"rot": "x"}, "unknown key 'rot'", "store.rot", "root"),
        (("view", "from"), "shape", "unknown dataset 'shape'", "view.from", "shapes"),
        (("view", "join", 0, "with"), "colour", "unknown dataset 'colour'", "view.join[0].with", "colours"),
    ],
)
def test_an_unknown_word_is_refused_with_its_place_and_the_nearest_known_one(path, value, what, where, hint):
    with pytest.raises(UnknownName) as caught:
        specify(changed(path, value))
    assert (caught.value.what, caught.value.where, caught.value.hint) == (what, where, f"did you mean '{hint}'?")


@pytest.mark.parametrize(
    ("path", "value", "what", "where"),
    [
        (("problem",), DELETE, "the key 'problem' is missing", "problem"),
        (("datasets",), DELETE, "the key 'datasets' is missing", "datasets"),
        (("view",), DELETE, "the key 'view' is missing", "view"),
        (("problem", "task"), DELETE, "the key 'task' is missing", "problem.task"),
        (("view", "from"), DELETE, "the key 'from' is missing", "view.from"),
        (("view", "join", 0, "on"), DELETE, "nothing says which rows belong together", "view.join[0].on"),
        (("datasets", "shapes", "extract"), DELETE, "the key 'extract' is missing", "datasets.shapes.extract"),
        (("datasets", "shapes", "extract", "path"), DELETE, "the key 'path' is missing", "datasets.shapes.extract.path"),
        (("datasets",), {}, "wrong value for 'datasets'", "datasets"),
        (("datasets",), [], "wrong value for 'datasets'", "datasets"),
        (("datasets", "shapes"), "csv", "wrong value for 'shapes'", "datasets.shapes"),
        (("datasets", "shapes", "mode"), "apend", "wrong value for 'mode'", "datasets.shapes.mode"),
        (("datasets", "shapes", "key"), "id", "wrong value for 'key'", "datasets.shapes.key"),
        (("datasets", "shapes", "prepare"), {}, "wrong value for 'prepare'", "datasets.shapes.prepare"),
        (("datasets", "shapes", "expect", 1, "min"), "abc", "wrong value for 'min'", "datasets.shapes.expect[1].min"),
        (("problem", "task"), "clasification", "wrong value for 'task'", "problem.task"),
        (("problem", "goal"), "high", "wrong value for 'goal'", "problem.goal"),
        (("view", "join"), {}, "wrong value for 'join'", "view.join"),
        (("view", "join", 0, "on"), [], "nothing says which rows belong together", "view.join[0].on"),
        (("view", "join", 0, "tolerance"), "2h", "'tolerance' is for a join with a time", "view.join[0].tolerance"),
        (
            ("view", "join", 0, "known_after"),
            "soon",
            "'soon' is no duration: write a number and us, ms, s, m, h, d or w, such as 90s, 2h or 1d12h",
            "view.join[0].known_after",
        ),
        (("encode", 0, "with"), "medain", "wrong value for 'with'", "encode[0].with"),
        (("encode", 0, "columns"), 3, "wrong value for 'columns'", "encode[0].columns"),
        (("encode", 1, "max_levels"), 0, "wrong value for 'max_levels'", "encode[1].max_levels"),
        (("splitter", "train"), 2, "wrong value for 'train'", "splitter.train"),
        (("splitter",), None, "this is no splitter", "splitter"),
        (("model",), [], "this is no model", "model"),
        (("executor",), {"workers": 0}, "wrong value for 'workers'", "executor.workers"),
        (("executor",), {"retries": -1}, "wrong value for 'retries'", "executor.retries"),
        (("store",), {"root": ""}, "wrong value for 'root'", "store.root"),
        (("keep_going",), "perhaps", "wrong value for 'keep_going'", "keep_going"),
        (("name",), "../x", "a name starts with a letter and has letters, digits and _ only, 64 at most", "name"),
        (("view", "from"), "a/b", "a name starts with a letter and has letters, digits and _ only, 64 at most", "view.from"),
    ],
)
def test_what_is_missing_or_of_a_wrong_type_is_refused_with_its_place(path, value, what, where):
    with pytest.raises(ConfigError) as caught:
        specify(changed(path, value))
    assert (caught.value.what, caught.value.where) == (what, where)


def test_a_dataset_whose_name_could_be_a_path_is_refused():
    raw = changed(("datasets", "../x"), RAW["datasets"]["colours"])
    with pytest.raises(ConfigError, match="a name starts with a letter") as caught:
        specify(raw)
    assert caught.value.where.startswith("datasets")


@pytest.mark.parametrize("place", [("datasets", "shapes", "prepare"), ("view", "features")])
@pytest.mark.parametrize("use", ["impute", "standardize", "one_hot", "ordinal"])
def test_a_fitted_step_is_refused_where_it_would_see_test_rows_and_told_where_to_go(place, use):
    with pytest.raises(ConfigError) as caught:
        specify(changed(place, [{"use": use}]))
    assert caught.value.what.startswith(f"'{use}' is fitted, and nothing fitted may stand under {place[-1]}")
    assert caught.value.where == ".".join(place) + "[0].use"
    assert "move this step to encode" in caught.value.hint


@pytest.mark.parametrize("step", [{"use": "filter", "where": "a > 1"}, {"use": "deduplicate"}])
def test_a_step_that_changes_which_rows_there_are_is_refused_under_encode(step):
    with pytest.raises(ConfigError, match="it changes which rows there are") as caught:
        specify(changed(("encode", 1), step))
    assert caught.value.where == "encode[1].use"


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({"test": 0.3}, "they are 1.1"),
        ({"train": 0.5}, "they are 0.9"),
        ({"train": 0, "validation": 0.8}, "train must be more than 0"),
    ],
)
def test_shares_that_are_no_split_are_refused(shares, says):
    with pytest.raises(ConfigError, match=says) as caught:
        specify({**RAW, "splitter": {"use": "random", **shares}})
    assert caught.value.where == "splitter"


def test_shares_are_a_split_whatever_rounding_makes_of_their_sum():
    assert specify({**RAW, "splitter": {"use": "random", "train": 0.7, "validation": 0.1, "test": 0.2}}).splitter.train == 0.7


def test_the_target_among_the_features_is_refused():
    with pytest.raises(ConfigError, match="the target 'kind' is also a feature: the model would be given the answer") as caught:
        specify(changed(("problem", "features"), ["width", "kind"]))
    assert (caught.value.where, caught.value.hint) == ("problem.features", "remove 'kind' from the features")


@pytest.mark.parametrize("target", ["a", "all", "l", "num", "text"])
@pytest.mark.parametrize("features", ["all", "numeric", "text", ["width"]])
def test_a_target_may_be_called_like_a_group_of_columns(target, features):
    raw = changed(("problem",), {"task": "classification", "target": target, "features": features})
    assert specify(raw).problem.target == target


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_an_answer_needs_a_target(task):
    raw = changed(("problem",), {"task": task})
    raw["model"] = {"use": {"classification": "sklearn.GaussianNB", "regression": "sklearn.Ridge"}[task]}
    with pytest.raises(ConfigError, match=f"{task} needs a target"):
        specify(raw)


def test_groups_need_no_target():
    raw = changed(("problem",), {"task": "clustering"})
    raw["model"] = {"use": "sklearn.KMeans"}
    assert specify(raw).problem.target is None
    with pytest.raises(ConfigError, match="a clustering predicts nothing") as caught:
        specify({**raw, "slices": ["colour"]})
    assert caught.value.where == "slices"
    assert specify({**raw, "stability": 2}).stability == 2
    with pytest.raises(ConfigError, match="measured for clusterings"):
        specify({**RAW, "stability": 2})


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("classification", "sklearn.Ridge"),
        ("regression", "sklearn.GaussianNB"),
        ("clustering", "sklearn.Ridge"),
        ("classification", "sklearn.KMeans"),
    ],
)
def test_a_model_for_another_task_is_unsuitable(task, model):
    raw = changed(("problem",), {"task": task, "target": "kind"})
    with pytest.raises(Unsuitable) as caught:
        specify({**raw, "model": {"use": model}})
    assert caught.value.what == f"the model '{model}' is for {find('model', model).task}, the problem is {task}"
    assert caught.value.where == "model.use"


@pytest.mark.parametrize(
    ("metric", "metrics", "where"),
    [
        ("rmse", None, "problem.metric"),
        (None, ["rmse"], "metrics[0]"),
        ("f1", ["accuracy", "rmse"], "metrics[1]"),
        ("silhouette", ["f1"], "problem.metric"),
    ],
)
def test_a_metric_for_another_task_is_refused_where_it_stands(metric, metrics, where):
    raw = changed(("problem", "metric"), metric)
    with pytest.raises(ConfigError, match="does not measure classification") as caught:
        specify({**raw, "metrics": metrics})
    assert caught.value.where == where
    assert caught.value.expected == "one of " + ", ".join(METRICS["classification"])


@pytest.mark.parametrize(
    ("metric", "metrics", "found"),
    [
        (None, None, list(METRICS["classification"])),
        ("f1", None, ["f1", *(name for name in METRICS["classification"] if name != "f1")]),
        (None, ["recall", "f1"], ["recall", "f1"]),
        ("accuracy", ["recall", "accuracy"], ["accuracy", "recall"]),
        ("accuracy", ["recall"], ["accuracy", "recall"]),
        (None, [], list(METRICS["classification"])),
    ],
)
def test_the_ranking_metric_is_the_first_and_each_is_measured_once(metric, metrics, found):
    spec = specify({**changed(("problem", "metric"), metric), "metrics": metrics})
    assert [name_of(type(one)) for one in spec.metrics] == found
    assert name_of(type(spec.metric)) == found[0]


def test_costs_of_the_problem_are_those_of_every_metric_that_says_none():
    costs = {"a": {"b": 5.0}}
    raw = changed(("problem", "costs"), costs)
    raw["model"] = {"use": "thresholded", "model": "sklearn.GaussianNB", "metric": "cost"}
    spec = specify(raw)
    assert (name_of(type(spec.metrics[-1])), spec.metrics[-1].costs, spec.model.metric.costs) == ("cost", costs, costs)
    own = {"use": "cost", "costs": {"b": {"a": 2.0}}}
    assert specify({**raw, "metrics": [own]}).metrics[-1].costs == own["costs"]
    with pytest.raises(ConfigError, match="costs are of classes") as caught:
        specify({**changed(("problem",), {"task": "regression", "target": "x", "costs": costs}), "model": "sklearn.Ridge"})
    assert caught.value.where == "problem.costs"


@pytest.mark.parametrize("task", METRICS)
def test_the_usual_metrics_of_a_task_measure_it(task):
    assert all(task in find("metric", name).tasks for name in METRICS[task])


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786", "tls://far.example:8786"])
def test_a_scheduler_on_this_machine_or_behind_tls_is_let_through(address):
    assert specify({**RAW, "executor": {"kind": "cluster", "address": address}}).executor.address == address


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "tcp://far.example:8786", "tcp://127.0.0.1.far.example:1", "tcp://0.0.0.0:1"]
)
def test_work_is_not_sent_in_clear_text_to_another_machine_unless_told_to(address):
    executor = {"kind": "cluster", "address": address}
    with pytest.raises(ConfigError, match="unencrypted to another machine") as caught:
        specify({**RAW, "executor": executor})
    assert caught.value.where == "executor.address"
    assert specify({**RAW, "executor": {**executor, "insecure": True}}).executor.insecure


@pytest.mark.parametrize("address", [None, "", "localhost:8786", "http://127.0.0.1:80", "tcp://", "inproc://x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match="a cluster needs the address") as caught:
        specify({**RAW, "executor": {"kind": "cluster", "address": address}})
    assert caught.value.where == "executor.address"


def test_an_equal_metric_by_another_name_is_not_measured_twice():
    assert len(specify({**RAW, "metrics": ["accuracy", "accuracy"]}).metrics) == 1


@pytest.mark.parametrize(
    ("join", "what", "key"),
    [
        ({"time": "seen", "many": True}, "'many' and 'time' exclude each other", "many"),
        ({"time": "seen", "tolerance": "1h", "known_after": "2h"}, "no row can be known in time", "tolerance"),
        ({"with_time": "seen"}, "'with_time' is for a join with a time", "with_time"),
    ],
)
def test_a_join_as_of_a_time_that_could_not_work_is_refused(join, what, key):
    with pytest.raises(ConfigError) as caught:
        specify(changed(("view", "join", 0), {"with": "colours", "on": ["colour"], **join}))
    assert (caught.value.what.startswith(what), caught.value.where) == (True, f"view.join[0].{key}")


@pytest.mark.parametrize(
    ("time", "with_time", "expected"), [(None, None, "seen"), ("day", None, "day"), ("day", "month", "month")]
)
def test_the_column_of_times_of_a_joined_dataset_is_its_own_unless_another_is_named(time, with_time, expected):
    raw = changed(("datasets", "colours", "time"), time)
    raw["view"]["join"] = [{"with": "colours", "on": [], "time": "seen", "with_time": with_time}]
    assert specify(raw).view.join[0].with_time == expected
