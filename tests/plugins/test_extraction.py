"""Steps that make features of a row: lengths, hashes, ratios, distances, places on a circle, values within JSON."""

# ruff: noqa: DTZ001  columns hold times without a zone

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.metrics.pairwise import haversine_distances

from engine.errors import ConfigError, DataError
from engine.plugin import Transformer
from engine.registry import build

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.lists(st.none() | st.floats(), max_size=12)
TEXTS = st.lists(st.none() | st.text(max_size=20) | st.sampled_from(["late late Late", "à b cc", "x" * 5000]), max_size=12)


def made(node: dict[str, Any]) -> Transformer:
    step = build("transformer", node)
    assert isinstance(step, Transformer)
    return step


def run(node: dict[str, Any], frame: pl.DataFrame) -> pl.DataFrame:
    return made(node).apply(frame.lazy()).collect()


PIECEWISE = [
    ({"use": "text_length"}, pl.String, TEXTS),
    ({"use": "hash_tokens", "column": "x", "features": 3}, pl.String, TEXTS),
    (
        {"use": "difference", "column": "x", "minus": "y", "into": "z"},
        pl.Float64,
        st.lists(st.none() | st.floats(), max_size=12),
    ),
    ({"use": "ratio", "over": "x", "under": "y", "into": "z"}, pl.Float64, st.lists(st.none() | st.floats(), max_size=12)),
    ({"use": "json_path", "column": "x", "path": "$.a[0]", "into": "z", "strict": False}, pl.String, TEXTS),
]


@pytest.mark.parametrize(
    ("node", "dtype", "strategy"), PIECEWISE, ids=lambda part: part.get("use", "") if isinstance(part, dict) else ""
)
@given(data=st.data())
def test_pieces_of_a_table_become_the_pieces_of_the_result(node: Any, dtype: Any, strategy: Any, data: st.DataObject) -> None:
    values = data.draw(strategy)
    frame = pl.DataFrame({"x": values, "y": values[::-1]}, schema={"x": dtype, "y": dtype})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frame)), max_size=3)))
    pieces = [frame[start:end] for start, end in pairwise([0, *cuts, len(frame)])]
    assert_frame_equal(pl.concat(run(node, piece) for piece in pieces), run(node, frame), check_exact=True)


# --- calendar -----------------------------------------------------------------------------------------------------


def test_calendar_puts_parts_on_a_circle() -> None:
    frame = pl.DataFrame({"t": [datetime(2013, 1, 1, 6), datetime(2013, 7, 1, 18), None]})
    found = run({"use": "calendar", "column": "t", "parts": ["year", "month", "hour"], "cyclic": True}, frame)
    assert found.columns == ["t", "t_year", "t_month_sin", "t_month_cos", "t_hour_sin", "t_hour_cos"]
    assert_allclose(found["t_month_cos"].to_list()[:2], [1, -1])
    assert_allclose(found["t_hour_sin"].to_list()[:2], [1, -1])
    assert found.row(2) == (None,) * 6


@pytest.mark.parametrize("year", [2012, 2013])
def test_calendar_makes_the_last_day_of_a_year_as_near_to_the_next_as_any_two_days(year: int) -> None:
    days = pl.date_range(date(year, 1, 1), date(year + 1, 1, 1), eager=True)
    found = run({"use": "calendar", "column": "d", "parts": ["day_of_year"], "cyclic": True}, pl.DataFrame({"d": days}))
    steps = np.hypot(*(np.diff(found[f"d_day_of_year_{side}"].to_numpy()) for side in ("sin", "cos")))
    assert_allclose(steps, steps[0], rtol=1e-9)


# --- text_length, hash_tokens -------------------------------------------------------------------------------------


def test_text_length_counts_code_points_and_words() -> None:
    frame = pl.DataFrame({"x": ["two  words\n", "", " ", "é\u0301😀", None], "n": [1] * 5})
    found = run({"use": "text_length"}, frame)
    assert found["x_characters"].to_list() == [11, 0, 1, 3, None]
    assert found["x_words"].to_list() == [2, 0, 0, 1, None]
    assert found.columns == ["x", "n", "x_characters", "x_words"]
    with pytest.raises(DataError, match="column 'n' is no text"):
        run({"use": "text_length", "columns": ["n"]}, frame)


@given(
    texts=TEXTS.filter(bool),
    n=st.integers(1, 9),
    norm=st.sampled_from(["l1", "l2", None]),
    case=st.booleans(),
    sign=st.booleans(),
)
def test_hash_tokens_gives_what_hashing_vectorizer_gives(
    texts: list[str | None], n: int, norm: str | None, case: bool, sign: bool
) -> None:
    node = {"use": "hash_tokens", "column": "x", "features": n, "norm": norm, "lowercase": case, "alternate_sign": sign}
    found = run(node, pl.DataFrame({"x": texts}, schema={"x": pl.String})).drop("x")
    twin = HashingVectorizer(n_features=n, norm=norm, lowercase=case, alternate_sign=sign)
    assert found.columns == [f"x_hash_{number}" for number in range(n)]
    assert (found.to_numpy() == twin.transform([text or "" for text in texts]).toarray()).all()


