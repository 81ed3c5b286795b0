"""Summaries of rows: whatever the partitioning, the same to the last bit; and what findings make of them."""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.assess import distribution, drift, relations
from engine.assess.counting import summarize
from engine.assess.examine import examine as examined
from engine.assess.finding import Finding
from engine.assess.profile import Example, Profile
from engine.assess.propose import propose, text_of
from engine.assess.summary import NUMBERS, SCHEMA, merge
from engine.plugin import ROW
from engine.registry import build, names

ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
        st.one_of(st.none(), st.sampled_from(["a", "A", " a", "", "1", "1,5", "2013-01-31", "31.01.2013"])),
        st.one_of(st.none(), st.booleans()),
    ),
    max_size=30,
)
TYPES = {"x": pl.Float64, "t": pl.String, "b": pl.Boolean}


def framed(rows, types=TYPES):
    return pl.DataFrame(rows, schema=types, orient="row").with_row_index(ROW, offset=1)


def summary(data, key=(), source="f.csv"):
    return summarize(pl.DataFrame(data).with_row_index(ROW, offset=1).lazy(), source, key)


def examine(made, key):
    return examined(Profile(made), key)


def drifted(*batches, key=()):
    """Return what each batch tells beside those before it; batches are numbered from 1."""
    profiles = [Profile(one) for one in batches]
    before = [None, *(Profile(reduce(merge, batches[:n])) for n in range(1, len(batches)))]
    compared = [drift.compare(*pair) for pair in zip(before, profiles, strict=True)]
    return drift.judge(list(enumerate(compared, 1)), key)


def kinds(found):
    return {(one.kind, one.columns) for one in found}


@settings(max_examples=15)
@given(ROWS, st.lists(st.integers(0, 30), max_size=4), st.randoms(use_true_random=False))
def test_any_partitioning_merged_in_any_order_gives_the_summary_of_the_whole(rows, cuts, random):
    frame = framed(rows)
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [summarize(frame[a:b].lazy(), "f", ["t"]) for a, b in pairwise(bounds)]
    random.shuffle(parts)
    assert_frame_equal(reduce(merge, parts, SCHEMA.to_frame()), summarize(frame.lazy(), "f", ["t"]))


def test_many_numbers_levels_and_keys_stay_few_and_merge_to_the_same():
    count = 3 * NUMBERS
    frame = pl.DataFrame(
        {"k": range(count), "x": [math.sin(n) * 10 ** (n % 7) for n in range(count)], "t": [f"level {n}" for n in range(count)]}
    ).with_row_index(ROW, offset=1)
    whole = summarize(frame.lazy(), "f", ["k"])
    parts = [summarize(frame[a : a + 5_000].lazy(), "f", ["k"]) for a in range(0, count, 5_000)]
    assert_frame_equal(reduce(merge, reversed(parts)), whole)
    profile = Profile(whole)
    assert profile.levels("t") is None
    assert profile.of("number", "x").height < NUMBERS
    median = float(frame["x"].median())
    assert profile.quantile("x", 0.75) == pytest.approx(frame["x"].quantile(0.75), rel=0.02)
    assert abs(profile.quantile("x", 0.5) - median) < 0.05


def test_rows_that_are_equal_and_keys_that_come_twice_are_found_with_their_rows():
    found = examine(summary({"id": [1, 2, 2, 2], "v": ["a", "b", "b", "c"]}, ["id"]), ["id"])
    by = {one.kind: one for one in found}
    assert (by["key_repeated"].severity, by["key_repeated"].count) == ("error", 2)
    assert by["key_repeated"].examples == (Example("f.csv", 2), Example("f.csv", 4))
    assert (by["rows_repeated"].count, by["rows_repeated"].examples) == (1, (Example("f.csv", 2), Example("f.csv", 3)))


def test_a_missing_part_of_the_key_is_an_error_and_no_repeated_key():
    found = examine(summary({"id": [1, None, None], "v": [1, 2, 3]}, ["id"]), ["id"])
    assert [(one.kind, one.count) for one in found if one.severity == "error"] == [("key_missing", 2)]
    assert propose(found)["expect"] == [{"use": "not_null", "columns": ["id"]}]


def test_formats_that_disagree_are_found_and_one_format_is_no_defect():
    found = examine(
        summary(
            {
                "two": ["2013-01-31", "31.01.2013", "2013-02-28", "2013-03-01"],
                "one": ["2013-01-31", "2013-02-28", "2013-03-01", "2013-04-01"],
                "comma": ["1.5", "2,5", "3", "4"],
                "number": ["1", "2", "3", "4"],
                "free": ["12 mm", "x", "2013-01-31", "4"],
                "blank": ["a", "  ", "b", "c"],
                "spelt": ["north", "North ", "south", "NORTH"],
            }
        ),
        [],
    )
    severities = {(one.kind, one.columns[0]): one.severity for one in found if one.columns}
    assert severities[("dates_mixed", "two")] == severities[("numbers_mixed", "comma")] == "error"
    assert severities[("dates_as_text", "one")] == severities[("numbers_as_text", "number")] == "note"
    assert severities[("blank", "blank")] == severities[("variants", "spelt")] == "warning"
    assert not [name for _, name in severities if name == "free"]


