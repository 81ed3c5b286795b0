"""Collections of a real server that speaks MongoDB's protocol, as the extractor reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from engine.errors import ConfigError, DataError, HostError, LevadaError
from engine.plugin import Source, Window
from engine.validate import validated
from plugins.extractors.mongo import Mongo
from tests import servers

pymongo = pytest.importorskip("pymongo")
bson = pytest.importorskip("bson")

pytestmark = pytest.mark.service

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def air(mongo_uri: str) -> Iterator[Any]:
    """A fresh database ``air``."""
    with pymongo.MongoClient(mongo_uri) as client:
        client.drop_database("air")
        yield client["air"]


def of(uri: str, collection: str = "flights", **parameters: Any) -> Mongo:
    return validated(Mongo, {"uri": uri, "database": "air", "collection": collection, **parameters}, ())


def read(extractor: Mongo, source: Source) -> pl.DataFrame:
    return pl.concat([extractor.read(partition).collect() for partition in source.partitions])


def delays(extractor: Mongo, window: Window | None = None) -> list[int]:
    source = extractor.plan(window or Window())
    return sorted(read(extractor, source)["delay"].to_list()) if source.partitions else []


def add(air: Any, *numbers: int) -> None:
    air.flights.insert_many({"delay": number, "at": NOON + timedelta(hours=number)} for number in numbers)


def test_documents_keep_their_nesting_and_every_value_exactly(air: Any, mongo_uri: str) -> None:
    owner = bson.ObjectId()
    air.flights.insert_one(
        {
            "_id": owner,
            "small": 1,
            "large": bson.Int64(2**62),
            "x": 0.1,
            "exact": bson.Decimal128("1.10"),
            "words": "é",
            "ok": True,
            "at": NOON + timedelta(milliseconds=1),
            "raw": b"\0\xff",
            "uuid": bson.Binary.from_uuid(UUID(int=7)),
            "nothing": None,
            "place": {"city": "Oslo", "points": [[1, 2], []], "tags": [{"a": 1}, {"b": "x"}]},
            "pattern": bson.Regex("a", "i"),
            "hollow": {},
        }
    )
    extractor = of(mongo_uri)
    found = read(extractor, extractor.plan())
    assert dict(found.schema) == {
        "_id": pl.String(),
        "small": pl.Int64(),
        "large": pl.Int64(),
        "x": pl.Float64(),
        "exact": pl.String(),
        "words": pl.String(),
        "ok": pl.Boolean(),
        "at": pl.Datetime("ms", "UTC"),
        "raw": pl.Binary(),
        "uuid": pl.String(),
        "nothing": pl.String(),
        "place": pl.Struct(
            {
                "city": pl.String,
                "points": pl.List(pl.List(pl.Int64)),
                "tags": pl.List(pl.Struct({"a": pl.Int64, "b": pl.String})),
            }
        ),
        "pattern": pl.String(),
        "hollow": pl.String(),
    }
    assert found.row(0, named=True) == {
        "_id": str(owner),
        "small": 1,
        "large": 2**62,
        "x": 0.1,
        "exact": "1.10",
        "words": "é",
        "ok": True,
        "at": NOON + timedelta(milliseconds=1),
        "raw": b"\0\xff",
        "uuid": str(UUID(int=7)),
        "nothing": None,
        "place": {"city": "Oslo", "points": [[1, 2], []], "tags": [{"a": 1, "b": None}, {"a": None, "b": "x"}]},
        "pattern": '{"$regularExpression": {"pattern": "a", "options": "i"}}',
        "hollow": "{}",
    }


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 0.5, None], pl.Float64, [1.0, 0.5, None]),
        ([bson.Int64(2**53 + 1), 0.5], pl.String, ["9007199254740993", "0.5"]),
        ([1, "1", True], pl.String, ["1", '"1"', "true"]),
        ([[1], [0.5]], pl.List(pl.Float64), [[1.0], [0.5]]),
        ([{"a": 1}, {"a": "x"}], pl.Struct({"a": pl.String}), [{"a": "1"}, {"a": '"x"'}]),
        ([{"a": 1}, [1]], pl.String, ['{"a": 1}', "[1]"]),
    ],
)
def test_values_of_several_types_become_text_that_tells_them_apart(
    air: Any, mongo_uri: str, values: list[Any], dtype: Any, expected: list[Any]
) -> None:
    air.flights.insert_many({"_id": number, "value": value} for number, value in enumerate(values))
    extractor = of(mongo_uri)
    found = read(extractor, extractor.plan())["value"]
    assert (found.dtype, found.to_list()) == (dtype, expected)


def test_a_wrong_guess_fails_and_is_learned_from_all_documents(air: Any, mongo_uri: str) -> None:
    air.flights.insert_many({"_id": number, "value": number} for number in range(1_500))
    air.flights.insert_many([{"_id": 1_500, "value": 0.5}, {"_id": 1_501, "value": 1, "late": "x"}])
    extractor = of(mongo_uri)
    (partition,) = extractor.plan().partitions
    with pytest.raises(pl.exceptions.ComputeError, match="value"):
        extractor.read(partition).collect()
    found = extractor.read(partition, thorough=True).collect()
    assert dict(found.schema) == {"_id": pl.Int64(), "value": pl.Float64(), "late": pl.String()}
    assert found["value"].to_list() == [*map(float, range(1_500)), 0.5, 1.0]


def test_a_time_that_can_not_be_read_is_set_aside(air: Any, mongo_uri: str, tmp_path: Path) -> None:
    far = bson.datetime_ms.DatetimeMS(2**60)
    air.flights.insert_many([{"_id": 1, "at": NOON}, {"_id": 2, "at": far}, {"_id": 3, "at": None}])
    extractor = of(mongo_uri)
    (partition,) = extractor.plan().partitions
    for thorough in (False, True):
        with pytest.raises(pl.exceptions.ComputeError):
            extractor.read(partition, thorough=thorough).collect()
    found = extractor.salvage(partition, tmp_path)
    assert found.rows.select("__row__", "_id", "at").collect().rows() == [(1, 1, NOON), (3, 3, None)]
    assert found.rejected.select("__row__", "__check__").collect().rows() == [(2, "at is a time of the years 1 to 9999")]


@pytest.mark.parametrize("rows", [1, 3, 10, 25, 100])
@pytest.mark.parametrize("ids", ["ids", "numbers", "texts", "times", "mixed"])
def test_ranges_hold_each_document_once(air: Any, mongo_uri: str, rows: int, ids: str) -> None:
    makers: dict[str, Any] = {
        "ids": lambda number: bson.ObjectId(f"{number * 7 % 25:024x}"),
        "numbers": lambda number: number * 7 % 25 + (0.5 if number % 2 else 0),
        "texts": lambda number: f"{number * 7 % 25}É$",
        "times": lambda number: NOON - timedelta(days=number),
        "mixed": lambda number: number if number % 2 else f"x{number}",
    }
    air.flights.insert_many({"_id": makers[ids](number), "delay": number} for number in range(25))
    extractor = of(mongo_uri, partition_rows=rows, columns=["delay"])
    source = extractor.plan()
    assert delays(extractor) == list(range(25))
    assert len(source.partitions) == (1 if ids == "mixed" else -(-25 // rows))
    assert len({partition.name for partition in source.partitions}) == len(source.partitions)


def test_rows_come_in_the_order_of_ids(air: Any, mongo_uri: str) -> None:
    air.flights.insert_many({"_id": number * 7 % 25} for number in range(25))
    extractor = of(mongo_uri, partition_rows=10)
    assert read(extractor, extractor.plan())["_id"].to_list() == list(range(25))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"delay": 3}, [3]),
        ({"delay": [1, 2, 99]}, [1, 2]),
        ({"delay": {"min": 3, "max": 5}}, [3, 4, 5]),
        ({"delay": {"max": 2.5}, "at": {"min": "2020-01-01 13:00:00", "as": "time"}}, [1, 2]),
        ({"at": {"min": "2020-01-02T12:00:00+00:00", "as": "time"}}, []),
        ({"delay": "3"}, []),
    ],
)
def test_a_filter_is_of_values_lists_and_bounds(air: Any, mongo_uri: str, asked: dict[str, Any], expected: list[int]) -> None:
    add(air, *range(10))
    assert delays(of(mongo_uri, filter=asked, columns=["delay"])) == expected


@pytest.mark.parametrize(
    "asked",
    [
        {"$where": "sleep(1000)"},
        {"$or": [{"delay": 1}]},
        {"delay": {"$gt": 3}},
        {"delay": {"min": {"$gt": 3}}},
        {"delay": [{"$gt": 3}]},
        {"delay": {"min": "$at"}},
        {"delay": "$at"},
        {"delay": ["$at"]},
        {"place.$where": 1},
        {"": 1},
        {"delay": None},
        {"at": {"min": "noon", "as": "time"}},
        {"_id": {"min": "7", "as": "id"}},
    ],
)
def test_a_filter_is_never_an_operator(mongo_uri: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        of(mongo_uri, filter=asked)


@pytest.mark.parametrize("parameters", [{"columns": ["$x"]}, {"columns": ["place.city"]}, {"watermark": "$x"}, {"lag": 1}])
def test_fields_are_fields(mongo_uri: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        of(mongo_uri, **parameters)


def test_columns_are_read_in_the_order_in_which_they_are_named(air: Any, mongo_uri: str) -> None:
    add(air, 1)
    extractor = of(mongo_uri, columns=["gone", "delay"])
    source = extractor.plan()
    assert source.columns == ("gone", "delay")
    frame = extractor.read(source.partitions[0])
    assert frame.collect().rows() == [(None, 1)]
    assert frame.select(pl.len()).collect().item() == 1
    assert frame.filter(pl.col("delay") > 0).select("delay").head(1).collect().rows() == [(1,)]


def test_documents_that_arrive_while_reading_are_left_for_the_next_time(air: Any, mongo_uri: str) -> None:
    add(air, 1, 2, 3)
    extractor = of(mongo_uri, watermark="_id", partition_rows=2, columns=["delay"])
    first = extractor.plan()
    add(air, 4, 5)
    assert sorted(read(extractor, first)["delay"]) == [1, 2, 3]
    assert delays(extractor, Window(after=first.watermark)) == [4, 5]
    second = extractor.plan(Window(after=first.watermark))
    assert extractor.plan(Window(after=second.watermark)) == Source((), ("delay",), second.watermark)


def test_a_time_is_a_watermark_with_lag_and_windows(air: Any, mongo_uri: str) -> None:
    add(air, *range(10))
    air.flights.insert_one({"delay": 99})
    extractor = of(mongo_uri, watermark="at", lag=7200, columns=["delay"])
    assert extractor.plan().watermark == "2020-01-01 19:00:00+00:00"
    assert delays(extractor) == [*range(8), 99]
    assert delays(extractor, Window(after="2020-01-01 17:00:00+00:00")) == [6, 7]
    assert delays(extractor, Window(since="2020-01-01 20:00", until="2020-01-01 23:00+02:00")) == [8]
    assert extractor.plan(Window(after="2021-01-01")).watermark == "2021-01-01"


def test_ids_are_bounded_by_times(air: Any, mongo_uri: str) -> None:
    days = [datetime(2020, 1, day, tzinfo=UTC) for day in range(1, 6)]
    air.flights.insert_many({"_id": bson.ObjectId.from_datetime(day), "delay": day.day} for day in days)
    extractor = of(mongo_uri, watermark="_id", lag=86_400)
    assert delays(extractor) == [1, 2, 3, 4]
    assert delays(extractor, Window(since="2020-01-02", until="2020-01-04")) == [2, 3]


def test_a_watermark_of_several_types_is_refused(air: Any, mongo_uri: str) -> None:
    air.flights.insert_many([{"at": NOON}, {"at": "noon"}])
    with pytest.raises(DataError, match="can not tell what is newer"):
        of(mongo_uri, watermark="at").plan()


def test_an_unknown_collection_is_answered_with_the_nearest_one(air: Any, mongo_uri: str) -> None:
    add(air, 1)
    with pytest.raises(DataError, match="did you mean 'flights'"):
        of(mongo_uri, "flight").plan()


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("mongodb://me:geh%40im@127.0.0.1:1/?serverSelectionTimeoutMS=200", HostError),
        ("mongo://me:geh%40im@127.0.0.1", ConfigError),
        ("mongodb://me:geh@im@127.0.0.1", ConfigError),
        ("mongodb://me:geh%40im@127.0.0.1:port", ConfigError),
    ],
)
def test_what_can_not_be_reached_is_said_without_the_password(uri: str, kind: type[LevadaError]) -> None:
    extractor = of(uri)
    with pytest.raises(kind) as raised:
        extractor.plan()
    shown = f"{raised.value} {raised.value!r} {raised.value.__cause__} {extractor!r}"
    assert "geh" not in shown


def test_a_server_that_goes_away_while_reading_is_the_hosts_fault(tmp_path: Path) -> None:
    with servers.mongo(tmp_path) as server:
        with pymongo.MongoClient(server.address) as client:
            client.air.flights.insert_many({"_id": number, "words": "x" * 100} for number in range(100_000))
        extractor = of(f"{server.address}/?serverSelectionTimeoutMS=200")
        (partition,) = extractor.plan().partitions
        batches = extractor.read(partition).collect_batches(chunk_size=1_000)
        next(batches)
        server.kill()
        with pytest.raises(HostError, match="can not be reached"):
            list(batches)
