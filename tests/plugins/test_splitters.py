"""Which part a row goes to."""

# ruff: noqa: DTZ001  columns hold times without a zone

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, DataError
from engine.plugin import PARTS, Folds, Roles, Splitter
from engine.registry import build
from plugins.splitters.chronological import Chronological
from plugins.splitters.group import Group
from plugins.splitters.group_k_fold import GroupKFold
from plugins.splitters.hash import Hash
from plugins.splitters.k_fold import KFold
from plugins.splitters.predefined import Predefined
from plugins.splitters.random import Random
from plugins.splitters.rolling_origin import RollingOrigin
from plugins.splitters.stratified import Stratified
from plugins.splitters.stratified_k_fold import StratifiedKFold

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
def test_random_and_chronological_give_the_shares_up_to_rounding(shares: tuple[float, ...], rows: int) -> None:
    given = dict(zip(PARTS, shares, strict=True))
    for splitter, column in ((Random(**given), "id"), (Chronological(**given), "time")):
        counts = Counter(split(splitter, **{column: list(range(rows))}))
        assert all(within_one(counts[part], rows * share) for part, share in given.items())
        assert all(share or not counts[part] for part, share in given.items())


@given(SHARES, st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=100))
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


GROUPS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", None]), min_size=1, max_size=60)


@given(SHARES, GROUPS, st.integers(0, 3), st.randoms())
def test_no_group_is_in_two_parts_and_the_shares_are_kept_as_nearly_as_groups_allow(shares, groups, seed, random):
    given = dict(zip(PARTS, shares, strict=True))
    parts = split(Group(**given, columns=("id",), seed=seed), id=groups)
    of = {group: {part for part, own in zip(parts, groups, strict=True) if own == group} for group in groups}
    assert all(len(found) == 1 for found in of.values())
    largest, counts = max(Counter(groups).values()), Counter(parts)
    assert all(abs(counts[part] - share * len(groups)) <= largest * len(PARTS) for part, share in given.items())
    shuffled = random.sample(groups, len(groups))
    again = split(Group(**given, columns=("id",), seed=seed), id=shuffled)
    assert {group: {part} for group, part in zip(shuffled, again, strict=True)} == of, "the order of rows does not matter"


def folds_of(splitter: Folds, **columns: Any) -> list[list[str]]:
    return [split(splitter.model_copy(update={"fold": fold}), **columns) for fold in range(splitter.folds)]


@given(
    st.integers(2, 6), st.sampled_from([0.0, 0.2, 0.5]), st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=60)
)
@pytest.mark.parametrize("kind", [KFold, StratifiedKFold, GroupKFold])
def test_each_row_validates_in_one_fold_or_is_tested_in_all(kind, folds, test, labels):
    found = folds_of(kind(folds=folds, test=test, seed=1), id=labels, label=labels)
    for parts in zip(*found, strict=True):
        assert Counter(parts) in ({"test": folds}, {"validation": 1, "train": folds - 1})
    tested = found[0].count("test")
    assert kind is GroupKFold or abs(tested - test * len(labels)) <= (1 if kind is KFold else 2)
    sizes = [parts.count("validation") for parts in found]
    assert kind is GroupKFold or max(sizes) - min(sizes) <= 1


@given(st.integers(2, 5), st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=80))
def test_each_fold_has_as_many_rows_of_a_class_as_any_other_or_one_more(folds, labels):
    found = folds_of(StratifiedKFold(folds=folds, test=0.25), label=labels)
    for label in set(labels):
        counts = [
            [(part, own) for part, own in zip(parts, labels, strict=True)].count(("validation", label)) for parts in found
        ]
        assert max(counts) - min(counts) <= 1


@given(GROUPS, st.integers(2, 4))
def test_no_group_is_in_two_folds(groups, folds):
    for parts in folds_of(GroupKFold(folds=folds, columns=("id",)), id=groups):
        assert all(len({p for p, own in zip(parts, groups, strict=True) if own == group}) == 1 for group in groups)


@given(st.lists(st.none() | st.integers(0, 50), min_size=1, max_size=60), st.integers(2, 5), st.sampled_from([None, 3.0]))
@pytest.mark.parametrize("window", ["expanding", "sliding"])
def test_what_is_learned_from_lies_before_what_validates_and_that_before_what_is_tested(window, times, folds, gap):
    found = folds_of(RollingOrigin(folds=folds, window=window, gap=gap), time=pl.Series(times, dtype=pl.Int64))
    for parts in found:
        of = {p: [t for q, t in zip(parts, times, strict=True) if q == p and t is not None] for p in PARTS}
        for earlier, later, least in (("train", "validation", gap or 0), ("validation", "test", 0), ("train", "test", 0)):
            if of[earlier] and of[later]:
                assert max(of[earlier]) + least < min(of[later]) + (earlier == "train" and gap is not None)
        assert all(part is None for part, time in zip(parts, times, strict=True) if time is None)


def test_rolling_origin_learns_from_more_and_more_or_from_the_last_block_alone():
    times = [datetime(2013, 1, 1) + timedelta(days=day) for day in range(10)]
    expanding = ["".join((part or "-")[:2] for part in parts) for parts in folds_of(RollingOrigin(folds=3), time=times)]
    assert expanding == ["trtrvava----tete", "trtrtrtrvava--tete", "trtrtrtrtrtrvavatete"]
    sliding = RollingOrigin(folds=3, window="sliding", gap="1d", test=0)
    found = ["".join((part or "-")[0] for part in parts) for parts in folds_of(sliding, time=times[:8])]
    assert found == ["t-vv----", "--t-vv--", "----t-vv"]


@pytest.mark.parametrize(("gap", "values"), [("7d", [1, 2, 3, 4]), (7.0, [datetime(2013, 1, day) for day in (1, 2, 3, 4)])])
def test_a_gap_that_is_none_of_the_columns_is_refused(gap, values):
    with pytest.raises(DataError, match="makes no sense"):
        split(RollingOrigin(folds=2, gap=gap, test=0), time=values)


def test_predefined_takes_the_parts_from_a_column_and_leaves_out_what_it_does_not_know():
    splitter = Predefined(column="set", train=("1", "2"), validation=("3",), test=())
    assert split(splitter, set=[1, 3, 2, 4, None]) == ["train", "validation", "train", None, None]
    assert splitter.parts == ("train", "validation")
    with pytest.raises(ValueError, match="'3' stands for two parts"):
        Predefined(column="set", train=("3",), validation=("3",))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from("xyz")), min_size=40, max_size=120), st.integers(0, 3))
def test_several_labels_are_each_spread_over_the_parts_by_their_shares(rows, seed):
    columns = {name: [row[place] for row in rows] for place, name in enumerate("abc")}
    parts = split(Stratified(by=("a", "b", "c"), seed=seed), **columns)
    labels = [("a", True), ("b", True), *(("c", value) for value in "xyz")]
    counted = [("rows", Counter(parts))] + [
        (label, Counter(part for part, value in zip(parts, columns[name], strict=True) if value == label))
        for name, label in labels
    ]
    for _, counts in counted:
        total = sum(counts.values())
        assert all(abs(counts[part] - share * total) <= 6 for part, share in zip(PARTS, (0.6, 0.2, 0.2), strict=True))


def test_a_fold_that_is_none_is_refused():
    with pytest.raises(ValueError, match="fold must be from 0 to 2"):
        KFold(folds=3, fold=3)


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 1"):
        Random(train=0.9)
