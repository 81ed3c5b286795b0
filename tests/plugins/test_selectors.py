"""How features are rated."""

from functools import reduce
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal
from sklearn.feature_selection import RFE, SelectFromModel, chi2, f_classif, f_regression
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.preprocessing import StandardScaler

from engine.errors import ConfigError, DataError
from engine.plugin import TARGET
from engine.registry import build
from plugins.selectors import _relations, _sample
from plugins.selectors.chi2 import Chi2
from plugins.selectors.correlation import Correlation
from plugins.selectors.f_test import FTest
from plugins.selectors.l1 import L1
from plugins.selectors.missing_share import MissingShare
from plugins.selectors.mutual_information import MutualInformation

ROWS = st.lists(st.tuples(st.integers(-2, 2), st.sampled_from(["x", "y"])), max_size=300)


def frame(rows: list[tuple[int, str]]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema={"n": pl.Int64, TARGET: pl.String}, orient="row")


def scores(selector: MutualInformation, rows: pl.LazyFrame) -> dict[str, float]:
    return dict(selector.score(selector.summarize(rows)).iter_rows())


@given(st.lists(ROWS, min_size=3, max_size=3))
def test_any_way_of_merging_gives_the_sample_of_the_whole(parts: list[list[tuple[int, str]]]) -> None:
    selector = MutualInformation.model_construct(sample=4, bins=16)
    a, b, c = (selector.summarize(frame(part)) for part in parts)
    whole = selector.summarize(frame([row for part in parts for row in part]))
    assert_frame_equal(selector.merge(selector.merge(a, b), c), whole, check_exact=True)
    assert_frame_equal(selector.merge(selector.merge(c, a), b), whole, check_exact=True)


@given(ROWS.filter(bool))
def test_few_values_give_the_information_that_scikit_learn_finds(rows: list[tuple[int, str]]) -> None:
    numbers, target = zip(*rows, strict=True)
    expected = max(0.0, float(mutual_info_score(target, numbers)))
    assert scores(MutualInformation(), frame(rows))["n"] == pytest.approx(expected, abs=1e-9)


def test_a_relation_that_is_not_linear_is_found_in_numbers() -> None:
    x = np.random.RandomState(0).uniform(-1, 1, 5000)
    noise = np.random.RandomState(1).uniform(-1, 1, 5000)
    found = scores(MutualInformation(), pl.LazyFrame({"x": x, "noise": noise, TARGET: x**2}))
    assert found["x"] > 1.0
    assert found["noise"] < 0.05


def test_zeros_of_both_signs_are_one_value_to_the_last_byte() -> None:
    a, b = (MutualInformation().summarize(pl.LazyFrame({"n": [zero], TARGET: ["x"]})) for zero in (0.0, -0.0))
    assert a.write_ipc(None).getvalue() == b.write_ipc(None).getvalue()


def test_that_a_value_is_missing_can_tell_of_the_target() -> None:
    rows = pl.LazyFrame({"n": [None, 1.0] * 50, TARGET: ["yes", "no"] * 50})
    assert scores(MutualInformation(), rows)["n"] == pytest.approx(np.log(2))


def test_mutual_information_asks_for_a_target() -> None:
    with pytest.raises(DataError, match="needs a target"):
        MutualInformation().summarize(pl.LazyFrame({"n": [1]}))


# --- selectors that are merged from moments -------------------------------------------------------------------------

RNG = np.random.RandomState(5)
TABLE = pl.DataFrame(
    {
        "a": RNG.normal(size=600),
        "b": RNG.poisson(3, 600),
        "c": RNG.normal(1e6, 1, 600),
        "flag": RNG.uniform(size=600) > 0.3,
        "same": [0.1] * 600,
    }
).with_columns(
    kind=pl.Series(RNG.choice(["x", "y", "z"], 600)),
    number=pl.col("a") * 2 + pl.col("b") + pl.Series(RNG.normal(size=600)),
)
FEATURES = ["a", "b", "c", "flag"]


