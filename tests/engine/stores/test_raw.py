"""What every raw store promises, as one list of named checks, and what only the one in MongoDB does."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import column, dataframes

from engine.errors import Corrupt, DataError, HostError
from engine.names import Secret
from engine.stores import mongo_raw
from engine.stores.artifacts import Artifact, ArtifactStore
from engine.stores.mongo_raw import MongoRaw
from engine.stores.raw import RawStore, Slot

SLOT = Slot("raw", "flights", "0190-b1", 3)
ZONE = "America/New_York"


def at(*parts):
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)


FRAME = pl.DataFrame(
    [
        pl.Series("i8", [-128, None, 127], pl.Int8),
        pl.Series("i64", [-(2**63), None, 2**63 - 1], pl.Int64),
        pl.Series("u32", [0, None, 2**32 - 1], pl.UInt32),
        pl.Series("u64", [0, None, 2**64 - 1], pl.UInt64),
        pl.Series("i128", [-(2**127), None, 2**127 - 1], pl.Int128),
        pl.Series("u128", [0, None, 2**128 - 1], pl.UInt128),
        pl.Series("f16", [0.5, None, -0.0], pl.Float16),
        pl.Series("f32", [float("nan"), None, -0.0], pl.Float32),
        pl.Series("f64", [0.1, float("-inf"), float("nan")], pl.Float64),
        pl.Series("plain", [0.1, None, 1e300], pl.Float64),
        pl.Series("text", ["", None, "é\0\U0001f427"], pl.String),
        pl.Series("bytes", [b"", None, b"\xff\0"], pl.Binary),
        pl.Series("yes", [True, None, False], pl.Boolean),
        pl.Series("day", [date(1, 1, 1), None, date(9999, 12, 31)], pl.Date),
        pl.Series("long_ago", [-1_000_000, None, 5_000_000], pl.Int32).cast(pl.Date),
        pl.Series("clock", [time(0), None, time(23, 59, 59, 999_999)], pl.Time),
        pl.Series("ms", [at(2013, 1, 1), None, at(1900, 1, 1, 1, 2, 3, 4000)], pl.Datetime("ms")),
        pl.Series("hour", [at(2013, 1, 1, 5), None, at(2013, 7, 1)], pl.Datetime("us", ZONE)),
        pl.Series("us", [at(2013, 1, 1), None, at(1900, 1, 1, 1, 2, 3, 4)], pl.Datetime("us", "UTC")),
        pl.Series("ns", [1, None, -(2**63)], pl.Int64).cast(pl.Datetime("ns")),
        pl.Series("took", [timedelta(days=-3), None, timedelta(microseconds=1)], pl.Duration("us")),
        pl.Series("price", [Decimal("-99999999999999999999999999999999999.123"), None, Decimal("0.001")], pl.Decimal(38, 3)),
        pl.Series("kind", ["b", None, "a"], pl.Categorical),
        pl.Series("size", ["L", None, "S"], pl.Enum(["S", "M", "L"])),
        pl.Series("nothing", [None, None, None], pl.Null),
        pl.Series("list", [["a", None], [], None], pl.List(pl.String)),
        pl.Series("numbers", [[float("nan"), None], [], None], pl.List(pl.Float32)),
        pl.Series("pair", [[date(2013, 1, 1), None], None, [None, None]], pl.Array(pl.Date, 2)),
        pl.Series(
            "both", [{"a": 1, "b": [b"x"]}, None, {"a": None, "b": None}], pl.Struct({"a": pl.UInt64, "b": pl.List(pl.Binary)})
        ),
        pl.Series("many", [[{"$x.y": 1}, None], [], [{"$x.y": None}]], pl.List(pl.Struct({"$x.y": pl.Int8}))),
    ]
)
OTHER = FRAME.tail(2)
HOSTILE = pl.DataFrame(
    {name: [n, None] for n, name in enumerate(["", "a.b", "$set", "_id", "_batch", "_row", "_partition", "%", "%2E"])}
)


@dataclass(frozen=True)
class Place:
    """A raw store of a test, and a way to change a row that it keeps."""

    store: RawStore
    root: Path
    spoil: Callable[[Artifact], None]

    def put(self, frame: pl.DataFrame, slot: Slot = SLOT) -> Artifact:
        """Write a file to the store's scratch folder and have it kept."""
        return self.store.put(self.file(frame), slot)

    def file(self, frame: pl.DataFrame) -> Path:
        """Write a file to the store's scratch folder."""
        file = self.root / "tmp" / f"{uuid4().hex}.parquet"
        file.parent.mkdir(exist_ok=True, parents=True)
        frame.write_parquet(file)
        return file

    def read(self, artifact: Artifact) -> pl.DataFrame:
        """Read as another process would."""
        return pickle.loads(pickle.dumps(self.store)).scan(artifact).collect()


