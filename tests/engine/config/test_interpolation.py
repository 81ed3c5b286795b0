from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.interpolation import MAX_EXPANDED, scan_interpolations
from engine.errors import ConfigError


def chain(reference: str, levels: int = 30, first: str = "b0") -> dict[str, object]:
    """Return values each of which refers twice to the one before."""
    values = {first: "xxxxxxxxxx"}
    names = [first, *(first.replace("0", str(number)) for number in range(1, levels))]
    return {"big": values | {name: reference.replace(first, before) * 2 for before, name in pairwise(names)}}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"data": "data", "path": "${data}/a.csv", "more": ["${data}/b", "${data}/c"]},
        {"home": "${oc.env:HOME}", "other": "${oc.env:NAME,default}", "when": "${now:%Y}"},
        {"a": {"b": 1, "c": "${.b}", "d": {"e": "${..b}", "f": "${...a.b}"}}},
        {"a": [1, 2], "b": "${a[0]}", "c": "${a.1}"},
        {"a": "x" * 10_000, "b": "${a}" * 50},
        {"a": "${nowhere}"},
        {"a": 3, "b": None, "c": 1.5, "d": True},
        {"a": "no reference", "b": "}", "c": "$a"},
    ],
    ids=["nothing", "paths", "resolvers", "relative", "lists", "much", "nowhere", "numbers", "no reference"],
)
def test_ordinary_references_are_let_through(values):
    scan_interpolations(values)


@pytest.mark.parametrize(
    "reference", ["${big.b0}", "${ big.b0 }", "${.b0}", "${..big.b0}", "${big[b0]}", "a ${big.b0} b", "${big.b0}${.b0}"]
)
def test_a_chain_of_references_that_unfolds_to_too_much_is_refused(reference):
    with pytest.raises(ConfigError, match="unfolds to too much") as caught:
        scan_interpolations(chain(reference))
    assert caught.value.expected == f"at most {MAX_EXPANDED:,} characters"
    assert caught.value.where.startswith("big.b")


def test_a_name_with_a_dash_hides_nothing():
    with pytest.raises(ConfigError, match="unfolds to too much"):
        scan_interpolations(chain("${big.b-0}", first="b-0"))


def test_a_reference_to_a_mapping_counts_all_that_is_below():
    values = {f"m{n}": {"a": f"${{m{n - 1}}}", "b": f"${{m{n - 1}}}"} for n in range(1, 30)}
    with pytest.raises(ConfigError, match="unfolds to too much"):
        scan_interpolations({"m0": {"a": "x", "b": "x"}, **values})


@pytest.mark.parametrize(
    "reference",
    [
        "${oc.select:big.b0}",
        "${oc.select:big.b0,x}",
        "${ oc.select : big.b0}",
        "${oc.dict.values:big}",
        "${oc.dict.keys:big}",
        "${oc.create:${big.b0}}",
        "${oc.decode:${big.b0}}",
        "${oc.deprecated:big.b0}",
        "${big.${name}}",
        "${oc.env:NOWHERE,${big.b0}}",
    ],
)
def test_what_can_not_be_counted_is_refused_with_its_key(reference):
    with pytest.raises(ConfigError, match="not allowed") as caught:
        scan_interpolations({"big": {"b0": "x"}, "name": "b0", "a": ["", {"b": reference}]})
    assert caught.value.where == "a.1.b"


@pytest.mark.parametrize("values", [{"a": "${a}"}, {"a": "${b}", "b": "${a}"}, {"a": {"b": "${a}"}}, {"a": "${..a}"}])
def test_a_cycle_is_left_to_whoever_resolves_it(values):
    scan_interpolations(values)


@given(st.dictionaries(st.sampled_from("abc"), st.text(alphabet="${}.:abc[] ", max_size=20), max_size=3))
def test_any_text_is_let_through_or_refused_with_its_key(values):
    refused = None
    try:
        scan_interpolations(values)
    except ConfigError as error:
        refused = error.where
    assert refused is None or refused in values
