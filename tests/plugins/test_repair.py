"""Steps that repair values: what they read and write, what they refuse, and that doing it twice changes nothing."""

# ruff: noqa: DTZ001  columns hold times without a zone

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from engine.errors import ConfigError, DataError
from engine.plugin import Transformer
from engine.registry import build

INF = float("inf")
FLOATS = st.lists(st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1.5]), max_size=20)
TEXTS = st.lists(
    st.none() | st.text(max_size=12) | st.sampled_from(["", " ", "N.Y.", "new  york", "\u00a0a\n", "ΑΣ", "ﬁ"]), max_size=20
)
NUMERALS = st.lists(st.none() | st.from_regex(r"\A[-(]?[$€]?[0-9.,]{1,9}[)%]?\Z") | st.text(max_size=5), max_size=20)


def made(node: dict[str, Any]) -> Transformer:
    step = build("transformer", node)
    assert isinstance(step, Transformer)
    return step


def after(node: dict[str, Any], values: list[Any], dtype: Any = None) -> pl.Series:
    """Apply a step to one column called x."""
    frame = pl.LazyFrame({"x": values}, schema={"x": dtype} if dtype is not None else None)
    return made({"columns": ["x"], **node}).apply(frame).collect()["x"]


def same(a: pl.DataFrame, b: pl.DataFrame) -> None:
    """Compare exactly, the sign of zero included."""
    assert_frame_equal(a, b, check_exact=True)
    for name in a.select(pl.col(pl.Float64)).columns:
        assert np.signbit(a[name].to_numpy()).tolist() == np.signbit(b[name].to_numpy()).tolist()


# --- what every one of them keeps to ------------------------------------------------------------------------------

OF_NUMBERS = [
    {"use": "fill", "columns": ["x"], "value": -1},
    {"use": "clip", "columns": ["x"], "min": -2.5, "max": 1e3},
    {"use": "clip", "columns": ["x"], "max": 0},
]
OF_TEXT = [
    {"use": "fill", "columns": ["x"], "value": "none"},
    {"use": "normalize_text"},
    {"use": "normalize_text", "case": "lower", "spelling": {"n.y.": "New York", "NEW YORK": "New York", "a": None}},
    {"use": "normalize_text", "case": "upper", "form": "NFC", "empty_to_missing": False},
    {"use": "normalize_text", "form": "keep", "case": "lower", "collapse": False},
]


@pytest.mark.parametrize("node", OF_NUMBERS, ids=lambda part: part.get("use", "") if isinstance(part, dict) else "")
@given(values=FLOATS)
def test_a_repair_of_numbers_done_twice_is_done_once(node: dict[str, Any], values: list[Any]) -> None:
    once = made(node).apply(pl.LazyFrame({"x": values}, schema={"x": pl.Float64})).collect()
    same(made(node).apply(once.lazy()).collect(), once)


@pytest.mark.parametrize("node", OF_TEXT, ids=lambda part: part.get("use", "") if isinstance(part, dict) else "")
@given(values=TEXTS)
@example(values=["İ", "ΐ", "ß", "ǰ", "\u037a", "Σ ", "ẞ"])
def test_a_repair_of_text_done_twice_is_done_once(node: dict[str, Any], values: list[Any]) -> None:
    once = made(node).apply(pl.LazyFrame({"x": values}, schema={"x": pl.String})).collect()
    same(made(node).apply(once.lazy()).collect(), once)


PIECEWISE = [
    *((node, pl.Float64, FLOATS) for node in OF_NUMBERS),
    *((node, pl.String, TEXTS) for node in OF_TEXT),
    ({"use": "parse_number", "columns": ["x"], "strict": False, "thousands": ",", "percent": True}, pl.String, NUMERALS),
    ({"use": "replace", "columns": ["x"], "values": {"": "empty"}, "default": {"constant": "other"}}, pl.String, TEXTS),
]