def check_rows_come_back_as_they_were(place: Place) -> None:
    artifact = place.put(FRAME)
    assert artifact.rows == 3
    assert_frame_equal(place.read(artifact), FRAME)


def check_no_rows_come_back_with_their_types(place: Place) -> None:
    artifact = place.put(FRAME.clear())
    assert (artifact.rows, place.store.holds(artifact)) == (0, True)
    assert_frame_equal(place.read(artifact), FRAME.clear())


def check_columns_may_be_called_anything(place: Place) -> None:
    assert_frame_equal(place.read(place.put(HOSTILE)), HOSTILE)


def check_rows_keep_their_order(place: Place) -> None:
    frame = pl.DataFrame({"n": range(20_000, 0, -1)})
    assert_frame_equal(place.read(place.put(frame)), frame)


def check_the_file_is_used_up(place: Place) -> None:
    place.put(FRAME)
    assert list((place.root / "tmp").iterdir()) == []


def check_the_same_rows_are_kept_once(place: Place) -> None:
    first, second = place.put(FRAME), place.put(FRAME)
    assert first == second
    assert [one.path for one in place.store.found()] == [first.file.path]
    assert_frame_equal(place.read(second), FRAME)


def check_writers_of_the_same_rows_at_once_come_to_one_piece(place: Place) -> None:
    frame = pl.DataFrame({"n": range(3_000)})
    sources, together = [place.file(frame) for _ in range(4)], threading.Barrier(4)

    def put(file: Path) -> Artifact:
        together.wait(timeout=20)
        return pickle.loads(pickle.dumps(place.store)).put(file, SLOT)

    with ThreadPoolExecutor(4) as pool:
        (one,) = set(pool.map(put, sources))
    assert [found.path for found in place.store.found()] == [one.file.path]
    assert_frame_equal(place.read(one), frame)


def check_rows_of_another_slot_are_another_piece(place: Place) -> None:
    slots = [
        SLOT,
        replace(SLOT, number=4),
        replace(SLOT, batch="b2"),
        replace(SLOT, dataset="e"),
        replace(SLOT, area="quarantine"),
    ]
    pieces = [place.put(FRAME.head(2), slot) for slot in slots]
    assert sorted(one.path for one in place.store.found()) == sorted({piece.file.path for piece in pieces})
    assert len({piece.digest for piece in pieces}) == 1


def check_other_rows_of_a_slot_are_another_piece(place: Place) -> None:
    one, other = place.put(FRAME), place.put(OTHER)
    assert one.file.path != other.file.path
    assert_frame_equal(place.read(one), FRAME)
    assert_frame_equal(place.read(other), OTHER)


def check_what_is_removed_is_gone_and_can_be_kept_again(place: Place) -> None:
    artifact, other = place.put(FRAME), place.put(OTHER)
    for _ in range(2):
        place.store.remove(artifact.file.path)
    assert not place.store.holds(artifact)
    with pytest.raises(HostError) as caught:
        place.store.scan(artifact)
    assert caught.value.hint == "run again: what is missing is made anew"
    assert place.put(FRAME) == artifact
    assert [place.store.holds(one) for one in (artifact, other)] == [True, True]


def check_what_is_there_is_told_with_its_size_and_age(place: Place) -> None:
    artifact = place.put(FRAME)
    (found,) = place.store.found()
    assert (found.path, found.bytes) == (artifact.file.path, artifact.file.bytes)
    assert found.bytes > 0
    assert abs(found.age) < 3600


def check_what_was_changed_is_noticed_and_can_be_kept_again(place: Place) -> None:
    artifact = place.put(FRAME)
    place.store.check(artifact)
    place.spoil(artifact)
    with pytest.raises(Corrupt):
        place.read(artifact)
    assert place.put(FRAME) == artifact
    assert_frame_equal(place.read(artifact), FRAME)


