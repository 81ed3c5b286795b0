"""Which rows break a rule."""

# ruff: noqa: DTZ001  columns hold times without a zone

from datetime import UTC, date, datetime, timedelta, timezone
from functools import reduce
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.errors import ConfigError, DataError
from engine.plugin import Check, DatasetCheck
from engine.registry import build
from plugins.checks.between import Between
from plugins.checks.expression import Expression
from plugins.checks.foreign_key import ForeignKey
from plugins.checks.freshness import Freshness
from plugins.checks.in_set import InSet
from plugins.checks.matches import Matches
from plugins.checks.monotonic import Monotonic
from plugins.checks.not_null import NotNull
from plugins.checks.unique import Unique


def broken(check: Check, **columns: Any) -> list[bool]:
    """Return, for each row of a frame, whether it breaks a rule."""
    return pl.DataFrame(columns).select(check.violations().alias("x"))["x"].to_list()


@pytest.mark.parametrize(
    ("bounds", "values", "broken"),
    [
        ({"min": 1, "max": 3}, [0, 1, 3, 4, None], [True, False, False, True, False]),
        ({"min": 1}, [0, 9], [True, False]),
        ({"max": 1.5}, [1.5, 1.6], [False, True]),
        ({"min": "2013-01-02"}, [date(2013, 1, 1), date(2013, 1, 2)], [True, False]),
        ({"max": "2013-01-02T10:00:00"}, [datetime(2013, 1, 2, 10), datetime(2013, 1, 2, 11)], [False, True]),
    ],
)
def test_between_includes_its_bounds_and_lets_missing_pass(
    bounds: dict[str, Any], values: list[Any], broken: list[bool]
) -> None:
    check = Between.model_validate({"column": "x", **bounds})
    assert pl.DataFrame({"x": values}).select(check.violations().alias("x"))["x"].to_list() == broken


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [({}, "give min, max"), ({"min": 2, "max": 1}, "larger"), ({"min": 1, "max": "2013-01-01"}, "compared")],
)
def test_between_refuses_bounds_that_make_no_sense(bounds: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Between.model_validate({"column": "x", **bounds})


def test_not_null_finds_rows_that_lack_any_of_the_values() -> None:
    frame = pl.DataFrame({"a": [1, None, 1], "b": ["x", "y", None]})
    assert frame.select(NotNull(columns=("a", "b")).violations().alias("x"))["x"].to_list() == [False, True, True]


def test_rules_are_said_in_words() -> None:
    assert Between(column="distance", min=1, max=6000).describe() == "distance is between 1 and 6000"
    assert Between(column="age", min=0).describe() == "age is at least 0"
    assert NotNull(columns=("a", "b", "c")).describe() == "a, b and c are not missing"
    assert InSet(column="sex", values=("f", "m"), missing=False).describe() == "sex is one of f, m, and not missing"
    assert InSet(column="x", values=tuple(range(30))).describe().endswith("10, 11, …")
    assert Unique(columns=("a", "b")).describe() == "a and b are unique together"
    assert Monotonic(column="t", by=("k",)).describe() == "t does not decrease within k"
    assert Monotonic(column="t", strict=True, descending=True).describe() == "t decreases"


@pytest.mark.parametrize(
    ("values", "column", "wrong"),
    [
        (["a", "b"], pl.Series(["a", "A", None]), [False, True, False]),
        (["a"], pl.Series(["a", "b", None], dtype=pl.Categorical), [False, True, False]),
        ([1, 2], pl.Series([1.0, 1.5, float("nan"), None]), [False, True, True, False]),
        ([1.0, 2.5], pl.Series([1, 2, None]), [False, True, False]),
        ([300, -1], pl.Series([1, 255], dtype=pl.UInt8), [True, True]),
        ([True], pl.Series([True, False, None]), [False, True, False]),
        (["a"], pl.Series([None, None]), [False, False]),
    ],
)
def test_in_set_compares_text_as_it_is_and_numbers_by_their_value(
    values: list[Any], column: pl.Series, wrong: list[bool]
) -> None:
    assert broken(InSet.model_validate({"column": "x", "values": values}), x=column) == wrong


def test_in_set_lets_missing_values_pass_unless_it_is_told_not_to() -> None:
    assert broken(InSet(column="x", values=("a",), missing=False), x=["a", None]) == [False, True]


def test_in_set_keeps_true_and_one_apart_and_refuses_values_of_several_kinds() -> None:
    assert InSet.model_validate({"column": "x", "values": [True, False]}).values == (True, False)
    for values in ([1, True], ["1", 1], []):
        with pytest.raises(ValidationError):
            InSet.model_validate({"column": "x", "values": values})


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        ("[a-z]+", [False, True, True, True, False]),
        ("(?i)ab|abc", [False, True, False, True, False]),
        (".", [True] * 4 + [False]),
    ],
)
def test_matches_is_about_the_whole_value(pattern: str, wrong: list[bool]) -> None:
    assert broken(Matches(column="x", pattern=pattern), x=["ab", "ab\n", "AB", "ab1", None]) == wrong


