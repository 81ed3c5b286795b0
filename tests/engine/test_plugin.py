from __future__ import annotations

import subprocess
import sys
from typing import Literal

import polars as pl
import pytest
from pydantic import ValidationError

from engine.errors import DataError
from engine.plugin import PART, TARGET, Roles, Shares, Transformer, choose

SCHEMA = pl.Schema(
    {
        "whole": pl.Int64(),
        "name": pl.String(),
        "share": pl.Float32(),
        "kind": pl.Categorical(),
        "yes": pl.Boolean(),
        "when": pl.Datetime(),
        TARGET: pl.Float64(),
        PART: pl.String(),
    }
)
HEAVY = [
    "dask",
    "distributed",
    "hydra",
    "omegaconf",
    "pymongo",
    "sklearn",
    "skops",
    "bokeh",
    "jinja2",
    "rich",
    "scipy",
    "numpy.testing",
]


class Halves(Shares):
    def needs(self, roles: Roles) -> list[str]:
        return []

    def assign(self, roles: Roles) -> pl.Expr:
        return pl.lit("train")


class Fill(Transformer):
    with_: Literal["a", "b"] = "a"

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("all", ["whole", "name", "share", "kind", "yes", "when"]),
        ("numeric", ["whole", "share"]),
        ("text", ["name", "kind"]),
        ("boolean", ["yes"]),
        ("temporal", ["when"]),
        (("when", "whole"), ["when", "whole"]),
        ((), []),
    ],
)
def test_columns_are_a_group_in_the_order_of_the_frame_or_a_list_and_never_the_target(columns, names):
    assert choose(columns, SCHEMA) == names


@pytest.mark.parametrize("missing", ["wole", TARGET, PART])
def test_a_column_that_is_not_there_is_named_with_the_nearest_one(missing):
    with pytest.raises(DataError) as caught:
        choose(("name", missing), SCHEMA)
    assert caught.value.what == f"no column '{missing}'"
    assert caught.value.expected == "one of whole, name, share, kind, yes, when"
    assert (caught.value.hint == "did you mean 'whole'?") == (missing == "wole")


def test_a_plugin_is_an_unchangeable_value_that_knows_its_parameters():
    assert Fill(with_="b") == Fill.model_validate({"with": "b"}) != Fill()
    with pytest.raises(ValidationError, match="frozen"):
        Fill().with_ = "b"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Fill.model_validate({"wiht": "b"})


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (1, 0, 0), (1 / 3, 1 / 3, 1 / 3), (0.1, 0.2, 0.7)])
def test_shares_that_sum_to_one_are_a_split(shares):
    train, validation, test = shares
    assert Halves(train=train, validation=validation, test=test).train == train


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ((0.5, 0.3, 0.3), "must be 1, but they are 1.1"),
        ((0, 0.5, 0.5), "train must be more than 0"),
        ((1.5, -0.5, 0), "less than or"),
    ],
)
def test_other_shares_are_refused(shares, says):
    train, validation, test = shares
    with pytest.raises(ValidationError, match=says):
        Halves(train=train, validation=validation, test=test)


def test_a_plugin_author_needs_no_heavy_library():
    say = f"import sys, engine, engine.plugin; print([name for name in {HEAVY} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
