from __future__ import annotations

from datetime import date
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.errors import ConfigError, UnknownName
from engine.validate import dotted, validated


class Constant(BaseModel):
    model_config = ConfigDict(extra="forbid")

    constant: int | str


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.rstrip("_"), validate_by_name=True)

    columns: Literal["all", "numeric"] | tuple[str, ...] = "all"
    with_: Literal["mean", "median"] | Constant = "mean"
    bound: int | date | None = None
    share: float = Field(default=0.5, ge=0, le=1)
    names: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _columns_are_named(self) -> Step:
        if not self.columns:
            raise ValueError("name a column at least")
        return self


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(description="What it is called.")
    steps: tuple[Step, ...] = ()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("encode",), "encode"),
        (("encode", 2, "columns"), "encode[2].columns"),
        (("a", 0, 1, "b", "c"), "a[0][1].b.c"),
    ],
)
def test_a_path_reads_as_people_write_it(path, text):
    assert dotted(path) == text


def test_what_is_right_becomes_the_model():
    assert validated(Whole, {"title": "x", "steps": [{"with": "median"}]}, ()).steps[0].with_ == "median"


@pytest.mark.parametrize(
    ("values", "what", "where", "hint"),
    [
        ({"title": "x", "stps": []}, "unknown key 'stps'", "top.stps", "did you mean 'steps'?"),
        (
            {"title": "x", "steps": [{}, {"colums": "all"}]},
            "unknown key 'colums'",
            "top.steps[1].colums",
            "did you mean 'columns'?",
        ),
        ({"title": "x", "steps": [{"wiht": "mean"}]}, "unknown key 'wiht'", "top.steps[0].wiht", "did you mean 'with'?"),
        ({"title": 1, "zzz": 1}, "unknown key 'zzz'", "top.zzz", ""),
        (
            {"steps": [{"with": {"constnat": 1}}], "title": "x"},
            "unknown key 'constnat'",
            "top.steps[0].with.constnat",
            "did you mean 'constant'?",
        ),
    ],
    ids=["top", "nested", "an alias", "before anything else", "in a union"],
)
def test_an_unknown_key_gets_its_place_and_the_nearest_known_one(values, what, where, hint):
    with pytest.raises(UnknownName) as caught:
        validated(Whole, values, ("top",))
    assert (caught.value.what, caught.value.where, caught.value.hint) == (what, where, hint)


@pytest.mark.parametrize(
    ("step", "what", "where", "expected", "found"),
    [
        ({"share": 2}, "wrong value for 'share'", "steps[0].share", "input should be less than or equal to 1", "2"),
        (
            {"columns": 3},
            "wrong value for 'columns'",
            "steps[0].columns",
            "input should be 'all' or 'numeric', or input should be a list",
            "3",
        ),
        ({"with": "medain"}, "wrong value for 'with'", "steps[0].with", "input should be 'mean' or 'median'", "'medain'"),
        ({"names": {"a": "x"}}, "wrong value for 'a'", "steps[0].names.a", "input should be a valid integer", "'x'"),
        ({"bound": "much"}, "wrong value for 'bound'", "steps[0].bound", "input should be a valid integer", "'much'"),
        ({"share": [1] * 100}, "wrong value for 'share'", "steps[0].share", "input should be a valid number", "[1, 1, 1, 1"),
    ],
    ids=["out of range", "neither word nor list", "wrong word", "in a mapping", "one of several types", "long"],
)
def test_a_wrong_value_gets_its_place_what_was_expected_and_what_was_found(step, what, where, expected, found):
    with pytest.raises(ConfigError) as caught:
        validated(Whole, {"title": "x", "steps": [step]}, ())
    error = caught.value
    assert (error.what, error.where) == (what, where)
    assert error.expected.startswith(expected)
    assert error.found.startswith(found)
    assert len(error.found) <= 80


def test_a_missing_key_says_what_it_is_for():
    with pytest.raises(ConfigError) as caught:
        validated(Whole, {}, ("top",))
    assert (caught.value.what, caught.value.where) == ("the key 'title' is missing", "top.title")
    assert caught.value.expected == "What it is called."


def test_what_a_model_says_itself_is_said_unchanged():
    with pytest.raises(ConfigError) as caught:
        validated(Whole, {"title": "x", "steps": [{"columns": []}]}, ("top",))
    assert (caught.value.what, caught.value.where) == ("name a column at least", "top.steps[0]")


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text() | st.lists(st.integers()), max_size=3))
def test_whatever_is_given_is_a_model_or_a_config_error(values):
    where = "step"
    try:
        validated(Step, values, ("step",))
    except ConfigError as error:
        where = error.where
    assert where.startswith("step")
