"""The distribution of a column: exact while small, within 0.1 % beyond, whatever the order of merging."""

from functools import partial, reduce

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from plugins.transformers import _quantiles

SMALL = st.lists(st.integers(-9, 9).map(float) | st.just(-0.0), max_size=12)
NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none() | st.sampled_from([0.0, -0.0, 1.0]), max_size=30)


def same(a: pl.DataFrame, b: pl.DataFrame) -> None:
    """Compare bytes: frames that differ in the sign of a zero are equal to Polars."""
    assert_frame_equal(a, b)
    assert a.rechunk().write_ipc(None).getvalue() == b.rechunk().write_ipc(None).getvalue()


def summary(values: list[float | None], limit: int) -> pl.DataFrame:
    frame = pl.LazyFrame({"x": values}, schema={"x": pl.Float64})
    return _quantiles.summarize(frame, ["x"], limit=limit)


@given(
    parts=st.lists(NUMBERS, min_size=3, max_size=3) | st.lists(SMALL, min_size=3, max_size=3),
    limit=st.sampled_from([0, 5, 40, 1000]),
)
def test_any_way_of_merging_gives_the_bytes_of_the_whole(parts: list[list[float | None]], limit: int) -> None:
    a, b, c = (summary(part, limit) for part in parts)
    merge = partial(_quantiles.merge, limit=limit)
    whole = summary([value for part in parts for value in part], limit)
    same(merge(merge(a, b), c), whole)
    same(merge(a, merge(c, b)), whole)
    same(merge(a, summary([], limit)), a)


@given(values=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=50), q=st.floats(0, 1))
def test_few_values_give_the_quantile_of_numpy(values: list[float], q: float) -> None:
    found = _quantiles.quantile(summary([*values], 1000), q)["quantile"].item()
    assert found == pytest.approx(float(np.quantile(values, q)), rel=1e-12, abs=1e-14 * max(map(abs, values)))


QS = [0.0, 0.01, 0.25, 0.5, 0.9, 1.0]


def many(values: np.ndarray, limit: int) -> pl.DataFrame:
    """Return the summary of values in seven parts, which has to round them."""
    parts = [_quantiles.summarize(pl.LazyFrame({"x": part}), ["x"], limit=limit) for part in np.array_split(values, 7)]
    merged = reduce(partial(_quantiles.merge, limit=limit), parts)
    assert merged["bits"].drop_nulls().max() < 64
    assert len(merged) <= limit + 1
    return merged


@pytest.mark.parametrize("shape", ["lognormal", "normal", "huge", "tiny"])
def test_many_values_give_each_quantile_within_a_thousandth(shape: str) -> None:
    drawn = np.random.RandomState(0).lognormal(0, 3, 100_001)
    values = {"lognormal": drawn, "normal": np.log(drawn), "huge": drawn * 1e290, "tiny": -drawn * 1e-290}[shape]
    found = _quantiles.quantiles(many(values, _quantiles.LIMIT), QS)["quantiles"].item().to_numpy()
    np.testing.assert_allclose(found, np.quantile(values, QS), rtol=1e-3)


@pytest.mark.parametrize("middle", [1_000.0, -1.6e9, 0.0, 1024.0])
def test_many_values_that_lie_close_together_are_told_apart(middle: float) -> None:
    values = middle + np.random.RandomState(0).uniform(-1, 1, 20_000)
    found = _quantiles.quantiles(many(values, 1000), QS)["quantiles"].item().to_numpy()
    np.testing.assert_allclose(found, np.quantile(values, QS), rtol=0, atol=2 / 500)


def test_zero_stays_zero_among_many_values() -> None:
    values = np.concatenate([np.zeros(100), np.random.RandomState(0).uniform(1, 2, 1000)])
    assert _quantiles.quantile(many(values, 500), 0.05)["quantile"].item() == 0


def test_a_part_of_few_values_is_rounded_when_it_joins_one_of_many() -> None:
    crowd, few = summary([float(n) for n in range(10)], 5), summary([1.0, 2.0], 5)
    same(_quantiles.merge(crowd, few, limit=5), summary([*map(float, range(10)), 1.0, 2.0], 5))


def test_a_column_without_values_has_no_quantile() -> None:
    assert _quantiles.quantile(summary([None, float("nan")], 10), 0.5)["quantile"].to_list() == [None]


def test_a_column_of_few_values_stays_exact_beside_one_of_many() -> None:
    frame = pl.LazyFrame({"many": range(1, 101), "few": [1.5] * 100})
    found = _quantiles.summarize(frame, ["many", "few"], limit=50)
    assert found.filter(pl.col("bits") == 64)["column"].unique().to_list() == ["few"]
