from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.errors import Corrupt, HostError
from engine.stores.artifacts import Artifact, ArtifactStore, plain, sink, store_at
from engine.stores.commit import StoredFile

FRAME = pl.DataFrame(
    {
        "whole": [1, None, -3],
        "part": [0.1, float("nan"), None],
        "text": ["a", "", None],
        "yes": [True, None, False],
        "day": [date(2013, 1, 1), None, date(1969, 12, 31)],
        "time": [datetime(2013, 1, 1, tzinfo=UTC), None, datetime(1900, 1, 1, 1, 2, 3, 4, tzinfo=UTC)],
        "list": [["a", "b"], [], None],
    },
    schema_overrides={"part": pl.Float32},
)
EMPTY = FRAME.clear()
TEXT = st.text(max_size=8)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


@pytest.mark.parametrize("frame", [FRAME, EMPTY, FRAME.select("text")], ids=["rows", "no rows", "one column"])
def test_a_frame_is_read_as_it_was_written(store, frame):
    artifact = store.write_frame(frame.lazy(), "a", "part-0000", {"why": "test"})
    assert_frame_equal(store.scan(artifact).collect(), frame)
    assert (artifact.rows, artifact.data()) == (frame.height, {"why": "test"})
    assert artifact.bytes == (store.root / artifact.file.path).stat().st_size


def test_rows_keep_their_order(store):
    frame = pl.LazyFrame({"n": range(400_000, 0, -1)}).with_columns(m=pl.col("n") % 7)
    artifact = store.write_frame(frame, "a", "p")
    assert store.scan(artifact).collect().equals(frame.collect())


def test_equal_rows_are_equal_bytes_however_they_came_in_pieces(store):
    frame = pl.DataFrame({"n": range(300_000), "text": [f"x{n % 7}" for n in range(300_000)]})
    pieces = pl.concat([frame[:1_000], frame[1_000:150_001], frame[150_001:]], rechunk=False)
    frame.write_csv(store.root / "rows.csv")
    lazily = pl.scan_csv(store.root / "rows.csv")
    assert len({store.write_frame(rows.lazy(), "a", "p").digest for rows in (frame, pieces, lazily)}) == 1


@pytest.mark.parametrize(
    "other",
    [
        FRAME.reverse(),
        FRAME.with_columns(whole=pl.lit(1)),
        FRAME.rename({"text": "word"}),
        FRAME.head(2),
        FRAME.cast({"part": pl.Float64}),
    ],
    ids=["order", "values", "names", "rows", "types"],
)
def test_other_rows_are_another_artifact(store, other):
    assert store.write_frame(other.lazy(), "a", "p").digest != store.write_frame(FRAME.lazy(), "a", "p").digest


def test_an_artifact_is_what_its_file_and_its_value_are_wherever_the_file_lies(store):
    here, there = (store.write_frame(FRAME.lazy(), place, "p", {"a": 1}) for place in ("a", "b"))
    other = store.adopt(here.file, {"a": 2})
    assert here.digest == there.digest != other.digest


def test_two_frames_are_written_and_counted_in_one_pass(tmp_path):
    split = FRAME.lazy().with_row_index("row")
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    seen = sink((split.filter(pl.col("row") > 0), first), (split.filter(pl.col("row") == 0), second), count=split)
    assert (seen, [pl.read_parquet(file).height for file in (first, second)]) == (3, [2, 1])


def test_a_frame_that_fails_leaves_no_file(store):
    bad = pl.LazyFrame({"x": ["a"]}).with_columns(pl.col("x").cast(pl.Int64))
    for _ in range(60):  # Polars may open a file after it has raised, about once in fifteen times
        with pytest.raises(pl.exceptions.PolarsError):
            store.write_frame(bad, "a", "p")
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_flipped_bit_is_noticed_and_the_file_named(store):
    artifact = store.write_frame(pl.LazyFrame({"n": range(1_000)}), "a", "p")
    path = store.root / artifact.file.path
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(Corrupt) as caught:
        store.scan(artifact)
    assert str(path) in caught.value.what
    assert artifact.file.digest in caught.value.expected


def test_a_file_that_is_spoilt_after_it_was_verified_is_noticed_too(store):
    artifact = store.write_frame(pl.LazyFrame({"n": range(1_000)}), "a", "p")
    path = store.path(artifact)
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(Corrupt):
        store.path(artifact)


def test_a_file_that_was_cut_is_neither_held_nor_read(store):
    artifact = store.write_frame(FRAME.lazy(), "a", "p")
    path = store.root / artifact.file.path
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.holds(artifact)
    with pytest.raises(Corrupt):
        store.scan(artifact)


def test_a_file_that_is_gone_is_made_anew_by_the_next_run(store):
    artifact = store.write_frame(FRAME.lazy(), "a", "p")
    assert store.holds(artifact)
    (store.root / artifact.file.path).unlink()
    assert not store.holds(artifact)
    with pytest.raises(HostError, match=r"cannot read .*/a/p-") as caught:
        store.scan(artifact)
    assert "run again" in caught.value.hint


def test_a_plain_value_needs_no_file(store):
    artifact = store.value({"b": 1, "a": [None, "x"]})
    assert (artifact.data(), artifact.file, artifact.rows) == ({"a": [None, "x"], "b": 1}, None, None)
    assert artifact == store.value({"a": [None, "x"], "b": 1})
    assert store.holds(artifact)
    assert list(store.root.iterdir()) == []
    with pytest.raises(TypeError, match="has no file"):
        store.path(artifact)


@given(
    st.dictionaries(TEXT, TEXT, max_size=3),
    st.none() | st.builds(StoredFile, TEXT, TEXT, st.integers(0)),
    st.none() | st.integers(0),
    st.lists(st.builds(Artifact, TEXT.map(json.dumps)), max_size=2),
)
def test_an_artifact_is_read_from_its_text(value, file, rows, beside):
    artifact = Artifact(plain(value), file, rows, tuple(beside))
    arrived = Artifact.from_json(artifact.to_json())
    assert (arrived, arrived.digest) == (artifact, artifact.digest)


def test_an_artifact_is_held_if_what_is_beside_it_is(store):
    beside = store.write_frame(FRAME.lazy(), "a", "beside")
    alone = store.write_frame(FRAME.lazy(), "a", "p")
    artifact = replace(alone, beside=(beside,))
    assert artifact.digest != alone.digest
    assert store.holds(artifact)
    (store.root / beside.file.path).unlink()
    assert (store.holds(artifact), store.holds(alone)) == (False, True)


def test_an_artifact_and_its_store_cross_to_another_process(store):
    artifact = store.write_frame(FRAME.lazy(), "a", "p")
    arrived, elsewhere = pickle.loads(pickle.dumps((artifact, store)))
    assert (arrived, arrived.digest) == (artifact, artifact.digest)
    assert_frame_equal(elsewhere.scan(arrived).collect(), FRAME)
    assert elsewhere is store_at(store.root)