def check_a_piece_that_was_read_is_checked_again_when_that_is_asked_for(place: Place) -> None:
    artifact = place.put(FRAME)
    place.store.scan(artifact)
    place.spoil(artifact)
    with pytest.raises(Corrupt):
        place.store.check(artifact)


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


@pytest.fixture
def raw(mongo_uri: Secret, database: str, tmp_path: Path) -> Place:
    """The store in MongoDB."""

    def spoil(_: Artifact) -> None:
        with client(mongo_uri) as connection:
            assert connection[database]["raw.flights"].update_one({"_row": 2}, {"$set": {"i64": 1}}).modified_count == 1

    return Place(MongoRaw(mongo_uri, database), tmp_path, spoil)


@pytest.fixture(params=["parquet", "mongo"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Another implementation is another parameter."""
    if request.param == "mongo":
        return request.getfixturevalue("raw")
    store = ArtifactStore(tmp_path)

    def spoil(artifact: Artifact) -> None:
        file = tmp_path / artifact.file.path
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

    return Place(store.raw, tmp_path, spoil)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_raw_store_keeps_its_promises(place, check):
    check(place)


def client(uri):
    from pymongo import MongoClient  # what an installation without the extra lacks

    return MongoClient(uri.get_secret_value())


NAMES = st.sampled_from(["a", "", "a.b", "$a", "_id", "%", "é", "_row", "*"]) | st.text(max_size=4)
KINDS = [
    *(pl.Int8, pl.Int32, pl.Int64, pl.UInt8, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64, pl.String, pl.Binary),
    *(pl.Boolean, pl.Date, pl.Time, pl.Datetime, pl.Duration, pl.Decimal, pl.Categorical, pl.Null, pl.Enum(["a", "b"])),
    *(pl.List, pl.Array, pl.Struct),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_rows_come_back_as_they_were(raw, data):
    names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    frame = data.draw(
        dataframes([column(name, dtype=None, allow_null=True) for name in names], max_size=6, allowed_dtypes=KINDS)
    )
    artifact = raw.put(frame)
    assert_frame_equal(raw.read(artifact), frame)


@pytest.mark.parametrize("rows", [6, 7, 20])
def test_more_rows_than_are_in_memory_at_once_are_written_and_read_in_pieces(raw, monkeypatch, rows):
    monkeypatch.setattr(mongo_raw, "SLICE", 7)
    monkeypatch.setattr(mongo_raw, "INSERT", 3)
    frame = pl.DataFrame({"n": range(rows), "l": [[n] for n in range(rows)]})
    artifact = raw.put(frame)
    monkeypatch.undo()
    assert_frame_equal(raw.read(artifact), frame)
    assert raw.put(frame) == artifact


def test_documents_are_what_a_person_expects_of_them(raw, mongo_uri, database):
    frame = FRAME.select("i64", "plain", "text", "day", "hour", "list", "both", "price", "kind").tail(1)
    raw.put(frame)
    with client(mongo_uri) as connection:
        (document,) = connection[database]["raw.flights"].find({}, {"_id": 0})
    assert document.pop("_partition").startswith("0003-")
    assert document == {
        "_batch": SLOT.batch,
        "_row": 1,
        "i64": 2**63 - 1,
        "plain": 1e300,
        "text": "é\0\U0001f427",
        "day": at(9999, 12, 31),
        "hour": at(2013, 7, 1),
        "list": None,
        "both": {"a": None, "b": None},
        "price": "0.001",
        "kind": "a",
    }


CHANGES = [
    *((name, "another") for name in FRAME.columns if name != "nothing"),
    *((name, change) for name in ("i64", "text", "both") for change in ("none", "missing", "wrong type")),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_value_that_was_changed_is_noticed_and_its_place_named(raw, mongo_uri, database, name, change):
    artifact = raw.put(FRAME)
    row = 1 if FRAME[name].is_null()[2] else 3
    with client(mongo_uri) as connection:
        documents = connection[database]["raw.flights"]
        old = documents.find_one({"_row": row})[name]
        other = {"another": another(old), "none": None, "wrong type": {"odd": 1} if not isinstance(old, dict) else "odd"}
        update = {"$unset": {name: ""}} if change == "missing" else {"$set": {name: other[change]}}
        assert documents.update_one({"_row": row}, update).modified_count == 1
    if change in ("none", "missing") and old != old:  # not a number: said by a field of its own
        assert_frame_equal(raw.read(artifact), FRAME)
        return
    with pytest.raises(Corrupt) as caught:
        raw.read(artifact)
    assert "raw.flights" in caught.value.what
    assert SLOT.batch in caught.value.what
    assert artifact.file.path.rpartition("/")[2] in caught.value.what


def another(value):
    match value:
        case bool():
            return not value
        case int():
            return value ^ 1
        case float():
            return 1.5
        case str():
            return {"a": "b", "S": "M", "L": "M"}.get(value, "7")
        case bytes():
            return b"other"
        case datetime():
            return at(2013, 1, 2)
        case list():
            return value[:-1]
        case dict():
            return {**value, "a": "7"}
    raise AssertionError(value)


@pytest.mark.parametrize("change", ["one less", "one more", "another number"])
def test_rows_that_are_missing_or_too_many_are_noticed(raw, mongo_uri, database, change):
    artifact = raw.put(FRAME)
    with client(mongo_uri) as connection:
        documents = connection[database]["raw.flights"]
        if change == "one less":
            documents.delete_one({"_row": 2})
        elif change == "one more":
            documents.insert_one({**documents.find_one({"_row": 1}, {"_id": 0}), "_row": 4})
        else:
            documents.update_one({"_row": 3}, {"$set": {"_row": 0}})
    with pytest.raises(Corrupt):
        raw.read(artifact)
    assert raw.store.holds(artifact) == (change == "another number")


def test_a_piece_without_its_record_is_unfinished_is_found_and_is_completed_by_the_next_writer(raw, mongo_uri, database):
    artifact = raw.put(FRAME)
    with client(mongo_uri) as connection:
        connection[database]["partitions"].delete_one({})
        connection[database]["raw.flights"].delete_one({"_row": 2})
    (left,) = raw.store.found()
    assert left.path == artifact.file.path
    assert left.bytes > 0
    assert abs(left.age) < 3600
    assert not raw.store.holds(artifact)
    assert raw.put(FRAME) == artifact
    assert_frame_equal(raw.read(artifact), FRAME)


def test_what_is_left_unfinished_can_be_removed(raw, mongo_uri, database):
    artifact = raw.put(FRAME)
    with client(mongo_uri) as connection:
        connection[database]["partitions"].delete_one({})
        raw.store.remove(artifact.file.path)
        assert list(raw.store.found()) == []
        assert connection[database]["raw.flights"].count_documents({}) == 0


def test_a_row_that_no_document_can_hold_is_refused(raw):
    with pytest.raises(DataError, match="does not fit into the MongoDB at") as caught:
        raw.put(pl.DataFrame({"x": ["a", "b" * 17_000_000]}))
    assert caught.value.expected == "at most 16 MB in one document"


def test_a_server_that_ends_while_rows_are_written_leaves_nothing_that_counts(start_mongo, database, tmp_path, monkeypatch):
    frame = pl.DataFrame({"n": range(2_000), "s": ["x" * 50] * 2_000})
    monkeypatch.setattr(mongo_raw, "INSERT", 500)
    seen = []
    with start_mongo() as server:
        raw = Place(MongoRaw(Secret(server.address), database), tmp_path, lambda _: None)
        insert = mongo_raw.Form.documents

        def documents(self, rows):
            seen.append(rows.height)
            if len(seen) == 3:
                server.kill()
            return insert(self, rows)

        monkeypatch.setattr(mongo_raw.Form, "documents", documents)
        with pytest.raises(HostError, match="can not be reached"):
            raw.put(frame)
        monkeypatch.setattr(mongo_raw.Form, "documents", insert)
    with start_mongo(urlsplit(server.address).port) as server:
        (left,) = raw.store.found()
        artifact = raw.put(frame)
        with client(Secret(server.address)) as connection:
            rows = [one["_row"] for one in connection[database]["raw.flights"].find()]
        assert left.path == artifact.file.path
        assert sorted(rows) == list(range(1, 2_001))
        assert_frame_equal(raw.read(artifact), frame)
    with pytest.raises(HostError, match=r"the MongoDB at mongodb://127\.0\.0\.1:\d+/ can not be reached"):
        raw.read(artifact)
