"""Tables and queries of a real PostgreSQL server, as the extractor reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.errors import ConfigError, DataError, HostError
from engine.plugin import Source, Window
from engine.validate import validated
from plugins.extractors.sql import Sql
from tests.servers import POSTGRES_PASSWORD

psycopg = pytest.importorskip("psycopg")

pytestmark = pytest.mark.service

DATETIME = pl.Datetime("us")
UTC_TIME = pl.Datetime("us", "UTC")
TEN = datetime(2020, 1, 1, 10)  # noqa: DTZ001  a column without zones


def read(extractor: Sql, source: Source) -> pl.DataFrame:
    return pl.concat([extractor.read(partition).collect() for partition in source.partitions])


def ids(extractor: Sql, source: Source) -> list[int]:
    return read(extractor, source)["id"].to_list() if source.partitions else []


@pytest.fixture
def air(postgres: str) -> Iterator[Any]:
    """A connection to a fresh schema ``air`` of PostgreSQL."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS air CASCADE")
        connection.execute("CREATE SCHEMA air")
        connection.execute("SET search_path TO air")
        yield connection


def at(uri: str, **parameters: Any) -> Sql:
    return validated(Sql, {"uri": uri, **({} if "query" in parameters else {"schema": "air"}), **parameters}, ())


EVERY_TYPE = {
    "i2": ("smallint", "-32768", pl.Int16(), -32768),
    "i4": ("integer", "2147483647", pl.Int32(), 2147483647),
    "i8": ("bigint", "-9223372036854775808", pl.Int64(), -(2**63)),
    "f4": ("real", "1.5", pl.Float32(), 1.5),
    "f8": ("double precision", "'infinity'", pl.Float64(), float("inf")),
    "exact": ("numeric(20,3)", "12345678901234567.125", pl.Decimal(20, 3), Decimal("12345678901234567.125")),
    "free": ("numeric", "1e-20", pl.String(), "0.00000000000000000001"),
    "huge": ("numeric(60,1)", "1e50", pl.String(), "1" + "0" * 50 + ".0"),
    "t": ("text", "'é:%s'", pl.String(), "é:%s"),
    "v": ("varchar(3)", "'abc'", pl.String(), "abc"),
    "c": ("char(3)", "'a'", pl.String(), "a  "),
    "ok": ("boolean", "true", pl.Boolean(), True),
    "raw": ("bytea", r"'\x00ff'", pl.Binary(), b"\x00\xff"),
    "day": ("date", "'0001-01-01'", pl.Date(), date(1, 1, 1)),
    "hour": ("time", "'10:11:12.000013'", pl.Time(), time(10, 11, 12, 13)),
    "at": ("timestamp", "'2020-01-01 10:00:00.000001'", DATETIME, TEN.replace(microsecond=1)),
    "zoned": ("timestamptz", "'2020-01-01 10:00:00+02'", UTC_TIME, datetime(2020, 1, 1, 8, tzinfo=UTC)),
    "span": ("interval", "'1 month 2 days'", pl.String(), "1 mon 2 days"),
    "j": ("json", """'{"b": 1.10,  "a": 2}'""", pl.String(), '{"b": 1.10,  "a": 2}'),
    "jb": ("jsonb", """'{"b": 1.10}'""", pl.String(), '{"b": 1.10}'),
    "u": ("uuid", "'123e4567-e89b-12d3-a456-426614174000'", pl.String(), "123e4567-e89b-12d3-a456-426614174000"),
    "net": ("inet", "'10.0.0.0/8'", pl.String(), "10.0.0.0/8"),
    "mood": ("air.mood", "'ok'", pl.String(), "ok"),
    "cash": ("air.cents", "1.25", pl.Decimal(6, 2), Decimal("1.25")),
    "ints": ("integer[]", "'{1,null}'", pl.List(pl.Int32), [1, None]),
    "exacts": ("numeric(5,2)[]", "'{1.50}'", pl.List(pl.Decimal(5, 2)), [Decimal("1.50")]),
    "texts": ("text[]", """'{"a,b",null}'""", pl.List(pl.String), ["a,b", None]),
    "days": ("date[]", "'{2020-01-01}'", pl.List(pl.Date), [date(2020, 1, 1)]),
    "nets": ("inet[]", "'{10.0.0.0/8}'", pl.List(pl.String), ["10.0.0.0/8"]),
    'We ird"%:x': ("integer", "5", pl.Int32(), 5),
}