@pytest.mark.parametrize(
    ("node", "dtype", "strategy"), PIECEWISE, ids=lambda part: part.get("use", "") if isinstance(part, dict) else ""
)
@given(data=st.data())
def test_pieces_of_a_table_become_the_pieces_of_the_result(node: Any, dtype: Any, strategy: Any, data: st.DataObject) -> None:
    frame = pl.DataFrame({"x": data.draw(strategy)}, schema={"x": dtype})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frame)), max_size=3)))
    pieces = [frame[start:end] for start, end in pairwise([0, *cuts, len(frame)])]
    step = made(node)
    same(pl.concat(step.apply(piece.lazy()).collect() for piece in pieces), step.apply(frame.lazy()).collect())


# --- fill, clip ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "values", "dtype", "expected"),
    [
        (0, [1.5, None, float("nan"), float("inf")], pl.Float64, [1.5, 0.0, 0.0, float("inf")]),
        (7, [1, None], pl.Int8, [1, 7]),
        ("none", ["a", None, ""], pl.String, ["a", "none", ""]),
        ("none", ["a", None], pl.Categorical, ["a", "none"]),
        (False, [True, None], pl.Boolean, [True, False]),
        ("2013-01-01", [None], pl.Date, [date(2013, 1, 1)]),
        ("2013-01-01T10:00", [None], pl.Datetime("us"), [datetime(2013, 1, 1, 10)]),
        (0, [None, None], pl.Null, [0, 0]),
        (1.5, [None], pl.Decimal(4, 1), [Decimal("1.5")]),
    ],
)
def test_fill_puts_the_value_where_one_is_missing(value: Any, values: list[Any], dtype: Any, expected: list[Any]) -> None:
    assert after({"use": "fill", "value": value}, values, dtype).to_list() == expected