def test_a_far_value_is_an_outlier_and_a_long_tail_is_not():
    numbers = [float(n % 100) for n in range(1_000)]
    skewed = [math.exp(n % 100 / 12) for n in range(1_000)]
    found = examine(summary({"x": [*numbers[:-1], 9_999.0], "tail": skewed, "plain": numbers}), [])
    assert [(one.columns, one.count, one.examples) for one in found if one.kind == "outliers"] == [
        (("x",), 1, (Example("f.csv", 1_000, "9999"),))
    ]
    assert {"use": "between", "column": "x", "min": 0, "max": 99} in propose(found)["expect"]
    assert not [one for one in found if one.columns == ("plain",)]
    assert ("skew", ("tail",)) in kinds(found)


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"x": pl.Series([None, None], dtype=pl.Float64), "t": pl.Series([None, None], dtype=pl.String)}),
        pl.DataFrame({"x": pl.Series([], dtype=pl.Int64)}),
        pl.DataFrame({"x": [1]}),
        pl.DataFrame({"x": [float("nan"), float("inf"), -float("inf")]}),
        pl.DataFrame({"x": [2**63 - 1] * 3, "y": [-(2**63)] * 3}),
        pl.DataFrame({"l": [[1, 2], None], "s": [{"a": 1}, {"a": 2}], "n": [None, None]}),
        pl.DataFrame({"t": ["x" * 1_000_000, "y"]}),
    ],
)
def test_odd_rows_are_assessed_without_an_error(frame):
    made = summarize(frame.with_row_index(ROW, offset=1).lazy(), "f", [])
    assert made.schema == SCHEMA
    assert made["text"].str.len_chars().max() < 1_100_000
    found = examine(made, [])
    relations.correlated(relations.sample_of(made, frame.schema), [])
    assert {one.kind for one in found} <= {"empty", "not_finite", "constant", "missing", "rows_repeated", "missing_together"}


def test_not_finite_numbers_are_counted():
    (finding,) = [one for one in examine(summary({"x": [1.0, float("nan"), float("inf")]}), []) if one.kind == "not_finite"]
    assert finding.count == 2


def test_a_batch_is_compared_with_those_before():
    before = {"x": list(range(100)), "c": ["a", "b"] * 50, "gone": [1] * 100, "m": [1] * 100}
    now = {"x": [n + 1_000 for n in range(100)], "c": ["a", "z"] * 50, "new": [1] * 100, "m": [None] * 50 + [1] * 50}
    found = drifted(summary(before), summary(now, source="g.csv"))
    assert {(one.kind, one.columns, one.severity) for one in found} == {
        ("column_vanished", ("gone",), "warning"),
        ("column_new", ("new",), "note"),
        ("level_shift", ("x",), "warning"),
        ("category_new", ("c",), "note"),
        ("category_vanished", ("c",), "warning"),
        ("missing_shift", ("m",), "warning"),
    }
    assert all("batch 2" in one.message for one in found)
    assert {example.file for one in found for example in one.examples} == {"g.csv"}
    assert drifted(summary(before), summary(before)) == []


def test_what_was_so_for_a_time_names_its_batches_and_is_less_than_what_is_so_now():
    usual = {"x": list(range(100)), "c": ["a", "b"] * 50, "k": [1] * 100}
    odd = {"x": [n + 1_000 for n in range(100)], "c": ["a", "z"] * 50}
    found = {one.kind: one for one in drifted(*map(summary, [usual] * 4 + [odd] * 2 + [usual]))}
    assert found["column_vanished"].message == "was not in batches 5 to 6"
    assert found["level_shift"].message == "the median of batch 5 is 1049, before 49; likewise batch 6"
    assert found["category_new"].message == "new in batch 5: z"
    assert found["category_vanished"].message == "for a time not there: b (batches 5 to 6)"
    assert {one.severity for kind, one in found.items() if kind != "level_shift"} == {"note"}


def test_a_median_that_goes_one_way_by_more_than_rows_scatter_is_a_trend():
    batches = [
        {
            "x": [step * 10 + n % 7 for n in range(70)],
            "y": [n % 7 + step % 2 for n in range(70)],
            "month": [step] * 70,  # says which batch it is, and no more
        }
        for step in range(6)
    ]
    assert kinds(drifted(*map(summary, batches))) == {("trend", ("x",))}