def create_every_type(air: Any) -> None:
    air.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    air.execute("CREATE DOMAIN cents AS numeric(6,2)")
    columns = ", ".join('"' + name.replace('"', '""') + f'" {declared}' for name, (declared, *_) in EVERY_TYPE.items())
    air.execute(f"CREATE TABLE every (id bigint PRIMARY KEY, {columns})")
    air.execute(f"INSERT INTO every VALUES (1, {', '.join(value for _, value, *_ in EVERY_TYPE.values())})")
    air.execute("INSERT INTO every (id) VALUES (2)")


@pytest.mark.parametrize("how", [{"table": "every"}, {"query": "SELECT * FROM air.every"}])
def test_every_type_of_postgresql_is_kept_exactly(air: Any, postgres: str, how: dict[str, str]) -> None:
    create_every_type(air)
    extractor = at(postgres, **how, partition_on="id")
    found = read(extractor, extractor.plan()).drop("id")
    assert dict(found.schema) == {name: dtype for name, (_, _, dtype, _) in EVERY_TYPE.items()}
    assert found.row(0, named=True) == {name: value for name, (_, _, _, value) in EVERY_TYPE.items()}
    assert set(found.row(1)) == {None}


def test_values_that_have_no_like_are_set_aside_and_the_others_kept_as_they_are(
    air: Any, postgres: str, tmp_path: Path
) -> None:
    create_every_type(air)
    extractor = at(postgres, table="every")
    before = read(extractor, extractor.plan())
    air.execute("INSERT INTO every (id, zoned) VALUES (3, 'infinity')")
    air.execute("INSERT INTO every (id, exact) VALUES (4, 'NaN')")
    air.execute("INSERT INTO every (id, ints) VALUES (5, '{{1},{2}}')")
    air.execute("INSERT INTO every (id, day) VALUES (6, '0044-03-15 BC')")
    air.execute("INSERT INTO every (id) VALUES (7)")
    (partition,) = extractor.plan().partitions
    with pytest.raises(pl.exceptions.ComputeError):
        extractor.read(partition).collect()
    found = extractor.salvage(partition, tmp_path)
    rows = found.rows.collect()
    assert_frame_equal(rows.head(2).drop("__row__"), before)
    assert rows["__row__"].to_list() == rows["id"].to_list() == [1, 2, 7]
    assert found.rejected.select("__row__", "__check__").collect().rows() == [
        (3, "zoned is Datetime(UTC)"),
        (4, "exact is Decimal(precision=20, scale=3)"),
        (5, "ints is List(Int32)"),
        (6, "day is Date"),
    ]


@pytest.mark.parametrize("key", ["at", "zoned", "day", "amount", "x", "words"])
def test_ranges_of_any_key_hold_each_row_once(air: Any, postgres: str, key: str) -> None:
    air.execute(
        "CREATE TABLE keys AS SELECT n AS id, timestamp '2020-01-01' + n * interval '0.000001 s' AS at, "
        "timestamptz '2020-01-01+05' + n * interval '1 h' AS zoned, date '2020-01-01' + n / 3 AS day, "
        "(n / 7.0)::numeric AS amount, CASE WHEN n < 25 THEN 'nan' ELSE n / 7.0 END::float8 AS x, chr(40 + n) || 'É' AS words "
        "FROM generate_series(1, 50) n"
    )
    air.execute("INSERT INTO keys (id) VALUES (51), (52)")
    extractor = at(postgres, table="keys", partition_on=key, partition_rows=8)
    source = extractor.plan()
    assert len(source.partitions) >= 4
    assert len({partition.name for partition in source.partitions}) == len(source.partitions)
    assert sorted(ids(extractor, source)) == list(range(1, 53))


def test_times_with_a_zone_are_watermarks_in_utc(air: Any, postgres: str) -> None:
    air.execute(
        "CREATE TABLE seen AS SELECT n AS id, timestamptz '2020-01-01 00:00+00' + n * interval '1 h' AS at "
        "FROM generate_series(0, 5) n"
    )
    extractor = at(postgres, table="seen", watermark="at", lag=3600)
    source = extractor.plan()
    assert source.watermark == "2020-01-01 04:00:00+00:00"
    assert ids(extractor, source) == [0, 1, 2, 3, 4]
    assert ids(extractor, extractor.plan(Window(since="2020-01-01 02:00", until="2020-01-01 06:00+02:00"))) == [2, 3]
    air.execute("INSERT INTO seen VALUES (6, '2020-01-01 06:00+00')")
    assert ids(extractor, extractor.plan(Window(after=source.watermark))) == [5]


