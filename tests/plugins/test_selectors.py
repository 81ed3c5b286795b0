"""How features are rated."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sklearn.metrics import mutual_info_score

from engine.errors import DataError
from engine.plugin import TARGET
from plugins.selectors.mutual_information import MutualInformation

ROWS = st.lists(st.tuples(st.integers(-2, 2), st.sampled_from(["x", "y"])), max_size=300)


def frame(rows: list[tuple[int, str]]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema={"n": pl.Int64, TARGET: pl.String}, orient="row")


def scores(selector: MutualInformation, rows: pl.LazyFrame) -> dict[str, float]:
    return dict(selector.score(selector.summarize(rows)).iter_rows())


@given(st.lists(ROWS, min_size=3, max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_way_of_merging_gives_the_sample_of_the_whole(parts: list[list[tuple[int, str]]]) -> None:
    selector = MutualInformation.model_construct(sample=4, bins=16)
    a, b, c = (selector.summarize(frame(part)) for part in parts)
    whole = selector.summarize(frame([row for part in parts for row in part]))
    assert_frame_equal(selector.merge(selector.merge(a, b), c), whole, check_exact=True)
    assert_frame_equal(selector.merge(selector.merge(c, a), b), whole, check_exact=True)


@given(ROWS.filter(bool))
@settings(max_examples=40, deadline=None)
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
