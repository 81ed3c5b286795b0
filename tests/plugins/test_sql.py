"""Tables and queries of SQLite files, as the extractor reads them; and what holds for any database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.errors import ConfigError, DataError, MissingColumn
from engine.plugin import Source, Window
from engine.validate import validated
from plugins.extractors.sql import Sql

pytest.importorskip("sqlalchemy")

ROOT = Path(__file__).parents[2]
DATETIME = pl.Datetime("us")
TEN = datetime(2020, 1, 1, 10)  # noqa: DTZ001  a column without zones


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite database with a table of flights that has no rows yet."""
    created = tmp_path / "air.db"
    run(created, "CREATE TABLE flights (id INTEGER PRIMARY KEY, seen TEXT, delay INTEGER)")
    return created


def run(file: Path, sql: str, rows: Sequence[tuple[Any, ...]] = ()) -> None:
    connection = sqlite3.connect(file)
    try:
        connection.executemany(sql, rows) if rows else connection.execute(sql)
        connection.commit()
    finally:
        connection.close()


def add(file: Path, *ids: int) -> None:
    run(file, "INSERT INTO flights VALUES (?, ?, ?)", [(number, f"2013-01-{number:02}", number) for number in ids])


def of(file: Path, **parameters: Any) -> Sql:
    return validated(Sql, {"uri": f"sqlite:///{file}", **parameters}, ())


def read(extractor: Sql, source: Source) -> pl.DataFrame:
    return pl.concat([extractor.read(partition).collect() for partition in source.partitions])


def ids(extractor: Sql, source: Source) -> list[int]:
    return read(extractor, source)["id"].to_list() if source.partitions else []


KEYS = st.one_of(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.none() | st.integers(0, 3)),
    st.lists(st.none() | st.floats(allow_nan=False)),
    st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)),
    st.lists(st.none() | st.dates().map(str)),
)


@given(keys=KEYS, rows=st.integers(1, 7))
def test_ranges_hold_each_row_once(tmp_path_factory: pytest.TempPathFactory, keys: list[Any], rows: int) -> None:
    file = tmp_path_factory.mktemp("keys") / "keys.db"
    run(file, "CREATE TABLE keys (number INTEGER PRIMARY KEY, key)")
    if keys:
        run(file, "INSERT INTO keys VALUES (?, ?)", list(enumerate(keys)))
    extractor = of(file, table="keys", partition_on="key", partition_rows=rows)
    source = extractor.plan()
    found = [extractor.read(partition).collect() for partition in source.partitions]
    assert sorted(number for frame in found for number in frame["number"]) == list(range(len(keys)))
    assert len({partition.name for partition in source.partitions}) == len(source.partitions)
    most = max((keys.count(key) for key in keys), default=0)
    assert all(frame.height < rows + max(most, 1) or frame["key"].is_null().all() for frame in found)


@settings(max_examples=15)
@given(keys=st.lists(st.integers(-5, 60)), cuts=st.lists(st.integers(0, 60), min_size=1), rows=st.integers(1, 9))
def test_watermarks_read_each_row_once(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int], cuts: list[int], rows: int
) -> None:
    file = tmp_path_factory.mktemp("marks") / "marks.db"
    run(file, "CREATE TABLE marks (number INTEGER PRIMARY KEY, key INTEGER)")
    extractor = of(file, table="marks", watermark="key", partition_rows=rows)
    after, low, seen = None, -6, []
    for high in [*sorted(cuts), 61]:
        new = [(None, key) for key in keys if low < key <= high]
        low = max(low, high)
        if new:
            run(file, "INSERT INTO marks VALUES (?, ?)", new)
        source = extractor.plan(Window(after=after))
        seen += [key for partition in source.partitions for key in extractor.read(partition).collect()["key"]]
        after = source.watermark
    assert sorted(seen) == sorted(keys)


