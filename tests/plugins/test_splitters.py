"""Which part a row goes to."""

# ruff: noqa: DTZ001  columns hold times without a zone

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.plugin import PARTS, Roles, Splitter
from engine.registry import build
from plugins.splitters.chronological import Chronological
from plugins.splitters.hash import Hash
from plugins.splitters.random import Random
from plugins.splitters.stratified import Stratified

ROLES = Roles(task="classification", target="label", key=("id",), time="time")
NONE = Roles(task="regression", target="label", key=(), time=None)
FROZEN_RANDOM, FROZEN_HASH = "rereraraarrr", "rrearrraraea"  # the second letters of the parts
SHARES = st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.2, 0.0), (0.7, 0.0, 0.3), (1.0, 0.0, 0.0), (0.1, 0.2, 0.7)])


def split(splitter: Splitter, **columns: Any) -> list[str]:
    return split_by(splitter, ROLES, **columns)


def split_by(splitter: Splitter, roles: Roles, **columns: Any) -> list[str]:
    return pl.DataFrame(columns).select(splitter.assign(roles).alias("part"))["part"].to_list()


def within_one(found: int, wanted: float) -> bool:
    return abs(found - wanted) <= 1


@given(SHARES, st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_random_and_chronological_give_the_shares_up_to_rounding(shares: tuple[float, ...], rows: int) -> None:
    given = dict(zip(PARTS, shares, strict=True))
    for splitter, column in ((Random(**given), "id"), (Chronological(**given), "time")):
        counts = Counter(split(splitter, **{column: list(range(rows))}))
        assert all(within_one(counts[part], rows * share) for part, share in given.items())
        assert all(share or not counts[part] for part, share in given.items())


@given(SHARES, st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=100))
@settings(max_examples=40, deadline=None)
def test_stratified_gives_the_shares_in_each_class(shares: tuple[float, ...], labels: list[str | None]) -> None:
    given = dict(zip(PARTS, shares, strict=True))
    parts = split(Stratified(**given), label=labels)
    for label, rows in Counter(labels).items():
        counts = Counter(part for part, own in zip(parts, labels, strict=True) if own == label)
        assert all(within_one(counts[part], rows * share) for part, share in given.items())


@pytest.mark.parametrize("name", ["random", "stratified", "hash"])
def test_a_seed_decides_the_lots(name: str) -> None:
    columns: dict[str, Any] = {"id": list(range(200)), "label": ["a", "b"] * 100}
    first, again, other = (build("splitter", {"use": name, "seed": seed}) for seed in (1, 1, 2))
    assert isinstance(first, Splitter)
    assert isinstance(again, Splitter)
    assert isinstance(other, Splitter)
    assert split(first, **columns) == split(again, **columns) != split(other, **columns)


def test_the_lots_of_random_and_hash_are_frozen() -> None:
    assert "".join(part[1] for part in split(Random(), id=list(range(12)))) == FROZEN_RANDOM
    assert "".join(part[1] for part in split(Hash(), id=[f"key {n}" for n in range(12)])) == FROZEN_HASH


def test_chronological_puts_later_times_into_later_parts_and_keeps_equal_times_together() -> None:
    times = [9, 1, 1, 1, 1, 1, 1, 5, 7, None]
    parts = split(Chronological(), time=[None if t is None else datetime(2013, 1, 1) + timedelta(days=t) for t in times])
    assert parts == ["test", *["train"] * 6, "validation", "test", "train"]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=50, unique=True), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_hash_keeps_a_rows_part_when_rows_are_added_or_reordered(keys: list[str], cut: int) -> None:
    whole = dict(zip(keys, split(Hash(), id=keys), strict=True))
    few = keys[:cut][::-1]
    assert split(Hash(), id=few) == [whole[key] for key in few]


def test_hash_gives_the_shares_on_average() -> None:
    counts = Counter(split(Hash(), id=list(range(20_000))))
    assert counts["train"] == pytest.approx(12_000, rel=0.02)
    assert counts["test"] == pytest.approx(4_000, rel=0.05)


def test_hash_does_not_care_for_the_width_of_numbers_nor_the_unit_of_times() -> None:
    numbers = pl.Series(range(50))
    assert split(Hash(), id=numbers.cast(pl.Int32)) == split(Hash(), id=numbers.cast(pl.UInt64))
    times = pl.Series([datetime(2013, 1, 1) + timedelta(hours=n) for n in range(50)])
    assert split(Hash(), id=times.dt.cast_time_unit("ms")) == split(Hash(), id=times.dt.cast_time_unit("ns"))
    assert split(Hash(), id=times.dt.replace_time_zone("UTC")) == split(Hash(), id=times)


def test_hash_tells_keys_apart_whose_joined_text_is_equal() -> None:
    lots = Hash()._lots(pl.DataFrame({"a": ["ab", "a"], "b": ["c", "bc"]}).to_struct())
    assert lots.n_unique() == 2


@pytest.mark.parametrize("splitter", [Chronological(), Hash(), Stratified()])
def test_a_splitter_says_which_role_it_lacks_and_how_to_give_it(splitter: Splitter) -> None:
    with pytest.raises(ConfigError, match="try"):
        splitter.needs(NONE)
    assert splitter.needs(ROLES) in (["time"], ["id"], ["label"])


@pytest.mark.parametrize(
    "splitter", [Chronological(column="x"), Hash(columns=("x",)), Stratified(by="x")], ids=lambda s: type(s).__name__
)
def test_a_column_that_is_named_takes_the_place_of_the_role(splitter: Splitter) -> None:
    assert splitter.needs(NONE) == ["x"]
    assert len(split_by(splitter, NONE, x=[1, 2, 3])) == 3


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 1"):
        Random(train=0.9)