def test_matches_takes_a_number_for_its_digits_and_a_column_without_values_for_missing() -> None:
    assert broken(Matches(column="x", pattern="[0-9]{2}"), x=[10, 123, None]) == [False, True, False]
    assert broken(Matches(column="x", pattern="a"), x=[None]) == [False]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("ab(c", "unclosed group, at character 3"),
        ("a)|(b", "unopened group, at character 2"),
        ("(?=a)b", "look-around"),
        ("(?x)a # b", "ends in a comment"),
        (r"\d{1,99999}", "size limit"),
    ],
)
def test_a_pattern_that_polars_can_not_compile_is_refused_with_its_key_and_the_character(pattern: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        build("check", {"use": "matches", "column": "x", "pattern": pattern}, ("datasets", "shapes", "expect", 1))
    assert caught.value.where == "datasets.shapes.expect[1].pattern"


def test_an_expression_is_broken_where_it_is_false_and_not_where_it_is_null() -> None:
    check = Expression(where="a < b and c <> 'x'")
    assert broken(check, a=[1, 2, None, 1], b=[2, 1, 1, 2], c=["y", "y", "y", "x"]) == [False, True, False, True]
    assert check.needs() == ("a", "b", "c")


@pytest.mark.parametrize("where", ["sum(a) > 1", "a > (SELECT 1)", "a > now()", "a >", "1 = 1", "lag(a) over (order by a) > 1"])
def test_an_expression_that_sees_more_than_its_row_is_refused(where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build("check", {"use": "expression", "where": where}, ("datasets", "shapes", "expect", 0))
    assert caught.value.where == "datasets.shapes.expect[0].where"


def test_every_row_after_the_first_of_equal_keys_breaks_unique_and_missing_keys_do_not() -> None:
    assert broken(Unique(columns=("x",)), x=[1, 1, None, None, 2, 1]) == [False, True, False, False, False, True]
    assert broken(Unique(columns=("x", "y")), x=[1, 1, 1, None], y=["a", "b", "a", "a"]) == [False, False, True, False]
    assert broken(Unique(columns=("x",)), x=[float("nan"), float("nan"), 0.0, -0.0]) == [False, True, False, True]


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({}, [False, False, False, False, True, True, False]),
        ({"strict": True}, [False, True, False, False, True, True, False]),
        ({"descending": True}, [False, False, False, True, False, True, True]),
        ({"by": ("k",)}, [False, False, False, False, False, True, False]),
    ],
)
def test_a_row_breaks_monotonic_when_it_is_behind_the_furthest_before_it(parameters: dict[str, Any], wrong: list[bool]) -> None:
    check = Monotonic(column="x", **parameters)
    assert broken(check, x=[2, 2, None, 5, 1, 3, 6], k=["a", "a", "a", "a", "b", "a", None]) == wrong


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([date(2013, 1, 1), date(2013, 1, 3), date(2013, 1, 2)]),
        pl.Series(["a", "c", "b"]),
        pl.Series(["a", "c", "b"], dtype=pl.Enum(["a", "b", "c"])),
        pl.Series([1.0, float("nan"), 2.0]),
        pl.Series([-(2**63), 2**63 - 1, 2**63 - 2]),
    ],
)
def test_monotonic_is_about_whatever_has_an_order(column: pl.Series) -> None:
    assert broken(Monotonic(column="x"), x=column) == [False, False, True]


