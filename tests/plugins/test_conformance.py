"""Every registered plugin keeps the same list of promises; a plugin without an example here fails."""

# ruff: noqa: DTZ001  columns hold times without a zone

import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from engine.errors import DataError
from engine.plugin import (
    PART,
    TARGET,
    Check,
    DatasetCheck,
    FittedTransformer,
    Metric,
    Model,
    Plugin,
    Roles,
    Selector,
    Splitter,
    TimeAware,
    Transformer,
)
from engine.registry import build, describe, find, names

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "transformer": [
        {"use": "bin", "n_bins": 3},
        {"use": "bin", "columns": ["number", "whole"], "strategy": "uniform", "encode": "one_hot"},
        {"use": "calendar", "column": "time", "parts": ["year", "month", "week", "weekday", "hour", "is_weekend"]},
        {"use": "calendar", "column": "time", "parts": ["year", "month", "day", "day_of_year", "hour"], "cyclic": True},
        {"use": "cast", "columns": {"whole": "Float64", "flag": "String", "number": "Int64", "iso": "Datetime"}},
        {"use": "clip", "columns": ["number", "whole"], "min": 1, "max": 2},
        {"use": "clip", "columns": ["time"], "min": "2013-01-20"},
        {"use": "deduplicate", "columns": ["text"], "keep": "last"},
        {"use": "deduplicate", "columns": ["text"], "on": "time"},
        {"use": "derive", "large": "number > 1", "sum": "number + whole", "loud": "upper(text)"},
        {"use": "difference", "column": "number", "minus": "whole", "into": "less"},
        {"use": "difference", "column": "whole", "minus": "id", "into": "less"},
        {"use": "drop", "columns": ["number", "text"]},
        {"use": "expanding", "on": "time", "value": "whole", "by": ["text"], "aggregate": "max", "known_after": "2d"},
        {"use": "fill_forward", "on": "time", "columns": ["number", "text"], "within": "3d"},
        {"use": "fill", "values": {"number": 0, "text": "none"}},
        {"use": "filter", "where": "number > 0.5 and whole < 90"},
        {"use": "frequency"},
        {"use": "hash_categories", "n": 4},
        {"use": "geo_distance", "from": ["number", "whole"], "to": ["whole", "number"], "into": "km"},
        {"use": "hash_tokens", "column": "iso", "features": 4, "norm": "l2"},
        {"use": "impute"},
        {"use": "impute", "with": "mean", "add_indicator": True},
        {"use": "impute", "columns": "all", "with": "mode"},
        {"use": "impute", "columns": ["number", "whole"], "with": {"constant": 0}},
        {"use": "impute", "with": "model"},
        {"use": "keep", "columns": ["whole", "text"]},
        {"use": "lag", "on": "time", "value": "text", "by": ["flag"], "n": 2},
        {"use": "min_max", "feature_range": [-1, 1], "clip": True},
        {"use": "json_path", "column": "iso", "path": "$.a[0]", "into": "first", "strict": False},
        {"use": "normalize_text", "columns": ["text"], "case": "upper", "spelling": {"b": "B!", "c": None}},
        {"use": "one_hot", "max_levels": 2},
        {"use": "ordinal"},
        {"use": "parse_number", "columns": ["text", "whole"], "strict": False, "thousands": ",", "percent": True},
        {"use": "parse_time", "columns": ["iso"], "time_zone": "UTC"},
        {"use": "pca"},
        {"use": "pca", "columns": ["number", "whole"], "n_components": 1},
        {"use": "polynomial", "columns": ["number", "whole", "flag"], "interaction_only": True},
        {"use": "power_transform"},
        {"use": "power_transform", "columns": ["whole"], "standardize": False},
        {"use": "quantile_transform", "n_quantiles": 10},
        {"use": "quantile_transform", "columns": ["whole"], "output_distribution": "normal"},
        {"use": "rename", "columns": {"number": "amount"}},
        {"use": "rolling", "on": "time", "value": "number", "by": ["flag"], "within": "9d", "known_after": "1h"},
        {"use": "robust_scale"},
        {"use": "parse_time", "columns": ["iso"], "format": ["%d.%m.%Y", "iso"], "time_zone": "Europe/Lisbon"},
        {"use": "ratio", "over": "whole", "under": "number", "into": "share"},
        {"use": "replace", "columns": ["text"], "values": {"a": "A", "b": None}},
        {"use": "replace", "columns": ["text"], "values": {"a": 1, "b": 2}, "default": {"constant": 0}},
        {"use": "select", "by": "mutual_information", "keep": 1},
        {"use": "select", "by": {"use": "variance"}, "threshold": 0.5},
        {"use": "select", "by": {"use": "missing_share", "above": 0.1}, "columns": "all"},
        {"use": "select", "by": "correlation"},
        {"use": "select", "by": "f_test", "keep": 1},
        {"use": "standardize"},
        {"use": "winsorize", "lower": 0.05, "upper": 0.9},
        {"use": "target_encode"},
        {"use": "text_length", "columns": ["text", "iso"]},
        {"use": "tf_idf", "column": "text"},
    ],
    "selector": [
        {"use": "chi2"},
        {"use": "correlation", "above": 0.5},
        {"use": "f_test"},
        {"use": "l1"},
        {"use": "missing_share"},
        {"use": "model_importance", "model": {"use": "sklearn.ExtraTreesClassifier", "n_estimators": 5}},
        {"use": "mutual_information", "bins": 4},
        {"use": "recursive", "model": "sklearn.DecisionTreeClassifier"},
        {"use": "variance"},
    ],
    "check": [
        {"use": "between", "column": "number", "min": 0, "max": 1.5},
        {"use": "expression", "where": "number < 2 and whole < 90"},
        {"use": "in_set", "column": "text", "values": ["a", "b"]},
        {"use": "in_set", "column": "number", "values": [0, 1, 2.5], "missing": False},
        {"use": "matches", "column": "text", "pattern": "[a-d]"},
        {"use": "monotonic", "column": "whole", "by": ["text", "flag"], "strict": True},
        {"use": "not_null", "columns": ["number", "text"]},
        {"use": "unique", "columns": ["text"]},
        {"use": "foreign_key", "columns": ["text", "whole"], "dataset": "others"},
        {"use": "freshness", "column": "time", "max_age": "1d12h"},
        {"use": "row_count", "min": 61},
        {"use": "unique", "columns": ["text", "flag"], "scope": "dataset"},
    ],
    "splitter": [
        {"use": "chronological"},
        {"use": "group", "columns": ["text"], "seed": 3},
        {"use": "group_k_fold", "columns": ["text"], "folds": 3},
        {"use": "hash", "seed": 3},
        {"use": "k_fold", "fold": 4},
        {"use": "predefined", "column": "text", "train": ["a"], "validation": ["b"], "test": ["c", "d"]},
        {"use": "random", "seed": 3},
        {"use": "rolling_origin", "fold": 1},
        {"use": "stratified", "seed": 3},
        {"use": "stratified", "by": ["text", "flag"]},
        {"use": "stratified_k_fold", "seed": 3},
    ],
    "metric": [
        {"use": name}
        for name in [
            "accuracy",
            "adjusted_rand",
            "average_precision",
            "balanced_accuracy",
            "brier",
            "calinski_harabasz",
            "clusters",
            "cost",
            "davies_bouldin",
            "expected_calibration_error",
            "f1",
            "log_loss",
            "mae",
            "mape",
            "median_absolute_error",
            "normalized_mutual_information",
            "precision",
            "r2",
            "recall",
            "rmse",
            "roc_auc",
            "silhouette",
        ]
    ],
    "model": [
        {"use": "affinity_propagation", "sample": 100},
        {"use": "calibrated", "model": "sklearn.LinearSVC", "method": "isotonic"},
        {"use": "thresholded", "model": "sklearn.GaussianNB", "metric": "f1"},
        {"use": "sklearn.DecisionTreeClassifier"},
        {"use": "sklearn.Ridge"},
        {"use": "sklearn.KMeans"},
    ],
    "tracker": [{"use": "mlflow", "uri": "sqlite:///mlflow.db"}],
}
KINDS = tuple(EXAMPLES)

