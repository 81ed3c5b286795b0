"""How columns become documents and come back, and the digest of what a frame says: no server is needed for either."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from engine.stores.mongo_columns import OWN, column, content_digest, field

pytest.importorskip("pyarrow", reason="no PyArrow: pip install 'levada[mongo]'")

KINDS = [  # not Int128: Polars can not always build the columns that its own strategy thinks of
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64),
    *(pl.String, pl.Binary, pl.Boolean, pl.Date, pl.Time, pl.Datetime, pl.Duration, pl.Decimal(38, 3), pl.Categorical, pl.Null),
    *(pl.Enum(["a", "b"]), pl.List, pl.Array, pl.Struct),
]
FRAMES = dataframes(max_cols=4, max_size=8, allowed_dtypes=KINDS, allow_null=True)
NAMES = st.text(max_size=6) | st.sampled_from([*OWN, "", "$a", "a.b", "%", "%2E", "\0", ".", "$", "é.ü"])


@given(NAMES)
def test_a_field_is_named_as_mongodb_likes_it_and_leads_back_to_its_column(name):
    assert column(field(name)) == name
    assert field(name)
    assert field(name) not in OWN
    assert not field(name).startswith("$")
    assert not set(".\0") & set(field(name))


@given(NAMES, NAMES)
def test_two_columns_are_two_fields(one, other):
    assert (field(one) == field(other)) == (one == other)


def digest_of(frame, cuts=()):
    ends = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    return content_digest(frame.schema, [frame[start:end] for start, end in pairwise(ends)])


@given(FRAMES, st.lists(st.integers(0, 8), max_size=3), st.integers(0, 8))
def test_the_digest_of_rows_does_not_depend_on_the_pieces_that_they_come_in(frame, cuts, cut):
    chunked = pl.concat([frame[:cut], frame[cut:]], rechunk=False)
    assert digest_of(frame) == digest_of(frame, cuts) == digest_of(chunked, cuts)


@given(FRAMES, FRAMES)
def test_frames_that_differ_have_digests_that_differ(one, other):
    assert digest_of(one) != digest_of(other) or (one.schema == other.schema and one.equals(other))


@given(FRAMES, st.data())
def test_a_value_that_is_another_one_shows(frame, data):
    assume(frame.height and frame.width)
    name = data.draw(st.sampled_from(frame.columns))
    row = data.draw(st.integers(0, frame.height - 1))
    other = frame.with_columns(pl.when(pl.int_range(pl.len()) != row).then(pl.col(name)).alias(name))
    assert (digest_of(other) == digest_of(frame)) == frame[name].is_null()[row]


VALUES = {"n": [1, 2, None], "s": ["a", "bc", ""], "l": [["a", "b"], [], None], "t": [{"x": 1}, {"x": None}, None]}


@pytest.mark.parametrize(
    "other",
    [
        {**VALUES, "s": ["ab", "c", ""]},
        {**VALUES, "s": ["a", "bc", None]},
        {**VALUES, "n": [1, 2, 0]},
        {**VALUES, "l": [["a"], ["b"], None]},
        {**VALUES, "l": [["ab"], [], None]},
        {**VALUES, "l": [["a", "b"], None, None]},
        {**VALUES, "l": [["a", "b"], [], [None]]},
        {**VALUES, "t": [{"x": 1}, None, None]},
        {**VALUES, "t": [{"x": 1}, {"x": None}, {"x": None}]},
        {"s": VALUES["s"], **VALUES},
        {name if name != "n" else "m": values for name, values in VALUES.items()},
    ],
)
def test_what_only_looks_alike_differs(other):
    assert digest_of(pl.DataFrame(other)) != digest_of(pl.DataFrame(VALUES))


def test_types_count_and_so_does_a_zone():
    frame = pl.DataFrame({"n": [1, 2]})
    kinds = [pl.Int64, pl.Int32, pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Datetime("ms"), pl.Duration("us"), pl.Float64]
    assert len({digest_of(frame.cast(kind)) for kind in kinds}) == len(kinds)


def test_zero_has_a_sign_and_all_that_is_no_number_is_one():
    odd = pl.DataFrame({"x": np.array([0x7FF8_0000_0000_0001], np.uint64).view(np.float64)})
    plain = pl.DataFrame({"x": [float("nan")]})
    assert digest_of(odd) == digest_of(plain)
    assert digest_of(pl.DataFrame({"x": [0.0]})) != digest_of(pl.DataFrame({"x": [-0.0]}))


def test_what_lies_under_a_null_does_not_count():
    hidden = pl.DataFrame({"n": [1, 7], "s": ["a", "hidden"]}).select(pl.when(pl.col("n") != 7).then(pl.all()))
    plain = pl.DataFrame({"n": [1, None], "s": ["a", None]})
    assert digest_of(hidden) == digest_of(plain)


def test_the_digest_of_rows_is_the_same_for_ever():
    frame = pl.DataFrame(
        {
            "n": [1, None],
            "s": ["é", None],
            "x": [0.5, None],
            "d": [date(2013, 1, 1), None],
            "t": [time(1, 2, 3), None],
            "at": [datetime(2013, 1, 1, tzinfo=UTC), None],
            "for": [timedelta(1), None],
            "price": [Decimal("1.50"), None],
            "list": [["a", None], None],
            "both": [{"a": 1, "b": [True]}, None],
        }
    )
    assert digest_of(frame) == "6fab89d5abf9d0c44d601148f499d51a"