def test_the_rows_that_keep_monotonic_are_in_order() -> None:
    frame = pl.DataFrame({"x": [3, 9, 4, 8, 9, 1, 10, None, 9, 11], "k": [1, 2, 1, 2, 1, 2, 1, 1, 2, 2]})
    kept = frame.filter(~Monotonic(column="x", by=("k",)).violations()).drop_nulls()
    assert all(group["x"].is_sorted() for _, group in kept.group_by("k"))


NOW = datetime(2013, 1, 3, tzinfo=UTC)


def judged(check: Check | DatasetCheck, *pieces: pl.DataFrame, other: pl.DataFrame | None = None) -> str | None:
    """Return what is wrong with a dataset of these partitions, looked at on the third of January."""
    rule = check.over_dataset()
    assert rule is not None
    summary = reduce(rule.merge, (rule.summarize(piece.lazy()) for piece in pieces))
    broken = rule.judge(summary, None if other is None else rule.summarize(other.lazy()), NOW)
    return None if broken is None else broken.found


@given(st.lists(st.integers(0, 9) | st.none(), max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_unique_in_a_dataset_finds_as_many_rows_however_they_are_partitioned(values: list[int | None], cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), 12]
    pieces = [pl.DataFrame({"x": values[a:b]}, schema={"x": pl.Int64}) for a, b in pairwise(bounds)]
    there = [value for value in values if value is not None]
    again = len(there) - len(set(there))
    found = judged(Unique(columns=("x",), scope="dataset"), *pieces)
    assert (found is None) == (again == 0)
    if found is not None:
        assert found.startswith(f"{again} row")


@given(st.lists(st.integers(0, 9) | st.none(), max_size=12), st.sets(st.integers(0, 9)), st.integers(0, 12))
def test_a_foreign_key_finds_the_rows_without_one_however_they_are_partitioned(
    values: list[int | None], known: set[int], cut: int
) -> None:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Int64})
    other = pl.DataFrame({"x": sorted(known)}, schema={"x": pl.Int16})
    without = sum(value is not None and value not in known for value in values)
    found = judged(ForeignKey(columns=("x",), dataset="others"), frame[:cut], frame[cut:], other=other)
    assert (found is None) == (without == 0)
    if found is not None:
        assert found.startswith(f"{without} row")


@pytest.mark.parametrize(
    ("newest", "fresh"),
    [
        (date(2013, 1, 2), True),
        (date(2013, 1, 1), False),
        (datetime(2013, 1, 2), True),
        (datetime(2013, 1, 1, 23, 59, 59), False),
        (datetime(2013, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))), True),
        (datetime(2013, 1, 2, 0, 59, tzinfo=timezone(timedelta(hours=1))), False),
        (datetime(2014, 1, 1), True),
    ],
)
def test_a_time_is_fresh_up_to_the_age_that_is_allowed(newest: date, fresh: bool) -> None:
    old = newest - timedelta(days=30)
    pieces = [pl.DataFrame({"t": [newest, None]}), pl.DataFrame({"t": [old]})]
    assert (judged(Freshness(column="t", max_age="1d"), *pieces) is None) == fresh


def test_a_dataset_without_any_time_is_not_fresh() -> None:
    assert judged(Freshness(column="t", max_age="1w2d3h4m5s"), pl.DataFrame({"t": [None]}, schema={"t": pl.Date})) == (
        "t has no value"
    )


def test_keys_of_types_that_can_not_be_compared_are_refused() -> None:
    with pytest.raises(DataError, match=r"x and others\.y can not be compared"):
        judged(
            ForeignKey(columns=("x",), dataset="others", references=("y",)),
            pl.DataFrame({"x": [1.5]}),
            other=pl.DataFrame({"x": ["1.5"]}),
        )