def table(target: str, *columns: str) -> pl.DataFrame:
    return TABLE.select(*(columns or FEATURES), pl.col(target).alias(TARGET))


def verdicts(selector: Any, *parts: pl.DataFrame) -> dict[str, tuple[Any, ...]]:
    summary = reduce(selector.merge, (selector.summarize(part.lazy()) for part in parts))
    return {name: tuple(rest) for name, *rest in selector.score(summary).iter_rows()}


def rated(selector: Any, *parts: pl.DataFrame) -> list[float]:
    found = verdicts(selector, *parts)
    return [found[name][0] for name in parts[0].columns if name != TARGET]


def standard(frame: pl.DataFrame) -> Any:
    return StandardScaler().fit_transform(frame.cast(pl.Float64).to_numpy())


def pieces(frame: pl.DataFrame) -> list[pl.DataFrame]:
    return [frame[:1], frame[1:1], frame[1:200], frame[200:]]


@pytest.mark.parametrize(("target", "twin"), [("kind", f_classif), ("number", f_regression)])
def test_f_test_gives_the_statistic_of_scikit_learn_however_rows_are_partitioned(target: str, twin: Any) -> None:
    frame = table(target)
    # Standardised for the twin, which changes no F but spares it the digits that its sums lose where a mean is large.
    expected, _ = twin(standard(frame.select(FEATURES)), frame[TARGET].to_numpy())
    assert_allclose(rated(FTest(), *pieces(frame)), expected, rtol=1e-6)


def test_chi2_gives_the_statistic_of_scikit_learn_however_rows_are_partitioned() -> None:
    frame = table("kind", "b", "flag")
    expected, _ = chi2(frame.select(pl.col("b", "flag").cast(pl.Float64)).to_numpy(), frame[TARGET].to_numpy())
    assert_allclose(rated(Chi2(), *pieces(frame)), expected, rtol=1e-9)


@pytest.mark.parametrize("target", ["kind", "number"])
def test_a_constant_column_is_rated_nothing(target: str) -> None:
    assert rated(FTest(), *pieces(table(target, "same"))) == [0.0]
    assert rated(Correlation(), *pieces(table(target, "same"))) == [0.0]


def test_a_perfect_relation_has_the_largest_number() -> None:
    frame = pl.DataFrame({"n": [0, 0, 1, 1], TARGET: ["no", "no", "yes", "yes"]})
    assert rated(FTest(), frame) == [np.finfo(np.float64).max]


def test_values_that_are_missing_or_infinite_are_not_counted() -> None:
    gaps = pl.DataFrame({"n": [1.0, None, 2.0, float("nan"), 4.0, float("inf"), 5.0], TARGET: [1.0, 9, 2, 9, 3, 9, 5]})
    whole = pl.DataFrame({"n": [1.0, 2.0, 4.0, 5.0], TARGET: [1.0, 2, 3, 5]})
    assert rated(FTest(), gaps) == rated(FTest(), whole)


def test_numbers_too_large_to_square_are_rated_nothing() -> None:
    frame = pl.DataFrame({"n": [1e200, -1e200, 1e300, 0.0], "m": [1, 2, 3, 4], TARGET: ["a", "b", "a", "b"]})
    assert rated(FTest(), frame)[0] == 0.0
    assert [kept for _, kept, _ in verdicts(Correlation(), frame).values()] == [True, True]


def test_large_whole_numbers_do_not_wrap() -> None:
    frame = pl.DataFrame({"n": [2**62, 2**62 - 2**60] * 20, TARGET: ["a", "b", "b", "a"] * 10})
    assert rated(Chi2(), frame) == [0.0]
    assert rated(FTest(), frame) == [0.0]