def test_fill_takes_a_value_for_each_column_or_one_for_a_group() -> None:
    frame = pl.LazyFrame({"a": [None, 1], "b": [None, "x"]})
    each = made({"use": "fill", "values": {"a": 0, "b": "none"}}).apply(frame).collect()
    assert each.rows() == [(0, "none"), (1, "x")]
    group = made({"use": "fill", "columns": "numeric", "value": 5}).apply(frame).collect()
    assert group.rows() == [(5, None), (1, "x")]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0.5, pl.Int64),
        (300, pl.Int8),
        ("a", pl.Float64),
        (1, pl.String),
        (1, pl.Boolean),
        (True, pl.Int64),
        ("soon", pl.Date),
        (0.55, pl.Decimal(4, 1)),
        (1000, pl.Decimal(4, 1)),
        (1, pl.Duration("us")),
    ],
)
def test_fill_refuses_a_value_that_the_column_can_not_hold(value: Any, dtype: Any) -> None:
    with pytest.raises(DataError, match="is no value for column 'x'"):
        after({"use": "fill", "value": value}, [None], dtype)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"columns": ["x"]},
        {"value": 1},
        {"columns": ["x"], "value": 1, "values": {"x": 1}},
        {"columns": ["x"], "values": {"x": 1}},
        {"columns": ["x"], "value": float("nan")},
        {"columns": ["x"], "value": 2**64},
    ],
)
def test_fill_refuses_parameters_that_do_not_say_one_thing(parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        made({"use": "fill", **parameters})


@pytest.mark.parametrize(
    ("bounds", "values", "dtype", "expected"),
    [
        (
            {"min": 0, "max": 1},
            [-1.0, 0.5, 2.0, None, float("inf"), float("-inf")],
            pl.Float64,
            [0.0, 0.5, 1.0, None, 1.0, 0.0],
        ),
        ({"max": 10_000}, [127, None], pl.Int8, [127, None]),
        ({"min": -5, "max": 100}, [200, 3], pl.UInt8, [100, 3]),
        ({"min": "2013-01-02"}, [date(2013, 1, 1), None], pl.Date, [date(2013, 1, 2), None]),
        ({"min": 1}, [None], pl.Null, [None]),
    ],
)
def test_clip_makes_what_lies_outside_equal_to_the_bound(
    bounds: dict[str, Any], values: list[Any], dtype: Any, expected: list[Any]
) -> None:
    assert after({"use": "clip", **bounds}, values, dtype).to_list() == expected


def test_clip_leaves_nan_as_it_is() -> None:
    assert after({"use": "clip", "min": 0, "max": 1}, [float("nan")]).is_nan().all()


@pytest.mark.parametrize("bounds", [{}, {"min": 2, "max": 1}, {"min": 1, "max": "2013-01-01"}, {"min": True}])
def test_clip_refuses_bounds_that_make_no_sense(bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        made({"use": "clip", "columns": ["x"], **bounds})


@pytest.mark.parametrize(
    ("bounds", "values"), [({"min": 0.5}, [1]), ({"min": 1}, ["a"]), ({"max": "soon"}, [date(2013, 1, 1)])]
)
def test_clip_refuses_bounds_that_are_none_of_the_column(bounds: dict[str, Any], values: list[Any]) -> None:
    with pytest.raises(DataError, match="column 'x'"):
        after({"use": "clip", **bounds}, values)


# --- replace ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "values", "expected"),
    [
        ({"values": {"a": "b", "b": "a"}}, ["a", "b", "c", None], ["b", "a", "c", None]),
        ({"values": {"?": None}}, ["?", "c"], [None, "c"]),
        ({"values": {99: None, -1: 0}}, [99, -1, 5, None], [None, 0, 5, None]),
        ({"values": {"99": None}}, [99.0, 0.5], [None, 0.5]),
        ({"values": {"low": 1, "high": 2}, "default": {"constant": 0}}, ["low", "high", "?", None], [1, 2, 0, None]),
        ({"values": {"low": 1, "high": 2.5}, "default": {"constant": None}}, ["low", "high", "?"], [1.0, 2.5, None]),
        ({"values": {1: "one"}, "default": {"constant": "many"}}, [1.0, 2.0, float("nan"), None], ["one", "many", None, None]),
        ({"values": {"true": "yes", "false": "no"}, "default": {"constant": None}}, [True, False, None], ["yes", "no", None]),
        ({"values": {"2013-01-01": None}}, [date(2013, 1, 1), date(2013, 1, 2)], [None, date(2013, 1, 2)]),
        ({"values": {"a": 1}, "default": {"constant": 0}}, [None, None], [None, None]),
    ],
)
def test_replace_puts_one_value_for_another(parameters: dict[str, Any], values: list[Any], expected: list[Any]) -> None:
    assert after({"use": "replace", **parameters}, values).to_list() == expected


@pytest.mark.parametrize(
    ("parameters", "values", "said"),
    [
        ({"values": {"a": 1}}, ["a"], "of which other values stay"),
        ({"values": {"a": 1}}, [1], "'a' is no value of column 'x'"),
        ({"values": {"1": 5, "1.0": 6}}, [1], "are the same"),
        ({"values": {"a": 1, "b": "c"}, "default": {"constant": 0}}, ["a"], "several types"),
    ],
)
def test_replace_refuses_values_that_are_none_of_the_column(parameters: dict[str, Any], values: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        after({"use": "replace", **parameters}, values)


def test_replace_refuses_a_key_that_yaml_has_made_a_truth_value() -> None:
    with pytest.raises(ConfigError, match="put it in quotes"):
        made({"use": "replace", "columns": ["x"], "values": {True: "Y"}})


# --- normalize_text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "text", "expected"),
    [
        ({}, "  a \u00a0\t b\r\nc ", "a b c"),
        ({}, "e\u0301ﬁ\uff21", "éfiA"),
        ({"form": "NFC"}, "e\u0301ﬁ", "éﬁ"),
        ({"form": "keep", "collapse": False, "trim": False}, " \u00a0 ", " \u00a0 "),
        ({"case": "upper"}, "straße", "STRASSE"),
        ({}, " \n ", None),
        ({"empty_to_missing": False}, " \n ", ""),
        ({"spelling": {"N.Y.": "New York"}}, " n.y. ", "New York"),
        ({"spelling": {"N.Y.": "New York"}}, "NEW  YORK", "New York"),
        ({"spelling": {"N.Y.": "New York"}, "case": "upper"}, "n.y.", "New York"),
        ({"spelling": {"n/a": None}}, "N/A", None),
        ({"spelling": {"n/a": None}}, "Other", "Other"),
        ({}, "x" * 1_000_000, "x" * 1_000_000),
    ],
    ids=lambda part: str(part)[:40],
)
def test_normalize_text_writes_equal_texts_in_one_way(parameters: dict[str, Any], text: str, expected: str | None) -> None:
    assert after({"use": "normalize_text", **parameters}, [text, None]).to_list() == [expected, None]


def test_normalize_text_refuses_two_spellings_of_one_variant() -> None:
    with pytest.raises(ConfigError, match="would be written both"):
        made({"use": "normalize_text", "spelling": {"ny": "New York", "NY ": "New Jersey"}})
    with pytest.raises(ConfigError, match="would be written both"):
        made({"use": "normalize_text", "spelling": {"a": "b", "b": "c"}})
    with pytest.raises(DataError, match="is no text"):
        after({"use": "normalize_text"}, [1])


# --- parse_number -------------------------------------------------------------------------------------------------

EUROPEAN = {"thousands": ".", "decimal": ",", "currency": ["€", "EUR"], "percent": True, "parentheses": True}


@pytest.mark.parametrize(
    ("parameters", "text", "expected"),
    [
        ({}, " 12.50 ", 12.5),
        ({}, "+.5", 0.5),
        ({}, "-1.5e-3", -0.0015),
        ({}, "\u22125", -5.0),
        ({}, "", None),
        ({"thousands": ","}, "1,234,567.8", 1234567.8),
        ({"thousands": ","}, "1234567.8", 1234567.8),
        ({"thousands": " "}, "1\u202f234 567", 1234567.0),
        ({"thousands": "'"}, "1\u2019234'567", 1234567.0),
        (EUROPEAN, "1.234,5 €", 1234.5),
        (EUROPEAN, "-EUR 1.234", -1234.0),
        (EUROPEAN, "€-5", -5.0),
        (EUROPEAN, "12,5 %", 0.125),
        (EUROPEAN, "(1.234,5)", -1234.5),
        (EUROPEAN, "(€ 5)", -5.0),
        ({"into": "Int64"}, "9223372036854775807", 2**63 - 1),
        ({"into": "Int64"}, "-9223372036854775808", -(2**63)),
        ({"into": "Int64"}, "007.00", 7),
        ({"into": "Int64", "parentheses": True}, "(5)", -5),
    ],
)
def test_parse_number_reads_numbers_as_they_are_written(parameters: dict[str, Any], text: str, expected: Any) -> None:
    assert after({"use": "parse_number", **parameters}, [text]).to_list() == [expected]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "1,234"),
        ({"thousands": ","}, "1,23"),
        ({"thousands": ","}, "1234,567"),
        ({"thousands": ","}, ",234"),
        ({}, "12 %"),
        ({}, "(5)"),
        ({"parentheses": True}, "(5"),
        ({"parentheses": True}, "(-5)"),
        ({}, "€5"),
        ({}, "--5"),
        ({"currency": ["€"]}, "-€-5"),
        ({}, "1e999"),
        ({}, "nan"),
        ({}, "inf"),
        ({}, "1_000"),
        ({}, "1 2"),
        ({}, "٣"),
        ({}, "-"),
        ({"into": "Int64"}, "1.5"),
        ({"into": "Int64"}, "1e3"),
        ({"into": "Int64"}, "9223372036854775808"),
    ],
)
def test_parse_number_refuses_what_is_written_otherwise_or_makes_it_missing(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=r"(?s)column 'x' holds what is no (Float64|Int64).*such as '"):
        after({"use": "parse_number", **parameters}, ["5", text, None])
    assert after({"use": "parse_number", "strict": False, **parameters}, ["5", text, None]).to_list() == [5, None, None]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_parse_number_reads_every_whole_number_exactly(numbers: list[int]) -> None:
    texts = [f"{number:,}" for number in numbers]
    assert after({"use": "parse_number", "into": "Int64", "thousands": ","}, texts, pl.String).to_list() == numbers


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_parse_number_reads_every_number_that_python_writes(numbers: list[float]) -> None:
    assert after({"use": "parse_number"}, [repr(number) for number in numbers], pl.String).to_list() == numbers