def test_hash_tokens_are_the_same_on_every_machine() -> None:
    found = run({"use": "hash_tokens", "column": "x", "features": 8}, pl.DataFrame({"x": ["a bb cc Bb bb", None]}))
    assert found.drop("x").rows() == [(0, 0, 0, 0, 0, 0, -1, 3), (0,) * 8]


def test_hash_tokens_refuses_numbers_and_names_that_are_taken() -> None:
    with pytest.raises(DataError, match="column 'x' is no text"):
        run({"use": "hash_tokens", "column": "x"}, pl.DataFrame({"x": [1]}))
    with pytest.raises(DataError, match="a column 'x_hash_0' already"):
        run({"use": "hash_tokens", "column": "x"}, pl.DataFrame({"x": ["a"], "x_hash_0": [1]}))


# --- ratio, difference --------------------------------------------------------------------------------------------


def test_ratio_by_zero_is_missing() -> None:
    frame = pl.DataFrame({"a": [1, 1, 0, None, -3], "b": [2.0, 0.0, -0.0, 1.0, 2.0]})
    assert run({"use": "ratio", "over": "a", "under": "b", "into": "r"}, frame)["r"].to_list() == [0.5, None, None, None, -1.5]
    with pytest.raises(DataError, match="parse_number"):
        run({"use": "ratio", "over": "a", "under": "t", "into": "r"}, pl.DataFrame({"a": [1], "t": ["1"]}))


@given(st.lists(st.tuples(INT64, INT64), min_size=1, max_size=5))
def test_a_difference_of_whole_numbers_is_exact_or_an_error(pairs: list[tuple[int, int]]) -> None:
    frame = pl.DataFrame(pairs, schema={"a": pl.Int64, "b": pl.Int64}, orient="row")
    node, expected = {"use": "difference", "column": "a", "minus": "b", "into": "d"}, [a - b for a, b in pairs]
    if all(-(2**63) <= value < 2**63 for value in expected):
        assert run(node, frame)["d"].to_list() == expected
    else:
        with pytest.raises(DataError, match="'a' minus 'b' is more than Int64 holds"):
            run(node, frame)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pl.Series([0, 255, None], dtype=pl.UInt8), pl.Series([1, 0, 0], dtype=pl.UInt8), [-1, 255, None]),
        (pl.Series([0], dtype=pl.UInt64), pl.Series([2**63], dtype=pl.UInt64), [-(2**63)]),
        (pl.Series([1]), pl.Series([0.5]), [0.5]),
        (pl.Series([1], dtype=pl.Int8), pl.Series([None], dtype=pl.Null), [None]),
        (pl.Series([date(2013, 1, 2)]), pl.Series([datetime(2013, 1, 1, 12)]), [12.0]),
        (pl.Series([datetime(2013, 1, 1, tzinfo=UTC)]), pl.Series([datetime(2013, 1, 1, 1, tzinfo=UTC)]), [-1.0]),
    ],
)
def test_difference_subtracts_numbers_and_times(first: pl.Series, second: pl.Series, expected: list[Any]) -> None:
    node = {"use": "difference", "column": "a", "minus": "b", "into": "d", "unit": "h"}
    assert run(node, pl.DataFrame({"a": first, "b": second}))["d"].to_list() == expected


def test_difference_of_128_bits_does_not_wrap() -> None:
    frame = pl.DataFrame({"a": [2**126], "b": [-(2**126)]}, schema={"a": pl.Int128, "b": pl.Int128})
    with pytest.raises(DataError, match="more than Int64 holds"):
        run({"use": "difference", "column": "a", "minus": "b", "into": "d"}, frame)


@pytest.mark.parametrize("other", [datetime(2013, 1, 1, tzinfo=UTC), 5, "x"])
def test_difference_refuses_columns_of_two_kinds(other: Any) -> None:
    frame = pl.DataFrame({"a": [datetime(2013, 1, 1)], "b": [other]})
    with pytest.raises(DataError, match="'b' can not be subtracted from 'a'"):
        run({"use": "difference", "column": "a", "minus": "b", "into": "d"}, frame)


def test_difference_of_times_does_not_change_with_their_unit() -> None:
    time = datetime(2013, 1, 1)
    frame = pl.DataFrame({"a": pl.Series([time + timedelta(seconds=90)], dtype=pl.Datetime("ms")), "b": [time]})
    assert run({"use": "difference", "column": "a", "minus": "b", "into": "d", "unit": "min"}, frame)["d"].item() == 1.5


# --- geo_distance -------------------------------------------------------------------------------------------------

PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
GEO = {"use": "geo_distance", "from": ["lat", "lon"], "to": ["lat2", "lon2"], "into": "km"}


@given(st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=10))
def test_geo_distance_is_that_of_scikit_learn_times_the_radius(pairs: list[Any]) -> None:
    frame = pl.DataFrame([(*a, *b) for a, b in pairs], schema=["lat", "lon", "lat2", "lon2"], orient="row")
    expected = [haversine_distances(np.radians([a]), np.radians([b])).item() * 6371.0088 for a, b in pairs]
    assert_allclose(run(GEO, frame)["km"].to_list(), expected, rtol=1e-9, atol=1e-3)