def test_chi2_refuses_what_is_negative_and_what_has_no_classes() -> None:
    with pytest.raises(DataError, match="can not rate column 'a'"):
        Chi2().summarize(table("kind").lazy())
    for frame in (table("number"), table("number").drop(TARGET)):
        with pytest.raises(DataError, match="needs classes"):
            Chi2().summarize(frame.lazy())


@pytest.mark.parametrize("selector", [FTest(), MutualInformation()])
def test_a_rating_against_the_target_needs_one(selector: Any) -> None:
    with pytest.raises(DataError, match="needs a target"):
        selector.summarize(pl.LazyFrame({"n": [1]}))


@given(
    st.lists(
        st.lists(st.tuples(st.floats(-50, 50) | st.none(), st.integers(-3, 3), st.sampled_from("xy")), max_size=12),
        min_size=3,
        max_size=3,
    )
)
def test_relations_merge_to_those_of_the_whole(parts: list[list[Any]]) -> None:
    schema = {"a": pl.Float64, "b": pl.Int64, TARGET: pl.String}
    frames = [pl.DataFrame(part, schema=schema, orient="row") for part in parts]
    selector = Correlation()
    a, b, c = (selector.summarize(frame.lazy()) for frame in frames)
    whole = selector.summarize(pl.concat(frames).lazy())
    for merged in (selector.merge(selector.merge(a, b), c), selector.merge(a, selector.merge(c, b))):
        assert_frame_equal(merged, whole, rel_tol=1e-9, abs_tol=1e-7)


# --- selectors that decide ------------------------------------------------------------------------------------------


def test_missing_share_leaves_out_columns_of_any_type_that_have_too_little() -> None:
    frame = pl.DataFrame({"n": [1.0, float("nan"), None, 4.0], "t": [None, None, None, "a"], "f": [True, None, False, True]})
    found = verdicts(MissingShare(above=0.5), *pieces(frame))
    assert found["n"] == (0.5, True, "50.0% missing, at most 50.0% may be")
    assert found["t"] == (0.25, False, "75.0% missing, at most 50.0% may be")
    assert found["f"][:2] == (0.75, True)


def test_correlations_are_those_of_numpy_where_both_have_a_value() -> None:
    frame = TABLE.select("a", "c", "number").with_columns(pl.when(pl.int_range(600) % 3 > 0).then("c").alias("c"))
    summary = reduce(_relations.merge, (_relations.between(part, frame.columns) for part in pieces(frame)))
    found = _relations.correlations(summary)
    for one, other in (("a", "c"), ("a", "number"), ("c", "number")):
        both = frame.select(one, other).drop_nulls().to_numpy()
        assert found[one, other] == pytest.approx(abs(np.corrcoef(both.T)[0, 1]), abs=1e-9)


@pytest.mark.parametrize("target", ["kind", "number"])
def test_of_columns_that_correlate_the_one_that_goes_best_with_the_target_stays(target: str) -> None:
    one, other = (pl.Series(RNG.normal(size=600)) for _ in range(2))
    known = (pl.col(TARGET) == "x").cast(pl.Float64) if target == "kind" else pl.col(TARGET)
    frame = table(target, "a").with_columns(best=known + one * 0.05, dim=other * 0.1 - known)
    found = verdicts(Correlation(above=0.9), *pieces(frame))
    assert {name: kept for name, (_, kept, _) in found.items()} == {"a": True, "best": True, "dim": False}
    assert found["best"][2] == "stands for 'dim'"
    assert "with 'best', which goes better with the target" in found["dim"][2]


def test_without_a_target_the_first_by_name_stays_and_no_two_that_stay_correlate() -> None:
    base = TABLE["a"]
    frame = pl.DataFrame({"z": base, "m": base * -3, "k": base + 1, "lone": TABLE["c"]})
    found = verdicts(Correlation(), frame)
    assert {name for name, (_, kept, _) in found.items() if kept} == {"k", "lone"}
    assert found["m"][2] == "correlates 1.000 with 'k', which is the first by name"
    assert found["lone"][2] == "correlates above 0.95 with none that stays"


