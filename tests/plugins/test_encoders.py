"""Encoders of categories and text: equal to their scikit-learn twins, merged in any way, and without a leak."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import TargetEncoder

from engine.errors import DataError
from engine.plugin import PART, TARGET, FittedTransformer
from engine.registry import build
from plugins.transformers.frequency import Frequency
from plugins.transformers.hash_categories import HashCategories
from plugins.transformers.target_encode import TargetEncode
from plugins.transformers.tf_idf import TfIdf

LEVELS = st.sampled_from(["a", "b", "é", "", None])
STEPS = [
    {"use": "frequency"},
    {"use": "hash_categories", "n": 3},
    {"use": "target_encode", "smooth": 2},
    {"use": "tf_idf", "column": "note"},
]
RNG = np.random.RandomState(7)
COLOURS = pl.DataFrame(
    {
        "colour": RNG.choice(["red", "green", "blue"], 400).tolist(),
        "size": RNG.normal(size=400),
        "number": RNG.normal(3, 2, 400),
        "pair": RNG.choice(["no", "yes"], 400).tolist(),
        "kind": RNG.choice(["x", "y", "z"], 400).tolist(),
    }
)


def learned(step: FittedTransformer, *parts: pl.DataFrame) -> pl.DataFrame:
    return step.finish(reduce(step.merge, (step.summarize(part.lazy()) for part in parts)))


def applied(step: FittedTransformer, frame: pl.DataFrame, state: pl.DataFrame) -> pl.DataFrame:
    return step.apply(frame.lazy(), state).collect()


def encoded(step: FittedTransformer, frame: pl.DataFrame, asked: pl.DataFrame | None = None) -> pl.DataFrame:
    return applied(step, frame if asked is None else asked, learned(step, frame))


def with_target(target: str) -> pl.DataFrame:
    return COLOURS.select("colour", "size", pl.col(target).alias(TARGET))


def rows(values: list[tuple[str | None, str | None, int, str]]) -> pl.DataFrame:
    schema = {"level": pl.String, "note": pl.String, "number": pl.Int64, TARGET: pl.String}
    return pl.DataFrame(values, schema=schema, orient="row")


ROWS = st.lists(
    st.tuples(LEVELS, st.sampled_from(["late late again", "on time", "", None]), st.integers(0, 5), st.sampled_from("xyz")),
    max_size=30,
).map(rows)


@pytest.mark.parametrize("node", STEPS, ids=lambda node: node["use"])
@given(parts=st.tuples(ROWS, ROWS, ROWS))
def test_any_way_of_merging_gives_what_the_whole_gives(node: dict[str, Any], parts: tuple[pl.DataFrame, ...]) -> None:
    step: Any = build("transformer", node)
    a, b, c = (step.summarize(part.lazy()) for part in parts)
    whole = step.summarize(pl.concat(parts).lazy())
    assert_frame_equal(step.merge(step.merge(a, b), c), whole, check_exact=True)
    assert_frame_equal(step.merge(c, step.merge(b, a)), whole, check_exact=True)
    assert_frame_equal(step.merge(a, step.summarize(parts[0].clear().lazy())), a, check_exact=True)


MANY = """
import hashlib, sys
import numpy as np, polars as pl
from engine.registry import build
rng = np.random.RandomState(0)
target = rng.normal(size=20_000)
rows = pl.LazyFrame({"t": rng.randint(0, 2000, 20_000).astype(str), "x": rng.normal(size=20_000), "__target__": target})
for node in ({"use": "target_encode"}, {"use": "select", "by": "correlation"}, {"use": "select", "by": "f_test", "keep": 1}):
    step = build("transformer", node)
    state = step.finish(step.merge(step.summarize(rows.head(999)), step.summarize(rows)))
    print(hashlib.md5(state.rechunk().write_ipc(None).getvalue()).hexdigest())