def test_columns_of_sqlite_have_the_types_that_hold_their_values(file: Path) -> None:
    run(
        file,
        "CREATE TABLE types (whole INTEGER, x REAL, words TEXT, raw BLOB, ok BOOLEAN, day DATE, at DATETIME, iso TIMESTAMP, "
        "amount DECIMAL(10,2), loose, empty TEXT, odd_day DATE, many BOOLEAN)",
    )
    rows = [
        (2**62, 0.1, "é", b"\0", 1, "2020-02-29", "2020-01-01 10:00:00", "2020-01-01T10:00:00.25", 3, 1, None, "2020-02-29", 1),
        (None, 2.0, "", b"", 0, "2021-01-01", "2020-01-01 10:00:00.000001", None, 2.5, 2, None, "2020-02-30", 2),
    ]
    run(file, f"INSERT INTO types VALUES ({', '.join('?' * 13)})", rows)
    found = read(of(file, table="types"), of(file, table="types").plan())
    expected = pl.DataFrame(
        {
            "whole": pl.Series([2**62, None], dtype=pl.Int64),
            "x": [0.1, 2.0],
            "words": ["é", ""],
            "raw": [b"\0", b""],
            "ok": [True, False],
            "day": [date(2020, 2, 29), date(2021, 1, 1)],
            "at": pl.Series([TEN, TEN.replace(microsecond=1)], dtype=DATETIME),
            "iso": pl.Series([TEN.replace(microsecond=250_000), None], dtype=DATETIME),
            "amount": [3.0, 2.5],
            "loose": [1, 2],
            "empty": pl.Series([None, None], dtype=pl.String),
            "odd_day": ["2020-02-29", "2020-02-30"],
            "many": [1, 2],
        }
    )
    assert_frame_equal(found, expected)


def test_a_value_that_is_not_of_the_declared_type_is_set_aside_with_its_row(file: Path, tmp_path: Path) -> None:
    add(file, 1, 2, 3, 4)
    run(file, "UPDATE flights SET delay = 'late' WHERE id = 2")
    run(file, "UPDATE flights SET seen = CAST(x'ff' AS TEXT) WHERE id = 3")
    extractor = of(file, table="flights")
    (partition,) = extractor.plan().partitions
    for thorough in (False, True):
        with pytest.raises(pl.exceptions.ComputeError):
            extractor.read(partition, thorough=thorough).collect()
    found = extractor.salvage(partition, tmp_path)
    assert found.rows.select("__row__", "id").collect().rows() == [(1, 1), (4, 4)]
    rejected = found.rejected.collect()
    assert rejected.select("__row__", "__check__").rows() == [(2, "delay is Int64"), (3, "seen is String")]
    assert '"late"' in rejected["__raw__"][0]


def test_several_types_of_which_none_is_declared_are_refused(file: Path) -> None:
    run(file, "CREATE TABLE loose (value)")
    run(file, "INSERT INTO loose VALUES (?)", [(1,), ("1",)])
    extractor = of(file, table="loose")
    with pytest.raises(DataError, match="several types") as raised:
        read(extractor, extractor.plan())
    assert raised.value.found == "1 integer, 1 text"
    as_text = of(file, query="SELECT CAST(value AS TEXT) AS value FROM loose")
    assert read(as_text, as_text.plan())["value"].to_list() == ["1", "1"]


@pytest.mark.parametrize(
    ("declared", "first", "last", "dtype"),
    [
        ("NUMERIC", 1, 0.5, pl.Float64),
        ("DATE", "2020-01-01", "x", pl.String),
        ("DATETIME", None, "2020-01-01", pl.Date),
        ("BOOLEAN", 1, 2, pl.Int64),
        ("", None, 1, pl.Int64),
    ],
)
def test_a_wrong_guess_fails_and_is_learned_from_all_rows(
    file: Path, declared: str, first: Any, last: Any, dtype: pl.DataType
) -> None:
    run(file, f"CREATE TABLE late (value {declared})")
    run(file, "INSERT INTO late VALUES (?)", [*[(first,)] * 1_500, (last,)])
    extractor = of(file, table="late")
    (partition,) = extractor.plan().partitions
    with pytest.raises(pl.exceptions.ComputeError, match="value"):
        extractor.read(partition).collect()
    assert extractor.read(partition, thorough=True).collect_schema()["value"] == dtype
    assert extractor.read(partition, thorough=True).collect().height == 1_501


def test_whole_numbers_that_a_float_can_not_tell_apart_are_not_made_one(file: Path) -> None:
    run(file, "CREATE TABLE numbers (value NUMERIC)")
    run(file, "INSERT INTO numbers VALUES (?)", [(2**53 + 1,), (0.5,)])
    extractor = of(file, table="numbers")
    (partition,) = extractor.plan().partitions
    with pytest.raises(DataError, match="more than 15 digits"):
        extractor.read(partition)
    run(file, "DELETE FROM numbers WHERE value <> 0.5")
    run(file, "INSERT INTO numbers VALUES (?)", [*[(0.5,)] * 1_500, (2**53 + 1,)])
    with pytest.raises(pl.exceptions.ComputeError, match="large values"):
        extractor.read(partition).collect()