def test_l1_keeps_what_lasso_keeps() -> None:
    frame = table("number")
    target = standard(frame.select(TARGET)).ravel()
    twin = Lasso(alpha=0.05, max_iter=10_000).fit(standard(frame.select(FEATURES)), target)
    found = verdicts(L1(alpha=0.05), *pieces(frame))
    assert_allclose([found[name][0] for name in FEATURES], np.abs(twin.coef_), rtol=1e-3, atol=1e-6)
    assert [found[name][1] for name in FEATURES] == [True, True, False, False]
    assert found["c"][2] == "the penalty makes its coefficient 0"


def test_l1_keeps_what_logistic_regression_keeps() -> None:
    frame = table("number").with_columns(pl.when(pl.col(TARGET) > 3).then(pl.lit("yes")).otherwise(pl.lit("no")).alias(TARGET))
    model = LogisticRegression(C=1 / (0.05 * 600), l1_ratio=1, solver="liblinear", random_state=0)
    twin = SelectFromModel(model).fit(standard(frame.select(FEATURES)), frame[TARGET].to_numpy())
    found = verdicts(L1(alpha=0.05), *pieces(frame))
    assert [found[name][1] for name in FEATURES] == twin.get_support().tolist()
    assert_allclose([found[name][0] for name in FEATURES], np.abs(twin.estimator_.coef_[0]), rtol=0.02, atol=1e-3)


def test_l1_of_several_classes_counts_the_class_that_a_feature_tells_of() -> None:
    frame = table("kind", "a", "c").with_columns(hint=(pl.col(TARGET) == "y").cast(pl.Int8))
    found = verdicts(L1(alpha=0.05), frame)
    assert [found[name][1] for name in ("a", "c", "hint")] == [False, False, True]


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_where_nothing_can_be_learned_l1_leaves_nothing_out(rows: int) -> None:
    frame = pl.DataFrame({"n": range(rows), TARGET: ["one"] * rows}, schema={"n": pl.Int64, TARGET: pl.String})
    assert verdicts(L1(), frame) == {"n": (0.0, True, "nothing to learn from")}


# --- selectors by a model -------------------------------------------------------------------------------------------


def by_model(use: str, model: Any, **parameters: Any) -> Any:
    return build("selector", {"use": use, "model": model, **parameters})


def test_model_importance_is_that_of_the_model_on_all_rows_where_they_fit_into_the_sample() -> None:
    frame = table("number")
    selector = by_model("model_importance", "sklearn.LinearRegression")
    twin = LinearRegression().fit(frame.select(pl.col(FEATURES).cast(pl.Float64)).to_numpy(), frame[TARGET].to_numpy())
    assert_allclose(rated(selector, *pieces(frame)), np.abs(twin.coef_), rtol=1e-6)


@pytest.mark.parametrize(("step", "twin_step"), [(1, 1), (2, 2), (0.3, 0.3)])
def test_recursive_keeps_what_rfe_keeps_for_any_number(step: float, twin_step: float) -> None:
    rng = np.random.RandomState(2)
    frame = pl.DataFrame(rng.normal(size=(300, 7)), schema=[f"x{n}" for n in range(7)])
    frame = frame.with_columns((pl.sum_horizontal(pl.col(f"x{n}") * n for n in range(7))).alias(TARGET))
    scores = rated(by_model("recursive", "sklearn.LinearRegression", step=step), *pieces(frame))
    assert sorted(scores) == [1, 2, 3, 4, 5, 6, 7]
    for keep in range(1, 8):
        twin = RFE(LinearRegression(), n_features_to_select=keep, step=twin_step)
        twin.fit(frame.drop(TARGET).to_numpy(), frame[TARGET].to_numpy())
        assert [score > 7 - keep for score in scores] == twin.support_.tolist()