def test_parse_number_takes_numbers_as_they_are_where_the_type_holds_them() -> None:
    assert after({"use": "parse_number"}, [1, None], pl.Int32).to_list() == [1.0, None]
    assert after({"use": "parse_number", "into": "Int64"}, [2.0, float("nan")]).to_list() == [2, None]
    for value in (1.5, float("inf"), 1e19):
        with pytest.raises(DataError, match="holds what is no Int64"):
            after({"use": "parse_number", "into": "Int64"}, [value])
    with pytest.raises(DataError, match="can not become numbers"):
        after({"use": "parse_number"}, [date(2013, 1, 1)])


@pytest.mark.parametrize(
    "parameters",
    [{"thousands": "."}, {"into": "Int64", "percent": True}, {"currency": ["1"]}, {"currency": [""]}, {"currency": ["-"]}],
)
def test_parse_number_refuses_marks_that_can_not_be_told_apart(parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        made({"use": "parse_number", "columns": ["x"], **parameters})


# --- parse_time ---------------------------------------------------------------------------------------------------


def test_parse_time_takes_the_first_format_that_fits_each_text() -> None:
    formats = ["%d/%m/%Y", "%m/%d/%Y", "iso"]
    texts = ["02/01/2013", "12/31/2013", "2013-03-04", "2013-03-04 10:30", "2013-03-04T10:30:00.5", None]
    found = after({"use": "parse_time", "format": formats}, texts).to_list()
    day = datetime(2013, 3, 4)
    expected = [datetime(2013, 1, 2), datetime(2013, 12, 31), day, day + timedelta(hours=10.5)]
    assert found == [*expected, day + timedelta(hours=10.5, seconds=0.5), None]


ISO = ["2013-07-01", "2013-07-01 10:00", "2013-07-01T10:00:00", "2013-07-01 10:00:00.25", "2013-07-01T10:00:00Z"]


@given(st.permutations([*ISO, "2013-07-01 10:00+02:00", "2013-07-01T10:00:00-0330"]))
def test_parse_time_reads_each_text_whatever_stands_above_it(texts: list[str]) -> None:
    node = {"use": "parse_time", "time_zone": "Europe/Lisbon"}
    assert after(node, texts).to_list() == [after(node, [text]).item() for text in texts]


@pytest.mark.parametrize(
    "text", ["01/02/2013", "20130101", "2013-13-01", "2013-02-30", "2013-01-01 25:00", "2013-01-01T10:00:00Z"]
)
def test_parse_time_without_a_zone_takes_iso_8601_without_an_offset_only(text: str) -> None:
    with pytest.raises(DataError, match="holds what is no time"):
        after({"use": "parse_time"}, ["2013-01-01", text])
    assert after({"use": "parse_time", "strict": False}, ["2013-01-01", text]).to_list() == [datetime(2013, 1, 1), None]


GAP, TWICE = "2013-03-31 02:30", "2013-10-27 02:30"


@pytest.mark.parametrize(
    ("parameters", "text", "utc"),
    [
        ({"ambiguous": "earliest"}, TWICE, datetime(2013, 10, 27, 0, 30)),
        ({"ambiguous": "latest"}, TWICE, datetime(2013, 10, 27, 1, 30)),
        ({"ambiguous": "missing"}, TWICE, None),
        ({"non_existent": "missing"}, GAP, None),
    ],
)
@pytest.mark.parametrize("parsed", [False, True])
def test_parse_time_settles_local_times_that_a_zone_has_twice_or_never(
    parameters: dict[str, str], text: str, utc: datetime | None, parsed: bool
) -> None:
    values = [datetime.fromisoformat(text) if parsed else text]
    found = after({"use": "parse_time", "time_zone": "Europe/Berlin", **parameters}, values)
    assert found.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_list() == [utc]


@pytest.mark.parametrize("text", [GAP, TWICE])
def test_parse_time_stops_at_local_times_that_a_zone_has_twice_or_never_unless_told_otherwise(text: str) -> None:
    with pytest.raises(pl.exceptions.ComputeError, match=r"ambiguous|non_existent"):
        after({"use": "parse_time", "time_zone": "Europe/Berlin"}, [text])
    assert after({"use": "parse_time", "time_zone": "UTC"}, [text]).len() == 1


def test_parse_time_joins_formats_with_and_without_an_offset_in_one_zone() -> None:
    formats = ["%d.%m.%Y %H:%M %z", "%d.%m.%Y %H:%M"]
    found = after({"use": "parse_time", "format": formats, "time_zone": "UTC"}, ["01.07.2013 10:00 +0200", "01.07.2013 10:00"])
    assert found.dt.hour().to_list() == [8, 10]
    with pytest.raises(ConfigError, match="which zone"):
        made({"use": "parse_time", "columns": ["x"], "format": formats})
    with pytest.raises(ConfigError, match="at least one format"):
        made({"use": "parse_time", "columns": ["x"], "format": []})


# --- deduplicate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ({"keep": "first", "on": "t"}, [2, 3, 6]),
        ({"keep": "last", "on": "t"}, [1, 4, 6]),
        ({"keep": "none"}, [6]),
        ({"keep": "first"}, [0, 3, 6]),
    ],
)
def test_deduplicate_keeps_the_first_or_last_by_time_and_a_row_without_a_time_only_alone(
    parameters: dict[str, Any], kept: list[int]
) -> None:
    times = [None, 3.0, 1.0, 5.0, 5.0, float("nan"), None]
    frame = pl.LazyFrame({"k": ["a", "a", "a", "b", "b", "b", None], "t": times, "row": range(7)})
    found = made({"use": "deduplicate", "columns": ["k"], **parameters}).apply(frame).collect()
    assert found["row"].to_list() == kept
    assert found.columns == ["k", "t", "row"]