SKIPS = {
    ("model", "has_an_example"): "92 models of one family: test_models.py fits every one",
}

ROLES = Roles(task="classification", target="label", key=("id",), time="time")
FRAME = pl.DataFrame(
    {
        "id": list(range(60)),
        "number": [None if i % 7 == 0 else (i % 11) / 4 for i in range(60)],
        "whole": [i * 37 % 101 for i in range(60)],
        "text": [None if i % 13 == 0 else "abcde"[i % 5] for i in range(60)],
        "flag": [i % 3 == 0 for i in range(60)],
        "time": [datetime(2013, 1, 1) + timedelta(hours=37 * i) for i in range(60)],
        "iso": [f"2013-01-{i % 28 + 1:02}T10:00:00" for i in range(60)],
        "label": ["yes" if i * 37 % 101 > 50 else "no" for i in range(60)],
    }
)
LEARNED = FRAME.drop("id", "time", "iso").rename({"label": TARGET})
UNKNOWN = pl.DataFrame(schema=dict.fromkeys(FRAME.columns, pl.Null))


def partitions(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Cut a frame into pieces of different size, one of them empty."""
    return [frame[:7], frame[7:7], frame[7:40], frame[40:]]


def fit(step: FittedTransformer, frames: list[pl.DataFrame]) -> pl.DataFrame:
    summaries = [step.summarize(frame.lazy()) for frame in frames]
    merged = summaries[0]
    for summary in summaries[1:]:
        merged = step.merge(merged, summary)
    return step.finish(merged)


def run(step: Plugin, frame: pl.DataFrame, learned: pl.DataFrame | None = None) -> pl.DataFrame:
    """Apply a step of either kind to a frame, a fitted one learned from ``learned`` or the frame itself."""
    if isinstance(step, FittedTransformer):
        return step.apply(frame.lazy(), fit(step, [frame if learned is None else learned])).collect()
    assert isinstance(step, Transformer)
    return step.apply(frame.lazy()).collect()


def example_for(step: Plugin) -> pl.DataFrame:
    return LEARNED if isinstance(step, FittedTransformer | Selector) else FRAME


# --- promises of every plugin -------------------------------------------------------------------------------------


def is_rebuilt_from_its_description(plugin: Plugin) -> None:
    assert build(plugin.kind, describe(plugin)) == plugin


def pickles(plugin: Plugin) -> None:
    assert pickle.loads(pickle.dumps(plugin)) == plugin


def is_frozen(plugin: Plugin) -> None:
    for name in type(plugin).model_fields:
        with pytest.raises(ValueError, match="frozen"):
            setattr(plugin, name, None)


# --- promises of transformers -------------------------------------------------------------------------------------


def leaves_its_input_alone(step: Plugin) -> None:
    frame = example_for(step)
    before = frame.clone()
    run(step, frame)
    assert_frame_equal(frame, before)


def gives_equal_bytes_each_time(step: Plugin) -> None:
    frame = example_for(step)
    if isinstance(step, FittedTransformer):
        assert_frame_equal(fit(step, [frame]), fit(step, [frame]), check_exact=True)
    assert_frame_equal(run(step, frame), run(step, frame), check_exact=True)


def survives_zero_rows(step: Plugin) -> None:
    frame = example_for(step)
    empty = run(step, frame.clear(), frame)
    assert empty.is_empty()
    assert empty.schema == run(step, frame).schema


def survives_learning_from_zero_rows(step: Plugin) -> None:
    if isinstance(step, FittedTransformer):
        assert len(run(step, LEARNED, LEARNED.clear())) == len(LEARNED)


def survives_columns_without_values(step: Plugin) -> None:
    frame = example_for(step)
    blank = frame.select(pl.lit(None, dtype).alias(name) for name, dtype in frame.schema.items()).head(1)
    nothing = pl.concat([blank] * 5)
    assert len(run(step, nothing)) in (0, 1, 5)
    assert run(step, nothing, frame).schema == run(step, frame).schema


def works_by_partition_as_on_the_whole(step: Plugin) -> None:
    if getattr(type(step), "scope", "row") == "table":
        return
    frame = example_for(step)
    if isinstance(step, TimeAware):
        whole = partitions(frame)
        others = [pl.concat(piece for piece in whole if piece is not own) for own in whole]
        pieces = [step.apply(own.lazy(), rest.lazy()).collect() for own, rest in zip(whole, others, strict=True)]
    else:
        pieces = [run(step, piece, frame) for piece in partitions(frame)]
    assert_frame_equal(pl.concat(pieces), run(step, frame), check_exact=True)


def learns_by_partition_as_from_the_whole(step: Plugin) -> None:
    if isinstance(step, FittedTransformer):
        assert_frame_equal(fit(step, partitions(LEARNED)), fit(step, [LEARNED]), rel_tol=1e-12, abs_tol=1e-12)


def merges_in_any_order(step: Plugin) -> None:
    if not isinstance(step, FittedTransformer | Selector):
        return
    rows = LEARNED.drop("text") if isinstance(step, Selector) else LEARNED
    a, b, c = (step.summarize(piece.lazy()) for piece in (rows[:7], rows[7:40], rows[40:]))
    nothing = step.summarize(rows.clear().lazy())
    assert_frame_equal(step.merge(a, b), step.merge(b, a), check_exact=True)
    assert_frame_equal(step.merge(a, nothing), a, check_exact=True)
    assert_frame_equal(step.merge(nothing, a), a, check_exact=True)
    left, right = step.merge(step.merge(a, b), c), step.merge(a, step.merge(b, c))
    assert_frame_equal(left, right, rel_tol=1e-12, abs_tol=1e-12)


def says_which_column_is_missing(step: Plugin) -> None:
    frame = example_for(step)
    used = [name for name in frame.columns if _mentions(step, name)]
    state = fit(step, [frame]) if isinstance(step, FittedTransformer) else None
    for name in used or [name for name in ("whole", "text") if _is_of_group(step, name)]:
        less = frame.drop(name).lazy()
        with pytest.raises(DataError, match=f"no column '{name}'"):
            step.apply(less, state) if state is not None else step.apply(less)  # type: ignore[attr-defined]  # only transformers come here


def says_which_column_is_missing_before_types_are_known(step: Plugin) -> None:
    if isinstance(step, Transformer):
        for name in [name for name in FRAME.columns if _mentions(step, name)]:
            with pytest.raises(DataError, match=f"no column '{name}'"):
                step.apply(UNKNOWN.drop(name).lazy())


def tells_its_columns_before_types_are_known(step: Plugin) -> None:
    if isinstance(step, Transformer):
        assert step.apply(UNKNOWN.lazy()).collect_schema().names() == run(step, FRAME).columns


def lets_target_and_part_pass(step: Plugin) -> None:
    if isinstance(step, Transformer):
        frame = FRAME.with_columns(pl.lit("a").alias(TARGET), pl.lit("train").alias(PART))
        assert {TARGET, PART} <= set(step.apply(frame.lazy()).collect_schema().names())
    if isinstance(step, FittedTransformer):
        frame = LEARNED.with_columns(pl.lit("train").alias(PART))
        after = step.apply(frame.lazy(), fit(step, [LEARNED])).collect()
        assert_frame_equal(after.select(TARGET, PART), frame.select(TARGET, PART))


def _mentions(step: Plugin, name: str) -> bool:
    return re.search(rf"\b{name}\b", repr(step)) is not None


def _is_of_group(step: Plugin, name: str) -> bool:
    group = getattr(step, "columns", None)
    return group == "all" or group == ("numeric" if name == "whole" else "text")


# --- promises of selectors, checks, splitters, metrics, models ----------------------------------------------------


def rates_every_feature(selector: Selector) -> None:
    frame = LEARNED.select("number", "whole", "flag", TARGET)
    for rows in (frame, frame.clear(), partitions(frame)[0]):
        scores = selector.score(selector.summarize(rows.lazy()))
        judged = {"kept": pl.Boolean, "reason": pl.String} if selector.decides else {}
        assert scores.schema == {"column": pl.String, "score": pl.Float64, **judged}
        assert all(scores[name].null_count() == 0 for name in judged)
        assert sorted(scores["column"]) == ["flag", "number", "whole"]
        assert scores["score"].is_finite().all()


def rates_the_same_each_time(selector: Selector) -> None:
    frame = LEARNED.select("number", "whole", "flag", TARGET)
    first, second = (selector.score(selector.summarize(frame.lazy())) for _ in range(2))
    assert_frame_equal(first, second, check_exact=True)


def never_answers_null(check: Check | DatasetCheck) -> None:
    if check.over_dataset() is not None:
        return
    assert isinstance(check, Check)
    blank = FRAME.select(pl.lit(None, dtype).alias(name) for name, dtype in FRAME.schema.items())
    for frame in (FRAME, FRAME.clear(), blank):
        broken = frame.select(check.violations().alias("broken"))["broken"]
        assert broken.dtype == pl.Boolean
        assert broken.null_count() == 0


def finds_a_violation_and_describes_the_rule(check: Check | DatasetCheck) -> None:
    rule = check.over_dataset()
    assert all(name in (rule or check).describe() for name in check.needs())
    if rule is None:
        assert isinstance(check, Check)
        assert FRAME.select(check.violations().any()).item()
        return
    nothing = _summary(rule, FRAME.clear())
    broken = rule.judge(_summary(rule, FRAME), nothing if rule.refers_to() else None, datetime(2020, 1, 1, tzinfo=UTC))
    assert broken is not None
    if broken.examples is not None:
        assert FRAME.filter(broken.examples).height


def summarizes_by_partition_as_the_whole(check: Check | DatasetCheck) -> None:
    rule = check.over_dataset()
    if rule is None:
        return
    whole, blank = _summary(rule, FRAME), FRAME.select(pl.lit(None, dtype).alias(name) for name, dtype in FRAME.schema.items())
    assert_frame_equal(reduce(rule.merge, [_summary(rule, piece) for piece in partitions(FRAME)]), whole, check_exact=True)
    a, b, c = (_summary(rule, piece) for piece in (FRAME[:7], FRAME[7:40], FRAME[40:]))
    assert_frame_equal(rule.merge(a, b), rule.merge(b, a), check_exact=True)
    assert_frame_equal(rule.merge(rule.merge(a, b), c), rule.merge(a, rule.merge(b, c)), check_exact=True)
    nothing = _summary(rule, FRAME.clear())
    assert_frame_equal(rule.merge(nothing, a), a, check_exact=True)
    assert _summary(rule, blank).schema == whole.schema


def _summary(rule: DatasetCheck, frame: pl.DataFrame) -> pl.DataFrame:
    return rule.summarize(frame.select(rule.needs() or frame.columns).lazy())


def assigns_every_row_to_a_part(splitter: Splitter) -> None:
    view = FRAME.select(splitter.needs(ROLES) or "id")
    part = view.select(splitter.assign(ROLES).alias(PART))[PART]
    assert part.dtype == pl.String
    assert set(part.drop_nulls()) == set(splitter.parts)
    assert_series_equal(part, view.select(splitter.assign(ROLES).alias(PART))[PART])
    assert view.clear().select(splitter.assign(ROLES).alias(PART)).is_empty()


def gives_no_number_where_there_is_none(metric: Metric) -> None:
    nothing = pl.DataFrame(schema={"prediction": pl.Int64 if "clustering" in metric.tasks else pl.String})
    assert metric.score(None, nothing, pl.DataFrame()) in (None, 0.0)


def predicts_the_same_each_time(model: Model) -> None:
    features = FRAME.select(pl.col("number").fill_null(0), "whole", "flag")
    target = {"classification": FRAME["label"], "regression": FRAME["whole"].cast(pl.Float64), "clustering": None}
    before = features.clone()
    first, second = (model.predict(model.estimate(features, target[model.task]), features) for _ in range(2))
    assert_frame_equal(first, second, check_exact=True)
    assert_frame_equal(features, before)
    assert model.predict(model.estimate(features, target[model.task]), features.clear()).schema == first.schema


EVERY: list[Callable[..., None]] = [is_rebuilt_from_its_description, pickles, is_frozen]
PROMISES: dict[str, list[Callable[..., None]]] = {
    "transformer": [
        leaves_its_input_alone,
        gives_equal_bytes_each_time,
        survives_zero_rows,
        survives_learning_from_zero_rows,
        survives_columns_without_values,
        works_by_partition_as_on_the_whole,
        learns_by_partition_as_from_the_whole,
        merges_in_any_order,
        says_which_column_is_missing,
        says_which_column_is_missing_before_types_are_known,
        tells_its_columns_before_types_are_known,
        lets_target_and_part_pass,
    ],
    "selector": [rates_every_feature, rates_the_same_each_time, merges_in_any_order],
    "check": [never_answers_null, finds_a_violation_and_describes_the_rule, summarizes_by_partition_as_the_whole],
    "splitter": [assigns_every_row_to_a_part],
    "metric": [gives_no_number_where_there_is_none],
    "model": [predicts_the_same_each_time],
    "tracker": [],
}


def _cases() -> list[Any]:
    return [
        pytest.param(kind, example, promise, id=f"{kind}-{example['use']}{number}-{promise.__name__}")
        for kind in KINDS
        for number, example in enumerate(EXAMPLES[kind])
        for promise in [*EVERY, *PROMISES[kind]]
    ]


@pytest.mark.parametrize(("kind", "example", "promise"), _cases())
def test_a_plugin_keeps_its_promises(kind: str, example: dict[str, Any], promise: Callable[..., None]) -> None:
    if reason := SKIPS.get((example["use"], promise.__name__)):
        pytest.skip(reason)
    promise(build(kind, example))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if (kind, "has_an_example") not in SKIPS])
def test_every_registered_plugin_has_an_example(kind: str) -> None:
    assert sorted({example["use"] for example in EXAMPLES[kind]}) == names(kind)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in names(kind)])
def test_every_plugin_and_each_of_its_parameters_is_described(kind: str, name: str) -> None:
    plugin = find(kind, name)
    assert re.match(r"[^\n]{10,}\.$", (plugin.__doc__ or "").split("\n\n")[0].replace("\n", " ").strip())
    for key, info in plugin.model_fields.items():
        assert len(info.description or "") > 20, key