def test_a_sample_that_is_smaller_than_the_data_is_the_same_however_rows_are_partitioned() -> None:
    selector = by_model("model_importance", {"use": "sklearn.ExtraTreesRegressor", "n_estimators": 5}, sample=100)
    frame = table("number")
    assert rated(selector, *pieces(frame)) == rated(selector, frame)
    assert _sample.rows(selector.summarize(frame.lazy()), 100).height == 100


@given(st.lists(st.integers(0, 4), min_size=1, max_size=400), st.integers(100, 150))
def test_equal_rows_count_as_often_as_they_are_there(values: list[int], sample: int) -> None:
    frame = pl.LazyFrame({"n": values, TARGET: ["x"] * len(values)})
    found = _sample.rows(_sample.summarize(frame, sample, selector="it"), sample)
    assert found.height == min(len(values), sample)
    for value in set(values):
        share = values.count(value) / len(values)
        assert abs(found["n"].to_list().count(value) - share * found.height) < 1 + 1e-9


def test_a_model_that_rates_nothing_or_is_for_another_task_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="KNeighborsRegressor rates no features"):
        rated(by_model("model_importance", "sklearn.KNeighborsRegressor"), table("number"))
    with pytest.raises(DataError, match="ExtraTreesClassifier is for classification"):
        by_model("recursive", "sklearn.ExtraTreesClassifier").summarize(table("number").lazy())
    with pytest.raises(ConfigError, match="a clusterer knows no target"):
        by_model("model_importance", "sklearn.KMeans")


# --- what select makes of it ----------------------------------------------------------------------------------------


def chosen(node: dict[str, Any], frame: pl.DataFrame) -> dict[str, tuple[bool, str]]:
    step: Any = build("transformer", {"use": "select", **node})
    choices = step.choices(step.finish(step.summarize(frame.lazy())))
    return {column: (kept, reason) for column, kept, reason in choices.iter_rows()}


def test_select_says_of_each_column_why_it_stayed_or_went() -> None:
    frame = pl.DataFrame({"wide": [0, 8], "small": [0, 2], "same": [1, 1], "mid": [0, 4]})
    assert chosen({"by": "variance", "threshold": 0, "keep": 2}, frame) == {
        "wide": (True, "variance 16, number 1 of 4"),
        "mid": (True, "variance 4, number 2 of 4"),
        "small": (False, "variance 1, number 3 of 4, and 2 stay"),
        "same": (False, "variance 0, not above 0"),
    }


def test_keep_counts_those_that_the_selector_itself_does_not_leave_out() -> None:
    frame = pl.DataFrame({"a": [None, None, 1], "b": [None, 2, 1], "c": [3, 2, 1]})
    found = chosen({"by": "missing_share", "keep": 1}, frame)
    assert found == {
        "c": (True, "0.0% missing, at most 50.0% may be"),
        "b": (False, "share of values that are there 0.6667, number 2 of 3, and 1 stay"),
        "a": (False, "66.7% missing, at most 50.0% may be"),
    }


def test_a_column_that_can_not_be_rated_is_named() -> None:
    frame = pl.DataFrame({"wild": [1.0, float("inf")], "tame": [1.0, 2.0]})
    with pytest.raises(DataError, match="nothing can be learned from column 'wild'"):
        chosen({"by": "variance", "keep": 1}, frame)


def test_only_selectors_that_decide_need_no_bound() -> None:
    assert build("transformer", {"use": "select", "by": "correlation"})
    with pytest.raises(ConfigError, match="give keep"):
        build("transformer", {"use": "select", "by": "f_test"})


def test_missing_share_may_look_at_all_types_and_others_say_which_column_they_can_not_rate() -> None:
    frame = pl.DataFrame({"t": [None, None, "a"], "n": [1, 2, 3]})
    assert chosen({"by": "missing_share", "columns": "all"}, frame)["t"][0] is False
    with pytest.raises(DataError, match="column 't' can not be rated"):
        chosen({"by": "correlation", "columns": ["t"]}, frame)
