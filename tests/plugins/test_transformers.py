"""What each step that learns nothing does to a frame."""

# ruff: noqa: DTZ001  columns hold times without a zone

from datetime import date, datetime, timezone
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from engine.errors import DataError
from engine.plugin import Transformer
from plugins.transformers.calendar import Calendar
from plugins.transformers.cast import Cast
from plugins.transformers.deduplicate import Deduplicate
from plugins.transformers.derive import Derive
from plugins.transformers.filter import Filter
from plugins.transformers.parse_time import ParseTime
from plugins.transformers.rename import Rename


def after(step: Transformer, **columns: list[Any]) -> dict[str, list[Any]]:
    return step.apply(pl.LazyFrame(columns)).collect().to_dict(as_series=False)


def test_derive_computes_every_expression_from_the_frame_before_the_step() -> None:
    found = after(Derive.model_validate({"a": "a + 1", "b": "a * 10"}), a=[1, None])
    assert found == {"a": [2, None], "b": [10, None]}


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("a >", "is not an SQL expression"),
        ("a - avg(a)", "looks at other rows"),
        ("sum(a) AS total", "looks at other rows"),
        ("count(*)", "looks at other rows"),
        ("row_number() OVER (ORDER BY a)", "looks at other rows"),
        ("lag(a) OVER (ORDER BY a)", "looks at other rows"),
        ("quantile_cont(a, 0.5)", "looks at other rows"),
        ("now()", "the clock"),
        ("CURRENT_TIMESTAMP", "the clock"),
        ('"^a.*$"', "several columns"),
        ("(SELECT max(a) FROM read_csv('/etc/passwd'))", "subqueries"),
        ("a IN (select a from read_csv('/etc/passwd'))", "subqueries"),
        ("exists (with t as (select 1) select * from t)", "subqueries"),
    ],
)
@pytest.mark.parametrize("step", ["derive", "filter"])
def test_an_expression_that_is_no_row_expression_is_refused_before_data_is_read(
    expression: str, reason: str, step: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        Derive.model_validate({"new": expression}) if step == "derive" else Filter(where=expression)


@pytest.mark.parametrize(
    "expression",
    [
        "a IN (1, 2)",
        "CASE WHEN a > 1 THEN 'Len' ELSE 'Agg' END",
        "coalesce(a, 0) BETWEEN 0 AND 3",
        "CAST(a AS double) / 2",
        "round(sqrt(a), 1)",
        "greatest(a, 2)",
        "1",
    ],
)
def test_expressions_of_one_row_are_accepted(expression: str) -> None:
    assert len(after(Derive.model_validate({"new": expression}), a=[1, 4, None])["new"]) == 3


def test_derive_without_a_column_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing to derive"):
        Derive.model_validate({})


def test_filter_drops_rows_whose_condition_is_null() -> None:
    assert after(Filter(where="a > 1"), a=[1, 2, None]) == {"a": [2]}


@pytest.mark.parametrize(
    ("target", "values", "expected"),
    [
        ("Int64", [3.7, None], [3, None]),
        ("Int64", ["12", None], [12, None]),
        ("Boolean", ["True", "false", None], [True, False, None]),
        ("Date", ["2013-01-31", None], [date(2013, 1, 31), None]),
        ("Datetime", ["2013-01-31 10:00:00", None], [datetime(2013, 1, 31, 10), None]),
        ("String", [1, None], ["1", None]),
    ],
)
def test_cast_changes_types_and_keeps_what_is_missing(target: Any, values: list[Any], expected: list[Any]) -> None:
    assert after(Cast(columns={"a": target}), a=values) == {"a": expected}


@pytest.mark.parametrize(("target", "value"), [("Int64", "x"), ("Boolean", "yes"), ("Date", "soon"), ("Int8", 300)])
def test_cast_fails_for_a_value_that_does_not_fit_unless_it_may_become_missing(target: Any, value: Any) -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        after(Cast(columns={"a": target}), a=[value])
    assert after(Cast(columns={"a": target}, strict=False), a=[value]) == {"a": [None]}


def test_parse_time_reads_iso_8601_into_the_zone() -> None:
    found = after(ParseTime(columns=("t",), time_zone="UTC"), t=["2013-01-01T10:00:00Z", "2013-01-01T10:00:00+02:00"])
    hours = [datetime(2013, 1, 1, 10, tzinfo=timezone.utc), datetime(2013, 1, 1, 8, tzinfo=timezone.utc)]  # noqa: UP017  both are read
    assert found == {"t": hours}


def test_parse_time_reads_other_formats_and_numbers() -> None:
    assert after(ParseTime(columns=("t",), format="%d.%m.%Y"), t=["31.01.2013"]) == {"t": [datetime(2013, 1, 31)]}
    assert after(ParseTime(columns=("t",), unit="ms"), t=[1_000]) == {"t": [datetime(1970, 1, 1, 0, 0, 1)]}


def test_parse_time_with_offsets_in_the_format_gives_the_zone_asked_for() -> None:
    step = ParseTime(columns=("t",), format="%Y-%m-%d %H:%M%z", time_zone="Europe/Lisbon")
    found = step.apply(pl.LazyFrame({"t": ["2013-07-01 10:00+0000"]})).collect()
    assert found.schema == {"t": pl.Datetime("us", "Europe/Lisbon")}
    assert found["t"].dt.hour().item() == 11


@pytest.mark.parametrize("frame", [{"t": [datetime(2013, 1, 1, 10)]}, {"t": ["2013-01-01 10:00:00"]}])
def test_parse_time_gives_the_zone_to_times_that_have_none(frame: dict[str, list[Any]]) -> None:
    found = ParseTime(columns=("t",), time_zone="UTC").apply(pl.LazyFrame(frame)).collect()
    assert found["t"].to_list() == [datetime(2013, 1, 1, 10, tzinfo=timezone.utc)]  # noqa: UP017  as above


def test_parse_time_refuses_a_zone_that_does_not_exist() -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        ParseTime(columns=("t",), time_zone="Mars/Olympus")


def test_parse_time_fails_for_text_that_is_no_time() -> None:
    with pytest.raises(DataError, match=r"(?s)column 't' holds what is no time.*'soon'"):
        after(ParseTime(columns=("t",)), t=["2013-01-01", "soon"])


def test_calendar_gives_the_parts_of_the_clock_in_the_columns_zone() -> None:
    parts = ("year", "quarter", "month", "week", "day", "day_of_year", "weekday", "hour", "minute", "is_weekend")
    found = after(Calendar(column="t", parts=parts), t=[datetime(2013, 6, 2, 23, 59)])
    assert [found[f"t_{part}"][0] for part in parts] == [2013, 2, 6, 22, 2, 153, 7, 23, 59, True]


def test_calendar_calls_saturday_and_sunday_the_weekend() -> None:
    days = [date(2013, 5, 31), date(2013, 6, 1), date(2013, 6, 2), date(2013, 6, 3)]
    found = after(Calendar(column="t", parts=("is_weekend", "hour")), t=days)
    assert found == {"t": days, "t_is_weekend": [False, True, True, False], "t_hour": [0, 0, 0, 0]}


def test_calendar_of_text_says_how_to_make_it_a_time() -> None:
    with pytest.raises(DataError, match="parse_time"):
        after(Calendar(column="t", parts=("hour",)), t=["10:00"])


def test_deduplicate_keeps_the_first_or_last_in_order_and_missing_equals_missing() -> None:
    rows: dict[str, list[Any]] = {"k": ["b", None, "a", "b", None], "v": [1, 2, 3, 4, 5]}
    assert after(Deduplicate(columns=("k",)), **rows) == {"k": ["b", None, "a"], "v": [1, 2, 3]}
    assert after(Deduplicate(columns=("k",), keep="last"), **rows) == {"k": ["a", "b", None], "v": [3, 4, 5]}


def test_rename_swaps_names_and_refuses_a_name_that_is_taken() -> None:
    assert after(Rename(columns={"a": "b", "b": "a"}), a=[1], b=[2]) == {"b": [1], "a": [2]}
    with pytest.raises(DataError, match="a column 'b' already"):
        after(Rename(columns={"a": "b"}), a=[1], b=[2])
    with pytest.raises(ValidationError, match="can not both be called 'c'"):
        Rename(columns={"a": "c", "b": "c"})