def test_distributions_are_bars_of_all_rows_that_have_a_value():
    rows = {
        "few": [n % 3 for n in range(1_000)],
        "many": [float(n) for n in range(1_000)],
        "far": [*range(999), 10**6],
        "word": [f"w{n % 11}" for n in range(1_000)],
        "gap": [None if n % 4 else n for n in range(1_000)],
        "day": pl.Series(range(1_000)).cast(pl.Date),
        "none": [None] * 1_000,
    }
    found = {one["column"]: one for one in distribution.of(Profile(summary(rows)), list(rows))}
    assert list(found) == list(rows)
    counts = {name: sum(count for _, count in one["bars"]) + one.get("others", 0) for name, one in found.items()}
    assert counts == {**dict.fromkeys(rows, 1_000), "gap": 250, "none": 0}
    assert found["few"]["bars"] == [["0", 334], ["1", 333], ["2", 333]]
    assert [count for _, count in found["many"]["bars"]] == [50] * 20
    assert found["far"]["bars"][-1][1] < 100
    assert (found["far"]["low"], found["far"]["high"]) == ("0", "… 1000000")
    assert (found["word"]["bars"][0], found["word"]["others"]) == (["w0", 91], 272)
    assert (found["gap"]["missing"], found["none"]["missing"]) == (0.75, 1.0)
    assert (found["day"]["low"], found["day"]["high"]) == ("1970-01-01", "1972-09-26")


def test_a_column_that_gives_the_target_away_is_found_and_a_good_feature_is_not():
    count = 600
    late = [n * 7_919 % 10 > 6 for n in range(count)]
    rows = pl.DataFrame(
        {
            "late": late,
            "delay": [n % 13 + 20 * one for n, one in enumerate(late)],
            "word": ["late" if one else "in time" for one in late],
            "good": [n % 13 + 6 * one for n, one in enumerate(late)],
            "id": range(count),
        }
    )
    assert kinds(relations.leaking(rows, "late", dropped=[], key=["id"])) == {("leak", ("delay",)), ("leak", ("word",))}
    assert kinds(relations.leaking(rows, "late", dropped=["delay"], key=["id"])) == {("leak", ("word",))}


def test_what_is_proposed_for_texts_can_be_applied_and_settles_them():
    rows = pl.DataFrame(
        {
            "spelt": ["north", "North ", "south", "NORTH", "north"],
            "blank": ["a", "  ", "b", "c", "d"],
            "two": ["2013-01-31", "31.01.2013", "2013-02-28", "2013-03-01", "2013-03-02"],
            "comma": ["1,5", "2,5", "3,25", "4,0", "7,5"],
            "number": ["1", "2.5", "3", "4", "5e3"],
            "time": ["2013-01-31T10:00:00Z", "2013-01-31T11:00:00Z", "2013-01-31 12:00", "2013-02-01T10:00:00Z", None],
        }
    )
    steps = propose(examine(summary(rows), []))["prepare"]
    assert [step["use"] for step in steps].count("parse_time") == 2
    frame = rows.lazy()
    for step in steps:
        frame = build("transformer", step).apply(frame)
    after = frame.collect()
    assert after["spelt"].to_list() == ["north", "north", "south", "north", "north"]
    assert after["blank"].null_count() == 1
    assert after["comma"].to_list() == [1.5, 2.5, 3.25, 4.0, 7.5]
    assert after["two"][0] == after["two"][1]
    assert (after.schema["number"], after.schema["time"]) == (pl.Float64, pl.Datetime("us", "UTC"))
    assert propose(examine(summary(after), []))["prepare"] == []


def test_codes_with_leading_zeros_are_no_numbers():
    assert examine(summary({"zip": ["00501", "10001", "90210", "60601"]}), []) == []


def test_only_steps_that_exist_are_proposed():
    found = [Finding("warning", "variants", ("c",), "", ""), Finding("warning", "constant", ("k",), "", "")]
    without = propose(found, {"check": [], "transformer": ["drop"]})
    assert without["prepare"] == [{"use": "drop", "columns": ["k"]}]
    with_it = propose(found, {"check": [], "transformer": ["drop", "normalize_text"]})
    assert [step["use"] for step in with_it["prepare"]] == ["normalize_text", "drop"]
    assert all(step["use"] in names("transformer") for step in propose(found)["prepare"])
    assert text_of({"d": propose([])}) == "# nothing to propose"


def test_a_column_of_two_types_is_an_error_and_its_sample_is_of_the_type_that_holds_both():
    both = merge(summary({"x": [1, 2, 3], "n": [1, 2, 3]}), summary({"x": ["u", "v"], "n": [1.5, 2.5]}, source="g.csv"))
    assert {one.columns: one.severity for one in examine(both, []) if one.kind == "types"} == {("x",): "error", ("n",): "note"}
    sample = relations.sample_of(both, pl.Schema({"x": pl.String(), "n": pl.Float64()}))
    assert sorted(sample["x"]) == ["1", "2", "3", "u", "v"]