"""


def test_states_have_equal_bytes_whatever_the_number_of_threads() -> None:
    one, three = (
        subprocess.run(
            [sys.executable, "-c", MANY],
            env={**os.environ, "POLARS_MAX_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout.split()
        for threads in ("1", "3")
    )
    assert len(one) == 3
    assert one == three


# --- frequency and hashing ------------------------------------------------------------------------------------------


def test_frequency_gives_the_share_of_training_rows_and_nothing_to_what_was_not_seen() -> None:
    frame = pl.DataFrame({"t": ["a", "a", "b", None]})
    found = encoded(Frequency(), frame, pl.DataFrame({"t": ["a", "b", None, "new"]}))
    assert found["t"].to_list() == [0.5, 0.25, 0.25, 0.0]


def test_frequency_of_a_level_a_row_is_one_share_for_all() -> None:
    frame = pl.DataFrame({"t": [str(n) for n in range(1000)]})
    assert encoded(Frequency(), frame)["t"].unique().to_list() == [0.001]


@given(st.lists(st.tuples(LEVELS, LEVELS), min_size=1, max_size=20), st.integers(1, 9), st.booleans())
def test_hash_categories_gives_the_columns_of_feature_hasher(values: list[Any], n: int, alternate: bool) -> None:
    frame = pl.DataFrame(values, schema={"t": pl.String, "u": pl.String}, orient="row")
    found = encoded(HashCategories(n=n, alternate_sign=alternate), frame)
    known = [{name: text for name, text in row.items() if text is not None} for row in frame.to_dicts()]
    twin = FeatureHasher(n, alternate_sign=alternate).transform(known).toarray()
    assert found.columns == [f"hash_{number}" for number in range(n)]
    assert_allclose(found.to_numpy(), twin)


def test_hash_categories_takes_levels_that_training_never_saw() -> None:
    step = HashCategories(n=64)
    frame = pl.DataFrame({"t": ["new", "newer"]})
    assert_frame_equal(encoded(step, frame.clear(), frame), encoded(step, frame))
    assert encoded(step, frame).sum_horizontal().abs().to_list() == [1, 1]


def test_a_column_that_is_there_already_is_not_overwritten() -> None:
    with pytest.raises(DataError, match="already a column 'hash_1'"):
        encoded(HashCategories(), pl.DataFrame({"t": ["a"], "hash_1": [5]}))
    with pytest.raises(DataError, match="already a column 'note=late'"):
        encoded(TfIdf(column="note"), pl.DataFrame({"note": ["late"], "note=late": [5]}))
    frame = with_target("kind").with_columns(pl.lit(0).alias("colour:x"))
    with pytest.raises(DataError, match="already a column 'colour:x'"):
        encoded(TargetEncode(), frame)


# --- target encoding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smooth", [0.0, 1.0, 25.0])
@pytest.mark.parametrize(("target", "twin"), [("number", "continuous"), ("pair", "binary"), ("kind", "multiclass")])
def test_rows_outside_training_have_what_target_encoder_gives(target: str, twin: str, smooth: float) -> None:
    frame = with_target(target)
    asked = pl.DataFrame({"colour": ["red", "green", "blue", "new"], "size": [0.0] * 4})
    found = encoded(TargetEncode(smooth=smooth), frame, asked)
    other = TargetEncoder(smooth=smooth, target_type=twin).fit(frame.select("colour").to_numpy(), frame[TARGET].to_numpy())
    expected = other.transform(asked.select("colour").to_numpy())
    classes = ["x", "y", "z"] if target == "kind" else [None]
    names = [f"colour:{label}" if label else "colour" for label in classes]
    assert_allclose(found.select(names).to_numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("target", ["number", "pair"])
def test_a_training_row_has_the_encoding_that_the_other_folds_give(target: str) -> None:
    step = TargetEncode(smooth=3, folds=4, seed=11)
    frame = with_target(target)
    found = encoded(step, frame, frame.with_columns(pl.lit("train").alias(PART)))["colour"].to_numpy()
    fold = frame.select(step._fold(frame.schema)).to_series().to_numpy()
    assert set(fold) == {0, 1, 2, 3}
    for number in range(4):
        inside, outside = frame.filter(fold == number), frame.filter(fold != number)
        twin = TargetEncoder(smooth=3).fit(outside.select("colour").to_numpy(), outside[TARGET].to_numpy())
        assert_allclose(found[fold == number], twin.transform(inside.select("colour").to_numpy()).ravel(), rtol=1e-10)


def test_the_parts_that_are_not_training_have_the_mean_of_all_training_rows() -> None:
    frame = with_target("pair")
    step = TargetEncode()
    state = learned(step, frame)
    parts = frame.with_columns(pl.Series(PART, ["validation", "test"] * 200))
    assert_frame_equal(applied(step, parts, state).drop(PART), applied(step, frame, state), check_exact=True)


def test_categories_that_are_noise_do_not_inflate_the_score_on_training_rows() -> None:
    rng = np.random.RandomState(3)
    frame = pl.DataFrame(
        {
            "noise": [f"row {n}" for n in range(2000)],
            "rare": [f"group {n // 2}" for n in range(2000)],
            "x": rng.normal(size=2000),
            TARGET: rng.choice(["no", "yes"], 2000).tolist(),
        }
    )
    step = TargetEncode(smooth=0)
    state = learned(step, frame)
    truth = (frame[TARGET] == "yes").to_numpy()
    own = applied(step, frame, state)
    fair = applied(step, frame.with_columns(pl.lit("train").alias(PART)), state)
    # Each row its own mean: what would be learned without folds is the target itself.
    assert_allclose(own["noise"].to_numpy(), truth)
    assert fair["noise"].n_unique() <= 5
    for column in ("noise", "rare"):
        assert abs(np.corrcoef(fair[column].to_numpy(), truth)[0, 1]) < 0.06


def test_the_own_target_of_a_training_row_does_not_count() -> None:
    frame = with_target("number")
    step = TargetEncode()
    train = frame.with_columns(pl.lit("train").alias(PART))
    before = encoded(step, frame, train)["colour"][0]
    other = frame.with_columns(pl.when(pl.int_range(pl.len()) == 0).then(1e6).otherwise(TARGET).alias(TARGET))
    assert encoded(step, other, train)["colour"][0] == pytest.approx(before, rel=1e-8)


def test_equal_rows_share_a_fold_whatever_stands_around_them() -> None:
    step = TargetEncode()
    frame = with_target("pair").with_columns(pl.lit("train").alias(PART))
    state = learned(step, frame.drop(PART))
    whole = applied(step, frame, state)
    pieces = [applied(step, piece, state) for piece in (frame[:3], frame[3:150], frame[150:])]
    assert_frame_equal(pl.concat(pieces), whole, check_exact=True)


def test_rows_that_can_not_be_told_apart_are_refused() -> None:
    frame = pl.DataFrame({"t": ["a", "b"] * 200, TARGET: ["no", "yes"] * 200})
    with pytest.raises(DataError, match="can not cross-fit column 't'"):
        learned(TargetEncode(), frame)


def test_target_encode_learns_nothing_from_rows_without_a_target_and_needs_one() -> None:
    frame = pl.DataFrame({"t": ["a", "a", "b"], "n": [1, 2, 3], TARGET: [1.0, None, float("inf")]})
    assert encoded(TargetEncode(smooth=0), frame)["t"].to_list() == [1.0, 1.0, 1.0]
    with pytest.raises(DataError, match="needs a target"):
        TargetEncode().summarize(pl.LazyFrame({"t": ["a"]}))


def test_large_targets_are_added_up_without_a_wrap() -> None:
    frame = pl.DataFrame({"t": ["a"] * 4, "n": range(4), TARGET: [float(2**62)] * 4})
    assert encoded(TargetEncode(), frame)["t"].to_list() == [float(2**62)] * 4


# --- words ----------------------------------------------------------------------------------------------------------

TEXTS = st.lists(
    st.lists(st.sampled_from(["late", "Late", "on-time", "a", "é1", "über", "x_y", "!", "42"]), max_size=6).map(" ".join),
    min_size=1,
    max_size=15,
).filter(lambda texts: any(len(word) > 1 for text in texts for word in text.replace("!", " ").split()))


@given(TEXTS, st.sampled_from(["l1", "l2", None]))
def test_tf_idf_gives_what_tfidf_vectorizer_gives(texts: list[str], norm: Any) -> None:
    twin = TfidfVectorizer(norm=norm)
    expected = twin.fit_transform(texts).toarray()
    found = encoded(TfIdf(column="note", norm=norm), pl.DataFrame({"note": texts}))
    assert found.columns == [f"note={word}" for word in twin.get_feature_names_out()]
    assert_allclose(found.to_numpy(), expected, rtol=1e-12)


def test_the_vocabulary_is_the_most_frequent_words_and_of_equal_ones_the_first_by_name() -> None:
    frame = pl.DataFrame({"note": ["bb bb cc", "aa cc", "zz aa", None]})
    assert encoded(TfIdf(column="note", max_features=2), frame).columns == ["note=aa", "note=bb"]
    assert encoded(TfIdf(column="note", min_documents=2), frame).columns == ["note=aa", "note=cc"]
    assert encoded(TfIdf(column="note", max_share=0.5), frame).columns == ["note=bb", "note=zz"]


def test_text_that_is_missing_or_has_no_known_word_is_zero_everywhere() -> None:
    found = encoded(TfIdf(column="note"), pl.DataFrame({"note": ["late", "on"]}), pl.DataFrame({"note": [None, "", "new"]}))
    assert found.to_dict(as_series=False) == {"note=late": [0.0] * 3, "note=on": [0.0] * 3}


def test_tf_idf_takes_a_megabyte_of_text_in_a_cell() -> None:
    found = encoded(TfIdf(column="note", norm=None), pl.DataFrame({"note": ["late " * 200_000, "on"]}))
    assert found["note=late"][0] == pytest.approx(200_000 * (np.log(3 / 2) + 1))


def test_tf_idf_asks_for_text() -> None:
    with pytest.raises(DataError, match="column 'note' has no words"):
        TfIdf(column="note").summarize(pl.LazyFrame({"note": [1]}))
