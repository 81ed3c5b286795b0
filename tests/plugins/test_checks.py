"""Which rows break a rule."""

# ruff: noqa: DTZ001  columns hold times without a zone

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from plugins.checks.between import Between
from plugins.checks.not_null import NotNull


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
