from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing.parametric import dtypes

from engine.schemas import changes, columns_of, from_json, schema_of, to_json, union, wider


@given(dtypes(excluded_dtypes=[pl.Categorical, pl.Extension]))
def test_every_type_is_read_back_as_it_was_written(dtype):
    assert from_json(to_json(dtype)) == dtype


NESTED = pl.Struct({"a": pl.List(pl.Int64), "b": pl.Datetime("us", "UTC")})


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        (pl.Int64(), pl.Int64(), pl.Int64()),
        (pl.Int64(), pl.Float64(), pl.Float64()),
        (pl.Int8(), pl.UInt8(), pl.Int64()),
        (pl.Float32(), pl.Int64(), pl.Float64()),
        (pl.Null(), NESTED, NESTED),
        (pl.List(pl.Int64), pl.List(pl.Float64), pl.List(pl.Float64)),
        (pl.Struct({"a": pl.Int64}), pl.Struct({"b": pl.String}), pl.Struct({"a": pl.Int64, "b": pl.String})),
        (pl.Int64(), pl.String(), None),
        (pl.Datetime("us"), pl.Datetime("us", "UTC"), None),
        (pl.UInt64(), pl.Int64(), None),
        (pl.Struct({"a": pl.Int64}), pl.Struct({"a": pl.String}), None),
    ],
)
def test_a_type_widens_to_one_that_means_the_same(a, b, found):
    assert wider(a, b) == found
    assert (wider(b, a) is None) == (found is None)


def columns(**types):
    return columns_of(pl.Schema(types))


HELD = columns(id=pl.Int64, width=pl.Int64, colour=pl.String)


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (HELD, []),
        (columns(colour=pl.String, id=pl.Int64, width=pl.Float64), []),
        (columns(id=pl.Null, width=pl.Int64, colour=pl.Null), []),
        (columns(id=pl.Int64, width=pl.Int64, colour=pl.String, more=pl.Int64), [("new", "more")]),
        (columns(id=pl.Int64, colour=pl.String), [("missing", "width")]),
        (columns(id=pl.Int64, width=pl.Int64, Colour=pl.String), [("renamed", "Colour")]),
        (columns(id=pl.Int64, width=pl.Int64, Colour=pl.Int64), [("missing", "colour"), ("new", "Colour")]),
        (columns(id=pl.Int64, width=pl.String, colour=pl.String), [("retyped", "width")]),
    ],
)
def test_what_is_different_is_named(found, kinds):
    assert [(change.kind, change.column) for change in changes(HELD, found)] == kinds


def test_a_change_is_said_in_words():
    found = columns(id=pl.Int64, width=pl.String, color=pl.String)
    assert [change.message for change in changes(HELD, found)] == [
        "the column 'colour' seems to be called 'color' now",
        "the column 'width' is String, and was Int64",
    ]


def test_a_union_has_every_column_in_a_type_that_holds_all_its_values():
    found = union([HELD, columns(width=pl.Float64, colour=pl.Int64, more=pl.Null), columns(more=pl.Date)])
    assert schema_of(found) == pl.Schema({"id": pl.Int64, "width": pl.Float64, "colour": pl.String, "more": pl.Date})


NUMBERS = st.sampled_from([pl.Null(), pl.Int32(), pl.Int64(), pl.Float32(), pl.Float64()])


@given(NUMBERS, NUMBERS, NUMBERS)
def test_the_order_in_which_numbers_are_widened_makes_no_difference(a, b, c):
    assert wider(wider(a, b), c) == wider(a, wider(b, c))
