"""What steps learn from training rows; equal to their scikit-learn twins where there is one."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal
from pydantic import ValidationError
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from engine.errors import DataError
from engine.plugin import TARGET, FittedTransformer
from engine.registry import build
from plugins.transformers import _moments
from plugins.transformers.impute import Constant, Impute
from plugins.transformers.one_hot import OneHot
from plugins.transformers.ordinal import Ordinal
from plugins.transformers.select import Select
from plugins.transformers.standardize import Standardize

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.integers(-3, 3) | st.none(), min_size=1, max_size=40)
EIGHTHS = (st.integers(-8_000, 8_000) | st.integers(8_000_000, 8_000_008)).map(lambda n: n / 8)
"""Numbers near 0 and near a million whose differences are no rounding errors."""

WORDS = st.lists(st.sampled_from(["a", "b", "B", "é", "", "zz"]), min_size=1, max_size=40)


def encode(step: FittedTransformer, learned: pl.DataFrame, asked: pl.DataFrame | None = None) -> pl.DataFrame:
    state = step.finish(step.summarize(learned.lazy()))
    return step.apply((learned if asked is None else asked).lazy(), state).collect()


def numbers(values: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({"x": values}, schema={"x": pl.Float64}, strict=False)


@given(NUMBERS)
@pytest.mark.parametrize("how", ["mean", "median"])
def test_impute_fills_what_simple_imputer_fills(how: Any, values: list[float | None]) -> None:
    frame = numbers(values)
    twin = SimpleImputer(strategy=how, keep_empty_features=True)
    expected = twin.fit_transform(frame.to_numpy())
    assert_allclose(encode(Impute(with_=how), frame).to_numpy(), expected, rtol=1e-9, atol=1e-9)


@given(st.lists(st.sampled_from([10, 9, -3]) | st.none(), min_size=1, max_size=20))
def test_impute_takes_the_smallest_of_the_most_frequent_numbers_as_simple_imputer_does(values: list[Any]) -> None:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Int64})
    twin = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
    found = encode(Impute(with_="mode"), frame)
    assert found.schema == {"x": pl.Int64}
    assert found["x"].to_list() == twin.fit_transform(frame.cast(pl.Float64).to_numpy()).ravel().tolist()


@given(st.lists(EIGHTHS, min_size=1, max_size=40), st.integers(0, 40))
def test_standardize_gives_what_standard_scaler_gives_however_rows_are_partitioned(values: list[float], cut: int) -> None:
    frame, step = numbers(values), Standardize()
    parts = [step.summarize(part.lazy()) for part in (frame[:cut], frame[cut:])]
    found = step.apply(frame.lazy(), step.finish(step.merge(*parts))).collect()
    expected = StandardScaler().fit_transform(frame.to_numpy())
    assert_allclose(found.to_numpy(), expected, rtol=1e-6, atol=1e-6)


def test_standardize_agrees_with_standard_scaler_to_a_billionth() -> None:
    frame = pl.DataFrame(np.random.RandomState(0).lognormal(3, 2, (5000, 6)), schema=list("abcdef"))
    step = Standardize()
    parts = [step.summarize(frame[start : start + 700].lazy()) for start in range(0, 5000, 700)]
    merged = parts[0]
    for part in parts[1:]:
        merged = step.merge(merged, part)
    found = step.apply(frame.lazy(), step.finish(merged)).collect()
    assert_allclose(found.to_numpy(), StandardScaler().fit_transform(frame.to_numpy()), rtol=1e-9, atol=1e-9)


def test_standardize_leaves_booleans_alone_and_only_shifts_constants() -> None:
    frame = pl.DataFrame({"flag": [True, False], "same": [7, 7]})
    assert encode(Standardize(), frame).to_dict(as_series=False) == {"flag": [True, False], "same": [0.0, 0.0]}


@given(st.lists(NUMBERS, min_size=3, max_size=3))
def test_moments_merge_commutes_has_an_identity_and_associates_up_to_rounding(parts: list[list[Any]]) -> None:
    a, b, c = (_moments.summarize(numbers(part).lazy(), ["x"]) for part in parts)
    nothing = _moments.summarize(numbers([]).lazy(), ["x"])
    assert_frame_equal(_moments.merge(a, b), _moments.merge(b, a), check_exact=True)
    assert_frame_equal(_moments.merge(a, nothing), a, check_exact=True)
    left, right = _moments.merge(_moments.merge(a, b), c), _moments.merge(a, _moments.merge(b, c))
    assert_frame_equal(left, right, rel_tol=1e-9, abs_tol=1e-6)


def test_the_moments_of_no_rows_change_no_bit() -> None:
    columns = pl.DataFrame(np.random.RandomState(0).normal(1, 3, (7, 500)), schema=[f"x{n}" for n in range(500)])
    some, nothing = (_moments.summarize(frame.lazy(), frame.columns) for frame in (columns, columns.clear()))
    assert_frame_equal(_moments.merge(some, nothing), some, check_exact=True)


@given(WORDS)
def test_one_hot_gives_the_columns_of_one_hot_encoder(values: list[str]) -> None:
    frame = pl.DataFrame({"t": values})
    twin = OneHotEncoder(sparse_output=False).fit(frame.to_numpy())
    found = encode(OneHot(), frame)
    assert found.columns == [f"t={level}" for level in twin.categories_[0]]
    assert_allclose(found.to_numpy(), twin.transform(frame.to_numpy()))
    assert set(found.dtypes) == {pl.Int8()}


@given(WORDS)
def test_ordinal_gives_the_codes_of_ordinal_encoder(values: list[str]) -> None:
    frame = pl.DataFrame({"t": values})
    expected = OrdinalEncoder().fit_transform(frame.to_numpy())
    assert_allclose(encode(Ordinal(), frame).to_numpy(), expected)


def test_one_hot_puts_rare_and_unseen_levels_together_and_leaves_missing_at_zero() -> None:
    learned = pl.DataFrame({"t": ["b", "b", "a", "a", "c", None]})
    found = encode(OneHot(max_levels=2), learned, pl.DataFrame({"t": ["a", "c", "new", None]}))
    assert found.to_dict(as_series=False) == {"t=a": [1, 0, 0, 0], "t=b": [0, 0, 0, 0], "t=other": [0, 1, 1, 0]}


def test_one_hot_leaves_an_unseen_level_at_zero_where_nothing_is_rare() -> None:
    found = encode(OneHot(), pl.DataFrame({"t": ["a", "b"]}), pl.DataFrame({"t": ["new"]}))
    assert found.to_dict(as_series=False) == {"t=a": [0], "t=b": [0]}


def test_one_hot_counts_a_level_called_other_among_the_rest() -> None:
    learned = pl.DataFrame({"t": ["other", "other", "a", "a", "b"]})
    found = encode(OneHot(max_levels=2), learned)
    assert found.to_dict(as_series=False) == {"t=a": [0, 0, 1, 1, 0], "t=other": [1, 1, 0, 0, 1]}


def test_ordinal_gives_unseen_levels_minus_one_and_keeps_missing() -> None:
    found = encode(Ordinal(), pl.DataFrame({"t": ["b", "a"]}), pl.DataFrame({"t": ["b", "new", None]}))
    assert found["t"].to_list() == [1, -1, None]


def test_impute_fills_texts_and_booleans_with_the_mode() -> None:
    frame = pl.DataFrame({"t": ["b", "a", "b", None], "f": [True, True, False, None]})
    found = encode(Impute(columns="all", with_="mode"), frame)
    assert found.to_dict(as_series=False) == {"t": ["b", "a", "b", "b"], "f": [True, True, False, True]}


def test_impute_treats_nan_as_missing_and_tells_where_it_filled() -> None:
    found = encode(Impute(add_indicator=True), numbers([1.0, 3.0, float("nan"), None]))
    assert found.to_dict(as_series=False) == {"x": [1.0, 3.0, 2.0, 2.0], "x_missing": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    ("columns", "value", "filled"), [("numeric", 0.5, 0.5), ("text", "none", "none"), ("boolean", False, False)]
)
def test_impute_fills_a_constant_of_the_columns_type(columns: Any, value: Any, filled: Any) -> None:
    frame = pl.DataFrame({"n": [1, None], "t": ["a", None], "f": [True, None]})
    found = encode(Impute(columns=columns, with_=Constant(constant=value)), frame)
    assert found[1, {"numeric": "n", "text": "t", "boolean": "f"}[columns]] == filled


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"columns": ["t"], "with": "median"}, "has no median"),
        ({"columns": ["t"], "with": {"constant": 0}}, "can not fill column 't' with 0"),
        ({"columns": ["n"], "with": {"constant": "x"}}, "can not fill column 'n' with 'x'"),
        ({"columns": ["n"], "with": {"constant": True}}, "can not fill column 'n' with True"),
        ({"columns": ["f"], "with": {"constant": 1}}, "can not fill column 'f' with 1"),
    ],
)
def test_impute_says_when_its_value_does_not_fit_the_column(parameters: dict[str, Any], reason: str) -> None:
    step = Impute.model_validate(parameters)
    with pytest.raises(DataError, match=reason):
        step.summarize(pl.LazyFrame({"n": [1], "t": ["a"], "f": [True]}))


def test_select_keeps_the_best_and_lets_all_that_is_not_rated_pass() -> None:
    frame = pl.DataFrame(
        {"noise": [0, 1] * 50, "signal": [0] * 50 + [1] * 50, "t": ["a"] * 100, TARGET: ["no"] * 50 + ["yes"] * 50}
    )
    step = build("transformer", {"use": "select", "by": "mutual_information", "keep": 1})
    assert isinstance(step, Select)
    assert encode(step, frame).columns == ["signal", "t", TARGET]
    state = step.finish(step.summarize(frame.lazy()))
    assert state.rows()[0] == ("signal", pytest.approx(np.log(2)), True, "mutual information 0.6931, number 1 of 2")


def test_select_leaves_out_constants_by_their_variance() -> None:
    step = build("transformer", {"use": "select", "by": "variance", "threshold": 0})
    assert isinstance(step, Select)
    assert encode(step, pl.DataFrame({"same": [2, 2], "varies": [1, 2]})).columns == ["varies"]


def test_select_asks_for_a_bound() -> None:
    with pytest.raises(ValidationError, match="give keep"):
        Select.model_validate({"by": build("selector", "variance")})