def test_rows_that_arrive_while_reading_are_left_for_the_next_time(file: Path) -> None:
    add(file, 1, 2, 3)
    extractor = of(file, table="flights", watermark="id", partition_rows=2)
    first = extractor.plan()
    add(file, 4, 5)
    assert ids(extractor, first) == [1, 2, 3]
    second = extractor.plan(Window(after=first.watermark))
    assert ids(extractor, second) == [4, 5]
    assert {partition.unit for partition in first.partitions} == {"flights, id up to 3"}
    assert {partition.unit for partition in second.partitions} == {"flights, id over 3 up to 5"}
    assert extractor.plan(Window(after=second.watermark)) == Source((), ("id", "seen", "delay"), "5")


def test_a_watermark_never_goes_back(file: Path) -> None:
    add(file, 1, 2, 3)
    extractor = of(file, table="flights", watermark="id", lag=2)
    source = extractor.plan()
    assert (ids(extractor, source), source.watermark) == ([1], "1")
    assert extractor.plan(Window(after="3")).watermark == "3"


def test_rows_without_a_watermark_are_read_the_first_time_only(file: Path) -> None:
    add(file, 1, 2)
    run(file, "UPDATE flights SET delay = NULL WHERE id = 1")
    extractor = of(file, table="flights", watermark="delay")
    assert ids(extractor, extractor.plan()) == [1, 2]
    add(file, 3)
    assert ids(extractor, extractor.plan(Window(after="2"))) == [3]


def test_a_watermark_may_be_another_column_than_the_one_that_cuts(file: Path) -> None:
    add(file, *range(1, 10))
    extractor = of(file, table="flights", watermark="seen", partition_on="id", partition_rows=2)
    source = extractor.plan(Window(after="2013-01-04"))
    assert ids(extractor, source) == [5, 6, 7, 8, 9]
    assert [partition.name for partition in source.partitions][:2] == [
        "flights, seen over 2013-01-04, id from 5",
        "flights, seen over 2013-01-04, id from 7",
    ]


def test_a_backfill_includes_since_and_excludes_until(file: Path) -> None:
    add(file, *range(1, 10))
    extractor = of(file, table="flights", watermark="seen", partition_rows=2)
    source = extractor.plan(Window(since="2013-01-03", until="2013-01-06"))
    assert ids(extractor, source) == [3, 4, 5]
    assert source.watermark is None
    assert ids(extractor, extractor.plan(Window(since="2013-01-08"))) == [8, 9]
    assert extractor.between == "seen"


def test_a_window_without_a_watermark_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="can not be asked for"):
        of(file, table="flights").plan(Window(since="2013-01-03"))


def test_a_bound_that_is_not_like_the_column_is_refused(file: Path) -> None:
    add(file, 1)
    with pytest.raises(ConfigError, match="since 'yesterday' is not like the column's values"):
        of(file, table="flights", watermark="id").plan(Window(since="yesterday"))


def test_a_table_is_new_when_the_file_was_written_and_a_query_always(file: Path) -> None:
    add(file, 1)
    run(file, "CREATE VIEW late AS SELECT * FROM flights")
    table, view, query = of(file, table="flights"), of(file, table="late"), of(file, query="SELECT * FROM flights")
    before = table.plan()
    assert read(table, before).height == 1
    assert table.plan() == before
    assert view.plan() != view.plan()
    assert query.plan() != query.plan()
    run(file, "UPDATE flights SET delay = 7")
    assert table.plan().partitions[0].fingerprint != before.partitions[0].fingerprint


def test_a_write_to_the_log_of_a_database_is_a_change(file: Path) -> None:
    run(file, "PRAGMA journal_mode = WAL")
    writer = sqlite3.connect(file)
    try:
        extractor = of(file, table="flights")
        before = extractor.plan()
        writer.execute("INSERT INTO flights VALUES (1, NULL, NULL)")
        writer.commit()
        after = extractor.plan()
        assert before.partitions[0].fingerprint != after.partitions[0].fingerprint
        assert ids(extractor, after) == [1]
    finally:
        writer.close()


def test_rows_come_in_the_order_of_the_primary_key_whatever_the_order_in_which_they_were_written(file: Path) -> None:
    run(file, "CREATE TABLE pairs (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID")
    run(file, "INSERT INTO pairs VALUES (?, ?)", [("y", 1), ("x", 2), ("x", 1)])
    extractor = of(file, table="pairs", columns=("b",))
    assert read(extractor, extractor.plan()).rows() == [(1,), (2,), (1,)]


