"""Rows of any types come to those of a schema, and what does not fit is told by column and row."""

# ruff: noqa: DTZ001  columns hold times without a zone

from __future__ import annotations

from datetime import UTC, date, datetime, time

import polars as pl
import pytest

from engine.casting import as_schema
from engine.errors import DataError

UTC_TIME = pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        (["7", " 8 ", "", None], pl.Int64(), [7, 8, None, None]),
        ([7.0, None], pl.Int64(), [7, None]),
        ([7, None], pl.Float64(), [7.0, None]),
        (["1e3", "-0.5"], pl.Float64(), [1000.0, -0.5]),
        (["true", "False", "1"], pl.Boolean(), [True, False, True]),
        ([7, None], pl.String(), ["7", None]),
        (["2013-01-02"], pl.Date(), [date(2013, 1, 2)]),
        (["05:06:07"], pl.Time(), [time(5, 6, 7)]),
        (["2013-01-02T05:00:00.5", "2013-01-02 05:00Z", "2013-01-02"], pl.Datetime("us"),
         [datetime(2013, 1, 2, 5, 0, 0, 500_000), datetime(2013, 1, 2, 5), datetime(2013, 1, 2)]),
        (["2013-01-02T05:00:00Z", "2013-01-02T05:00:00+02:00", "2013-01-02 05:00:00"], UTC_TIME,
         [datetime(2013, 1, 2, hour, tzinfo=UTC) for hour in (5, 3, 5)]),
        ([datetime(2013, 1, 2, 5)], UTC_TIME, [datetime(2013, 1, 2, 5, tzinfo=UTC)]),
        ([None], pl.List(pl.Int64), [None]),
    ],
)  # fmt: skip
def test_values_come_to_the_type_of_a_column(given, dtype, expected):
    found = as_schema(pl.DataFrame({"a": given}), pl.Schema({"a": dtype, "b": pl.Date()}))
    assert found.schema == {"a": dtype, "b": pl.Date()}
    assert found.to_dict(as_series=False) == {"a": expected, "b": [None] * len(given)}


@pytest.mark.parametrize(
    ("given", "dtype", "rows"),
    [
        (["1", "x", "2.5"], pl.Int64(), "row 2, 3"),
        ([1.0, 1.5], pl.Int64(), "row 2"),
        ([1, 300], pl.Int8(), "row 2"),
        (["2013-13-01", "2013-12-01"], pl.Date(), "row 1"),
        (["today"], UTC_TIME, "row 1"),
        (["maybe"], pl.Boolean(), "row 1"),
        (["x"] * 9, pl.Float64(), "row 1, 2, 3, 4, 5 and 4 more"),
        (["[1]"], pl.List(pl.Int64), "row 1"),
    ],
)
def test_values_that_do_not_fit_are_told_by_column_and_row(given, dtype, rows):
    with pytest.raises(DataError, match="the column 'a' has values of another type") as caught:
        as_schema(pl.DataFrame({"a": given}), pl.Schema({"a": dtype}))
    assert (caught.value.where, caught.value.expected) == (rows, str(dtype))