@pytest.mark.parametrize("parameters", [{"on": "t"}, {"on": "t", "columns": ["k"], "keep": "none"}])
def test_deduplicate_by_time_needs_a_key_and_a_choice(parameters: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, ValidationError), match="chooses among rows of one key"):
        made({"use": "deduplicate", **parameters})


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.integers(0, 3)), max_size=12), st.sampled_from(["first", "last"])
)
def test_deduplicate_by_time_agrees_with_looking_at_each_key(rows: list[tuple[str, int | None]], keep: str) -> None:
    best: dict[str, int] = {}
    for place, (key, time) in enumerate(rows):
        now = rows[best[key]][1] if key in best else None
        later = key not in best or (time is not None and (now is None or (time >= now if keep == "last" else time < now)))
        if later or (keep == "last" and time is None and now is None):
            best[key] = place
    frame = pl.DataFrame(rows, schema={"k": pl.String, "t": pl.Int64}, orient="row").with_row_index("row")
    node = {"use": "deduplicate", "columns": ["k"], "on": "t", "keep": keep}
    assert made(node).apply(frame.lazy()).collect()["row"].to_list() == sorted(best.values())


def test_deduplicate_by_text_says_how_to_make_it_a_time() -> None:
    with pytest.raises(DataError, match="parse_time"):
        made({"use": "deduplicate", "columns": ["k"], "on": "t"}).apply(pl.LazyFrame({"k": [1], "t": ["x"]}))
