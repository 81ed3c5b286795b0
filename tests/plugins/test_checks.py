"""Which rows break a rule."""

# ruff: noqa: DTZ001  columns hold times without a zone

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from engine.errors import ConfigError
from engine.plugin import Check
from engine.registry import build
from plugins.checks.between import Between
from plugins.checks.expression import Expression
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