def test_only_columns_rows_and_numbers_of_rows_that_are_asked_for_are_read(file: Path) -> None:
    add(file, *range(1, 10))
    extractor = of(file, table="flights", columns=("delay", "id"))
    (partition,) = extractor.plan().partitions
    frame = extractor.read(partition)
    assert frame.collect_schema().names() == ["delay", "id"]
    assert frame.select(pl.len()).collect().item() == 9
    assert frame.filter(pl.col("id") > 3).select("delay").head(2).collect()["delay"].to_list() == [4, 5]


def test_an_empty_table_has_its_columns_and_no_rows(file: Path) -> None:
    extractor = of(file, table="flights")
    assert read(extractor, extractor.plan()).schema == {"id": pl.Int64, "seen": pl.String, "delay": pl.Int64}


@pytest.mark.parametrize(
    "name", ['flights"; DROP TABLE flights; --', "flights' OR 1=1", "flights; DROP TABLE flights", "%s", ":id"]
)
def test_names_are_names_whatever_they_hold(file: Path, name: str) -> None:
    add(file, 1)
    quoted = name.replace('"', '""')
    with pytest.raises(DataError, match="no table"):
        of(file, table=name).plan()
    with pytest.raises(MissingColumn):
        of(file, table="flights", columns=(name,)).plan()
    run(file, f'CREATE TABLE "{quoted}" ("{quoted}" INTEGER)')
    run(file, f'INSERT INTO "{quoted}" VALUES (1), (2), (3)')
    extractor = of(file, table=name, partition_on=name, columns=(name,), partition_rows=2)
    assert read(extractor, extractor.plan())[name].to_list() == [1, 2, 3]
    assert ids(of(file, table="flights"), of(file, table="flights").plan()) == [1]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM flights",
        "SELECT 1; DROP TABLE flights",
        "SELECT 1) AS x; DROP TABLE flights; --",
        "PRAGMA user_version = 7",
        "SELEC 1",
    ],
)
def test_a_query_is_one_select(file: Path, query: str) -> None:
    add(file, 1)
    with pytest.raises(ConfigError, match="does not understand"):
        of(file, query=query).plan()
    assert ids(of(file, table="flights"), of(file, table="flights").plan()) == [1]


def test_a_query_may_hold_colons_percents_comments_and_an_end(file: Path) -> None:
    add(file, 1)
    extractor = of(file, query="SELECT id, ':id %s %(x)s ' || seen AS text FROM flights; -- all".replace("; --", " --"))
    assert read(extractor, extractor.plan()).rows() == [(1, ":id %s %(x)s 2013-01-01")]
    ended = of(file, query="SELECT id FROM flights ;")
    assert ids(ended, ended.plan()) == [1]


def test_a_wrong_name_is_answered_with_the_nearest_right_one(file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'flights'"):
        of(file, table="flight").plan()
    with pytest.raises(MissingColumn, match="did you mean 'delay'"):
        of(file, table="flights", partition_on="dealy").plan()
    with pytest.raises(DataError, match="no such file"):
        of(tmp_path / "none.db", table="flights").plan()
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"id,delay\n" * 200)
    with pytest.raises(DataError, match="can not give the rows"):
        of(tmp_path / "x.db", table="flights").plan()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "either table or query"),
        ({"table": "a", "query": "SELECT 1"}, "either table or query"),
        ({"query": "SELECT 1", "schema": "air"}, "schema goes with table"),
        ({"table": "a", "lag": 1}, "lag goes with watermark"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(file: Path, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        of(file, **parameters)


@pytest.mark.parametrize("uri", ["geheim", "nosuch://me:geheim@127.0.0.1/x", "postgresql://me:geheim@127.0.0.1:nine/x"])
def test_a_uri_that_means_nothing_is_refused_without_being_shown(uri: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Sql(uri=uri, table="flights").plan()
    assert "geheim" not in str(raised.value)


MEMORY = """
import resource, sys
from plugins.extractors.sql import Sql

extractor = Sql(uri=sys.argv[1], table="flights", partition_on="id", partition_rows=2_000_000)
(partition,) = extractor.plan().partitions
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
extractor.read(partition).sink_parquet(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.soak
def test_two_million_rows_of_one_range_are_read_in_bounded_memory(file: Path, tmp_path: Path) -> None:
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
    run(file, f"INSERT INTO flights {rows} SELECT i, 'some text of row ' || i, i % 97 FROM n")
    written = tmp_path / "flights.parquet"
    command = (sys.executable, "-c", MEMORY, f"sqlite:///{file}", str(written))
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    assert pl.scan_parquet(written).select(pl.len()).collect().item() == 2_000_000
    assert grown < 200 * 1024, f"{grown} KiB more; the rows as text are above 60 MiB, as Python's objects above 300"