def test_a_table_of_postgresql_is_new_when_a_transaction_has_ended_and_a_view_always(air: Any, postgres: str) -> None:
    air.execute("CREATE TABLE t (id int)")
    air.execute("CREATE VIEW v AS SELECT * FROM t")
    table, view = at(postgres, table="t"), at(postgres, table="v")
    assert table.plan() == table.plan()
    assert view.plan() != view.plan()
    before = table.plan()
    with psycopg.connect(postgres) as other:
        other.execute("INSERT INTO air.t VALUES (1)")
        open_still = table.plan()
    assert open_still != table.plan()
    assert before != table.plan()


@pytest.mark.parametrize("query", ["SELECT nextval('air.s') AS id", "SELECT 1) AS x; DROP SEQUENCE air.s; --"])
def test_reading_can_not_write(air: Any, postgres: str, query: str) -> None:
    air.execute("CREATE SEQUENCE s")
    extractor = at(postgres, query=query)
    with pytest.raises((ConfigError, pl.exceptions.ComputeError)):
        read(extractor, extractor.plan())
    assert air.execute("SELECT last_value, is_called FROM s").fetchone() == (1, False)


def test_a_wrong_password_is_said_without_the_password(postgres: str) -> None:
    wrong = postgres.replace("sesame", "sesamo")
    with pytest.raises(HostError, match="password authentication failed") as raised:
        at(wrong, table="flights").plan()
    shown = f"{raised.value} {raised.value!r} {raised.value.__cause__} {at(wrong, table='flights')!r}"
    assert "sesam" not in shown
    assert POSTGRES_PASSWORD not in shown


@pytest.mark.parametrize(("place", "said"), [("127.0.0.1:1/postgres", "Connection refused"), ("{host}/nope", "does not exist")])
def test_a_server_or_database_that_is_not_there_is_the_hosts_fault(postgres: str, place: str, said: str) -> None:
    start, _, host = postgres.rpartition("@")
    with pytest.raises(HostError, match=said):
        at(f"{start}@{place.format(host=host.partition('/')[0])}", table="flights").plan()


@pytest.mark.parametrize("driver", ["psycopg", "pg8000"])
def test_an_unknown_parameter_of_a_uri_is_refused(postgres: str, driver: str) -> None:
    pytest.importorskip(driver)
    uri = postgres.replace("postgresql:", f"postgresql+{driver}:")
    with pytest.raises(ConfigError, match="nosuch") as raised:
        at(f"{uri}?nosuch=1", table="flights").plan()
    assert "sesame" not in str(raised.value)


def test_a_server_that_goes_away_while_reading_is_the_hosts_fault(air: Any, postgres: str) -> None:
    air.execute("CREATE TABLE long AS SELECT n AS id, repeat('x', 100) AS words FROM generate_series(1, 400000) n")
    extractor = at(postgres, table="long")
    (partition,) = extractor.plan().partitions
    batches = extractor.read(partition).collect_batches(chunk_size=1_000)
    next(batches)
    others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
    air.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")
    with pytest.raises(HostError, match="can not be reached"):
        list(batches)


def test_an_error_in_a_row_that_is_computed_is_the_datas_fault(air: Any, postgres: str, tmp_path: Path) -> None:
    air.execute("CREATE TABLE t AS SELECT 0 AS id")
    extractor = at(postgres, query="SELECT 1 / id AS x FROM air.t")
    (partition,) = extractor.plan().partitions
    with pytest.raises(pl.exceptions.ComputeError, match="division by zero"):
        extractor.read(partition).collect()
    with pytest.raises(DataError, match="can not give the rows"):
        extractor.salvage(partition, tmp_path)


@pytest.mark.parametrize("how", [{"table": "t", "schema": "air"}, {"query": "SELECT * FROM air.t"}])
def test_other_drivers_give_what_their_values_are(air: Any, postgres: str, how: dict[str, str]) -> None:
    pytest.importorskip("pg8000")
    air.execute("CREATE TABLE t (id bigint PRIMARY KEY, amount numeric(8,2), at timestamptz, ok boolean, words text, day date)")
    air.execute(
        "INSERT INTO t VALUES (1, 1.50, '2020-01-01 10:00+02', true, 'a', '2020-01-01'), (2, null, null, null, null, null)"
    )
    extractor = at(postgres.replace("postgresql:", "postgresql+pg8000:"), **how, partition_on="id")
    found = read(extractor, extractor.plan())
    assert found.row(0) == (1, Decimal("1.50"), datetime(2020, 1, 1, 8, tzinfo=UTC), True, "a", date(2020, 1, 1))
    assert found.height == 2
