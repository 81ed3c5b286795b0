"""Steps that learn from numbers: what becomes of odd columns, of what lies outside training, and what is refused."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.preprocessing import PolynomialFeatures, PowerTransformer

from engine.errors import ConfigError, DataError, MissingColumn
from engine.plugin import FittedTransformer, Transformer
from engine.registry import build

INFINITE = float("inf")

BY_SIZE: list[dict[str, Any]] = [
    {"use": "bin", "strategy": "uniform"},
    {"use": "impute", "with": "mean"},
    {"use": "impute", "with": "model"},
    {"use": "min_max"},
    {"use": "pca"},
    {"use": "standardize"},
]
"""Steps that compute with how large values are, and so can not learn from an infinite one."""

BY_RANK: list[dict[str, Any]] = [
    {"use": "bin"},
    {"use": "impute", "with": "median"},
    {"use": "power_transform"},
    {"use": "quantile_transform"},
    {"use": "quantile_transform", "output_distribution": "normal"},
    {"use": "robust_scale"},
    {"use": "winsorize"},
]
"""Steps that learn from a distribution, and leave infinite values out of it."""

EVERY = [*BY_SIZE, *BY_RANK]


def name(node: dict[str, Any]) -> str:
    return "-".join(str(value) for value in node.values())


def fitted(use: str, **parameters: Any) -> FittedTransformer:
    step = build("transformer", {"use": use, **parameters})
    assert isinstance(step, FittedTransformer)
    return step


def encode(step: FittedTransformer, learned: pl.DataFrame, asked: pl.DataFrame | None = None) -> pl.DataFrame:
    state = step.finish(step.summarize(learned.lazy()))
    return step.apply((learned if asked is None else asked).lazy(), state).collect()


def numbers(*values: Any) -> pl.DataFrame:
    return pl.DataFrame({"x": values}, schema={"x": pl.Float64}, strict=False)


@pytest.mark.parametrize("node", BY_SIZE, ids=name)
@pytest.mark.parametrize("odd", [[INFINITE], [-INFINITE, INFINITE], [1.7e308, -1.7e308]], ids=["one", "both", "huge"])
def test_infinite_and_huge_values_stop_a_step_that_learns_from_sizes(node: dict[str, Any], odd: list[float]) -> None:
    frame = pl.DataFrame({"fine": np.arange(9.0), "x": [1.0, 2.0, *odd, *[3.0] * (7 - len(odd))]})
    step = fitted(**node)
    with pytest.raises(DataError, match="nothing can be learned from column 'x'"):
        step.finish(step.summarize(frame.lazy()))


def test_values_that_are_too_large_together_are_found_when_summaries_are_merged() -> None:
    step = fitted("standardize")
    one, other = (step.summarize(numbers(value).lazy()) for value in (1e200, -1e200))
    with pytest.raises(DataError, match="column 'x'"):
        step.merge(one, other)


@pytest.mark.parametrize("node", BY_RANK, ids=name)
def test_infinite_values_are_left_out_by_a_step_that_learns_a_distribution(node: dict[str, Any]) -> None:
    finite, step = numbers(1, 2, 4, 9, 3), fitted(**node)
    with_infinite = numbers(1, 2, INFINITE, 4, 9, -INFINITE, 3)
    assert_frame_equal(encode(step, with_infinite, finite), encode(step, finite))


@pytest.mark.parametrize("node", EVERY, ids=name)
@pytest.mark.parametrize("values", [[7, 7, 7], [0.1] * 10, [5], [5, None], [None, None], [float("nan")] * 2, []], ids=str)
def test_constant_columns_one_row_and_no_value_make_nothing_infinite(node: dict[str, Any], values: list[Any]) -> None:
    found = encode(fitted(**node), numbers(*values), numbers(*values, 3, None)).cast(pl.Float64)
    assert len(found) == len(values) + 2
    assert all(found[column].drop_nulls().is_finite().all() for column in found.columns)


@pytest.mark.parametrize("node", EVERY, ids=name)
def test_sums_of_the_largest_integers_do_not_wrap(node: dict[str, Any]) -> None:
    largest, smallest = 2**63 - 1, -(2**63)
    whole = pl.DataFrame({"x": [largest] * 5 + [smallest] * 4}, schema={"x": pl.Int64})
    assert_frame_equal(encode(fitted(**node), whole), encode(fitted(**node), whole.cast(pl.Float64)))


def test_the_mean_of_the_largest_integers_is_theirs() -> None:
    step = fitted("impute", **{"with": "mean"})
    filled = encode(step, pl.DataFrame({"x": [2**63 - 1] * 4 + [None]}, schema={"x": pl.Int64}))
    assert filled["x"].to_list() == [2.0**63] * 5


@pytest.mark.parametrize("dtype", [pl.UInt64, pl.Int128, pl.Decimal(20, 2), pl.Int8, pl.Float32, pl.Null], ids=str)
@pytest.mark.parametrize("node", EVERY, ids=name)
def test_every_type_of_number_is_taken_as_float(node: dict[str, Any], dtype: Any) -> None:
    frame = pl.DataFrame({"x": [None] * 3 if dtype == pl.Null else [1, 100, None]}, schema={"x": dtype})
    step = fitted(**node, columns=["x"])
    assert_frame_equal(encode(step, frame), encode(step, frame.cast(pl.Float64)))


@pytest.mark.parametrize("node", EVERY, ids=name)
def test_a_listed_column_that_holds_no_numbers_is_refused_by_name(node: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="column 't'") as refused:
        fitted(**node, columns=["t"]).summarize(pl.LazyFrame({"t": ["a"]}))
    assert refused.value.found == "String"


@pytest.mark.parametrize("node", EVERY, ids=name)
def test_a_listed_column_that_is_not_there_is_an_error_with_the_nearest_name(node: dict[str, Any]) -> None:
    with pytest.raises(MissingColumn, match="did you mean 'height'"):
        fitted(**node, columns=["hieght"]).summarize(pl.LazyFrame({"height": [1.0]}))


@pytest.mark.parametrize("node", EVERY, ids=name)
def test_a_frame_without_numbers_passes_unchanged(node: dict[str, Any]) -> None:
    frame = pl.DataFrame({"t": ["a", "b"]})
    step = fitted(**node)
    summary = step.merge(step.summarize(frame[:1].lazy()), step.summarize(frame[1:].lazy()))
    assert_frame_equal(step.apply(frame.lazy(), step.finish(summary)).collect(), frame)


@pytest.mark.parametrize("node", [node for node in EVERY if node["use"] not in ("impute", "pca")], ids=name)
def test_missing_stays_missing_nan_too(node: dict[str, Any]) -> None:
    found = encode(fitted(**node), numbers(1, 2, 3, 4), numbers(2, None, float("nan")))
    assert found["x"].is_null().to_list() == [False, True, True]


def test_min_max_lets_later_values_out_of_its_bounds_unless_it_clips() -> None:
    learned, asked = numbers(0, 10), numbers(-5, 5, 20)
    assert encode(fitted("min_max"), learned, asked)["x"].to_list() == [-0.5, 0.5, 2.0]
    assert encode(fitted("min_max", clip=True), learned, asked)["x"].to_list() == [0.0, 0.5, 1.0]


def test_winsorize_draws_infinite_and_wild_values_in_to_the_quantiles() -> None:
    found = encode(fitted("winsorize", lower=0.25, upper=0.75), numbers(0, 1, 2, 3, 4), numbers(-INFINITE, 2.5, 1e9))
    assert found["x"].to_list() == [1.0, 2.5, 3.0]


def test_bins_have_their_lower_edge_and_the_outer_ones_take_all_beyond() -> None:
    found = encode(fitted("bin", n_bins=2, strategy="uniform"), numbers(0, 10), numbers(-INFINITE, 4.9, 5, 10, INFINITE))
    assert found.schema == {"x": pl.Int32}
    assert found["x"].to_list() == [0, 0, 1, 1, 1]


def test_bins_become_columns_of_zeros_and_ones_with_missing_zero_everywhere() -> None:
    frame = pl.DataFrame({"x": [0.0, 10.0, None], "t": ["a", "b", "c"]})
    found = encode(fitted("bin", n_bins=2, strategy="uniform", encode="one_hot"), frame)
    assert found.to_dict(as_series=False) == {"t": ["a", "b", "c"], "x=0": [1, 0, 0], "x=1": [0, 1, 0]}


def test_equal_edges_of_quantiles_are_one() -> None:
    found = encode(fitted("bin", n_bins=4), numbers(0, 0, 0, 0, 0, 0, 1, 2))
    assert sorted(set(found["x"])) == [0, 1]


def test_ranks_beyond_training_are_those_of_its_ends() -> None:
    learned, asked = numbers(*range(11)), numbers(-99, 2.5, 99)
    assert encode(fitted("quantile_transform"), learned, asked)["x"].to_list() == [0.0, 0.25, 1.0]
    normal = encode(fitted("quantile_transform", output_distribution="normal"), learned, asked)["x"]
    assert normal.to_list() == pytest.approx([-5.199337582605575, -0.6744897501960817, 5.19933758270342])


def test_ranks_of_tiny_numbers_are_told_apart_in_a_normal_distribution() -> None:
    step = fitted("quantile_transform", output_distribution="normal")
    assert encode(step, numbers(1e-12, 2e-12, 3e-12, 4e-12, 5e-12))["x"][2] == pytest.approx(0, abs=1e-9)


def test_a_column_without_a_value_in_training_has_no_ranks() -> None:
    assert encode(fitted("quantile_transform"), numbers(None), numbers(3, None))["x"].to_list() == [None, None]


def test_box_cox_refuses_zero_in_training_and_later_leaves_it_missing() -> None:
    step = fitted("power_transform", method="box-cox")
    with pytest.raises(DataError, match="box-cox can not take the column 'x'") as refused:
        encode(step, numbers(3, 0, 1))
    assert "yeo-johnson" in refused.value.hint
    assert encode(step, numbers(3, 2, 1), numbers(2, 0, -1))["x"].is_null().to_list() == [False, True, True]


def test_the_power_of_a_constant_column_is_one() -> None:
    for method in ("yeo-johnson", "box-cox"):
        step = fitted("power_transform", method=method, standardize=False)
        assert encode(step, numbers(3, 3), numbers(3, 5))["x"].diff()[1] == pytest.approx(2)


def test_components_are_missing_where_a_column_is_and_rows_that_miss_one_teach_nothing() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 4.0, None], "y": [2.0, 1.0, 7.0, 1e6]})
    found = encode(fitted("pca", n_components=2), frame)
    assert found["pca0"].is_null().to_list() == [False, False, False, True]
    assert_frame_equal(found[:3], encode(fitted("pca", n_components=2), frame[:3]))


def test_pca_says_when_it_is_asked_for_more_components_than_columns_or_would_hide_a_column() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0], "y": [2.0, 1.0], "pca0": ["a", "b"]})
    with pytest.raises(DataError, match="3 components of 2 columns"):
        encode(fitted("pca", n_components=3), frame)
    with pytest.raises(DataError, match="there is a column 'pca0' already"):
        encode(fitted("pca"), frame)
    assert encode(fitted("pca", prefix="own", n_components=1), frame).columns == ["pca0", "own0"]


@pytest.mark.parametrize("interaction_only", [False, True])
@pytest.mark.parametrize("degree", [2, 3])
def test_products_are_those_of_polynomial_features_in_name_order_and_value(degree: int, interaction_only: bool) -> None:
    frame = pl.DataFrame(np.random.RandomState(0).normal(size=(20, 3)), schema=["a", "b", "c"])
    twin = PolynomialFeatures(degree, interaction_only=interaction_only, include_bias=False).fit(frame.to_numpy())
    step = build(
        "transformer",
        {"use": "polynomial", "columns": ["a", "b", "c"], "degree": degree, "interaction_only": interaction_only},
    )
    assert isinstance(step, Transformer)
    found = step.apply(frame.lazy()).collect()
    assert found.columns == twin.get_feature_names_out(frame.columns).tolist()
    np.testing.assert_allclose(found.to_numpy(), twin.transform(frame.to_numpy()), rtol=1e-12)


def test_products_of_the_largest_integers_do_not_wrap_and_missing_ones_stay_missing() -> None:
    step = build("transformer", {"use": "polynomial", "columns": ["n", "f"]})
    assert isinstance(step, Transformer)
    found = step.apply(pl.LazyFrame({"n": [2**62, None], "f": [True, True]})).collect()
    assert found["n^2"].to_list() == [2.0**124, None]
    assert found["n f"].to_list() == [2.0**62, None]


def test_polynomial_refuses_text_and_names_that_are_taken() -> None:
    step = build("transformer", {"use": "polynomial", "columns": ["a"]})
    assert isinstance(step, Transformer)
    with pytest.raises(DataError, match="column 'a' can not be multiplied"):
        step.apply(pl.LazyFrame({"a": ["x"]}))
    with pytest.raises(DataError, match=r"there is a column 'a\^2' already"):
        step.apply(pl.LazyFrame({"a": [1], "a^2": [1]}))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"use": "min_max", "feature_range": [1, 0]}, "feature_range must be two numbers"),
        ({"use": "min_max", "feature_range": [0, INFINITE]}, "feature_range must be two numbers"),
        ({"use": "robust_scale", "quantile_range": [75, 25]}, "quantile_range must be two percentages"),
        ({"use": "robust_scale", "quantile_range": [0, 100], "unit_variance": True}, "a normal distribution has no ends"),
        ({"use": "winsorize", "lower": 0.9, "upper": 0.1}, "lower must not exceed upper"),
        ({"use": "bin", "n_bins": 1}, "wrong value for 'n_bins'"),
        ({"use": "pca", "n_components": 0}, "n_components must be"),
        ({"use": "pca", "n_components": 1.5}, "n_components must be"),
        ({"use": "polynomial", "columns": ["a", "a"]}, "column 'a' is listed twice"),
        ({"use": "polynomial", "columns": [f"c{n}" for n in range(60)], "degree": 4}, "at most 10,000"),
    ],
    ids=str,
)
def test_parameters_that_make_no_sense_are_refused_before_data_is_read(node: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        build("transformer", node)


def test_more_different_values_than_are_counted_exactly_give_quantiles_within_a_thousandth() -> None:
    values = np.random.RandomState(0).lognormal(0, 1, 100_000)
    frame = pl.DataFrame({"x": values})
    drawn_in = encode(fitted("winsorize", lower=0.1, upper=0.9), frame)["x"].to_numpy()
    np.testing.assert_allclose(drawn_in, np.clip(values, *np.quantile(values, [0.1, 0.9])), rtol=1.001e-3)
    power = fitted("power_transform")
    state = power.finish(power.summarize(frame.lazy()))
    assert state["lambda"].item() == pytest.approx(PowerTransformer().fit(frame.to_numpy()).lambdas_[0], abs=1e-3)


ALONE: dict[str, dict[str, Any]] = {
    "divide": {"use": "derive", "y": "x / 0.37"},
    "divide whole numbers": {"use": "derive", "y": "(k + 1) / 7 * 100"},
    "divide by a sum": {"use": "derive", "y": "(x - 1) / (2 + 0.7)"},
    "remainder": {"use": "derive", "y": "x % 0.1"},
    "standardize": {"use": "standardize", "columns": ["x"]},
    "min_max": {"use": "min_max", "columns": ["x"]},
    "robust_scale": {"use": "robust_scale", "columns": ["x"]},
    "power_transform": {"use": "power_transform", "columns": ["x"]},
    "calendar": {"use": "calendar", "column": "at", "parts": ["month", "day"], "cyclic": True},
    "difference": {"use": "difference", "column": "at", "minus": "since", "unit": "h", "into": "y"},
    "parse_number": {"use": "parse_number", "columns": ["t"], "percent": True},
}


@pytest.mark.parametrize("node", ALONE.values(), ids=ALONE)
def test_a_row_alone_comes_to_what_it_comes_to_among_others(node: dict[str, Any]) -> None:
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=60).round(3) * 1000
    times = [datetime(2013, 1, 1) + timedelta(seconds=n * 86_413) for n in range(60)]  # noqa: DTZ001  without a zone
    rows = pl.DataFrame({"x": x, "k": numbers.integers(0, 999, 60), "at": times, "t": [f"{one:.2f}%" for one in x]})
    rows = rows.with_columns(since=pl.lit(times[7]))
    step = build("transformer", node)
    if isinstance(step, FittedTransformer):
        state = step.finish(step.summarize(rows.lazy()))
        alone = [step.apply(rows[n : n + 1].lazy(), state).collect() for n in range(60)]
        together = step.apply(rows.lazy(), state).collect()
    else:
        assert isinstance(step, Transformer)
        alone = [step.apply(rows[n : n + 1].lazy()).collect() for n in range(60)]
        together = step.apply(rows.lazy()).collect()
    assert_frame_equal(pl.concat(alone), together, check_exact=True)


def test_a_division_by_a_constant_is_exact() -> None:
    x = [10000001.0, 0.3, -7.7, None]
    step = build("transformer", {"use": "derive", "y": "x / 100"})
    assert isinstance(step, Transformer)
    found = step.apply(pl.LazyFrame({"x": x})).collect()["y"].to_list()
    assert found == [100000.01, 0.3 / 100, -7.7 / 100, None]