def test_geo_distance_to_a_place_that_is_the_same_in_all_rows() -> None:
    frame = pl.DataFrame({"lat": [40.6413, None, 91.0, float("nan"), 0], "lon": [-73.7781, 0, 0, 0, 361.0]})
    found = run({**GEO, "to": [33.9416, -118.4085]}, frame)["km"].to_list()
    assert found[0] == pytest.approx(3974, abs=2)  # New York JFK to Los Angeles
    assert found[1:] == [None] * 4


def test_geo_distance_of_a_place_and_the_one_on_the_other_side_is_half_a_round() -> None:
    frame = pl.DataFrame({"lat": [0.0, 30.0], "lon": [0.0, 20.0], "lat2": [0.0, -30.0], "lon2": [180.0, 200.0]})
    assert_allclose(run(GEO, frame)["km"].to_list(), math.pi * 6371.0088, rtol=1e-9)


# --- json_path ----------------------------------------------------------------------------------------------------

JSON = ['{"a": {"b c": [1, 2.5, "x"]}, "t": true, "n": null, "s": "5", "w": 7.0}', '{"a": 3}', "null", None]


@pytest.mark.parametrize(
    ("path", "dtype", "expected"),
    [
        ("$.a['b c'][0]", "Int64", 1),
        ("a['b c'][1]", "Float64", 2.5),
        ("$.a['b c'][-1]", "String", "x"),
        ("$.a['b c'][9]", "String", None),
        ("$.t", "Boolean", True),
        ("$.n", "String", None),
        ("$.s", "Int64", 5),
        ("$.a['b c'][0]", "Float64", 1.0),
        ("$.w", "Int64", 7),
        ("$.gone.too", "String", None),
    ],
)
def test_json_path_takes_a_value_out_of_text(path: str, dtype: str, expected: Any) -> None:
    node = {"use": "json_path", "column": "x", "path": path, "into": "v", "dtype": dtype}
    assert run(node, pl.DataFrame({"x": JSON}))["v"].to_list() == [expected, None, None, None]


@pytest.mark.parametrize(
    ("path", "text", "dtype", "said"),
    [
        ("$.a", "{'a': 1}", "String", "text that is no JSON"),
        ("$.a", '{"a": 1}, 2', "String", "text that is no JSON"),
        ("$.a", "", "String", "text that is no JSON"),
        ("$.a", '{"a": "x"}', "Int64", "is no Int64"),
        ("$.a", '{"a": 1.5}', "Int64", "is no Int64"),
        ("$.a", '{"a": 9223372036854775808}', "Int64", "is no Int64"),
        ("$.a", '{"a": 1}', "Boolean", "is no Boolean"),
    ],
)
def test_json_path_stops_at_what_is_no_json_or_none_of_the_type_unless_it_may_be_missing(
    path: str, text: str, dtype: str, said: str
) -> None:
    node = {"use": "json_path", "column": "x", "path": path, "into": "v", "dtype": dtype}
    with pytest.raises(DataError, match=said):
        run(node, pl.DataFrame({"x": [text]}))
    assert run({**node, "strict": False}, pl.DataFrame({"x": [text]}))["v"].to_list() == [None]


NESTED = pl.DataFrame(
    {"x": [{"legs": [{"to": "LAX", "km": 10.0}, {"to": "SFO", "km": 2.5}], "ok": True}, {"legs": [], "ok": None}]}
)


@pytest.mark.parametrize(
    ("path", "dtype", "expected"),
    [
        ("$.legs[0].to", "String", ["LAX", None]),
        ("$.legs[-1].km", "Float64", [2.5, None]),
        ("$.legs[0].km", "Int64", [10, None]),
        ("$.ok", "Boolean", [True, None]),
        ("$.ok", "String", ["true", None]),
    ],
)
def test_json_path_takes_a_value_out_of_structs_and_lists(path: str, dtype: str, expected: list[Any]) -> None:
    node = {"use": "json_path", "column": "x", "path": path, "into": "v", "dtype": dtype}
    assert run(node, NESTED)["v"].to_list() == expected


@pytest.mark.parametrize(
    ("path", "dtype", "said"),
    [
        ("$.legz", "String", "did you mean 'legs'"),
        ("$.legs", "String", "several values"),
        ("$[0]", "String", "asks for place 0"),
        ("$.legs.to", "String", "asks for key to"),
        ("$.ok", "Int64", "is no Int64"),
        ("$.legs[1].km", "Int64", "is no Int64"),
    ],
)
def test_json_path_says_where_a_path_does_not_fit_the_columns_type(path: str, dtype: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        run({"use": "json_path", "column": "x", "path": path, "into": "v", "dtype": dtype}, NESTED)


@pytest.mark.parametrize("path", ["", "$", "$..a", "$.a..b", "$.a.", "$.a[*]", "$.a[?(@.b)]", "$.a[", "a b", "$.a[0:2]"])
def test_json_path_refuses_what_is_no_path_to_one_value(path: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        made({"use": "json_path", "column": "x", "path": path, "into": "v"})
