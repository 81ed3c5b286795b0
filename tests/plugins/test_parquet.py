"""What is read from Parquet files: everything as it is, and nothing of a file that is not whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.errors import ConfigError, DataError
from engine.plugin import SourcePartition, Window
from plugins.extractors.parquet import Parquet

ODD: dict[str, pl.Series] = {
    "whole numbers at their bounds": pl.Series([-(2**63), 2**63 - 1, None]),
    "whole numbers beyond Int64": pl.Series([2**64 - 1, 0], dtype=pl.UInt64),
    "whole numbers beyond 2**53": pl.Series([2**53 + 1, 1]),
    "no numbers": pl.Series([float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, None]),
    "short floats": pl.Series([0.1, 3.4e38], dtype=pl.Float32),
    "decimals": pl.Series([Decimal("12345678901234567890.12"), None], dtype=pl.Decimal(38, 2)),
    "text that looks like numbers": pl.Series(["007", "1e400", "+1", " 1 ", "NA", ""]),
    "text of all kinds": pl.Series(["\N{GRINNING FACE}", "e\N{COMBINING ACUTE ACCENT}", "a\0b", 'a"b,c\r\n', "x" * 1_000_000]),
    "bytes": pl.Series([b"\xff\x00", b"", None]),
    "truth": pl.Series([True, False, None]),
    "nothing": pl.Series([None, None], dtype=pl.Null),
    "nothing but nulls": pl.Series([None, None], dtype=pl.Int64),
    "dates": pl.Series([date(1, 1, 1), date(9999, 12, 31), None]),
    "times of day": pl.Series([time(23, 59, 59, 999999), None]),
    "nanoseconds": pl.Series([datetime(2013, 1, 1, tzinfo=UTC)], dtype=pl.Datetime("ns", "UTC")) + timedelta(microseconds=1),
    "times in a zone": pl.Series([datetime(2013, 10, 27, 0, 30, tzinfo=UTC)]).dt.convert_time_zone("Europe/Berlin"),
    "durations": pl.Series([timedelta(days=-1, microseconds=1), None]),
    "categories": pl.Series(["a", "b", None, "a"], dtype=pl.Categorical),
    "lists": pl.Series([[1, None], [], None]),
    "records": pl.Series([{"a": 1, "b": "x"}, {"a": None, "b": None}, None]),
    "no rows": pl.Series([], dtype=pl.String),
}


def planned(folder: Path, frame: pl.DataFrame, name: str = "odd.parquet") -> tuple[Parquet, SourcePartition]:
    frame.write_parquet(folder / name)
    extractor = Parquet(path=str(folder / name))
    (partition,) = extractor.plan().partitions
    return extractor, partition


@pytest.mark.parametrize("kind", ODD)
def test_every_value_and_type_is_read_as_it_was_written(kind: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"v": ODD[kind], 'a name, with "odd" signs\n': ODD[kind]})
    extractor, partition = planned(tmp_path, frame)
    found = extractor.read(partition).collect(engine="streaming")
    assert_frame_equal(found, frame, check_exact=True, categorical_as_str=True)
    assert extractor.is_complete(partition, found.lazy())


values = st.one_of(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=5),
    st.lists(st.none() | st.floats(), max_size=5),
    st.lists(st.none() | st.text(st.characters(codec="utf-8")), max_size=5),
    st.lists(st.none() | st.binary(), max_size=5),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=values)
def test_what_is_written_is_read(column: list[Any], tmp_path: Path) -> None:
    frame = pl.DataFrame({"v": column})
    extractor, partition = planned(tmp_path, frame)
    assert_frame_equal(extractor.read(partition).collect(engine="streaming"), frame, check_exact=True)


def test_folders_named_like_columns_add_none(tmp_path: Path) -> None:
    (tmp_path / "year=2013").mkdir()
    extractor, partition = planned(tmp_path, pl.DataFrame({"a": [1]}), "year=2013/a.parquet")
    assert extractor.plan().columns == ("a",)
    assert extractor.read(partition).collect().columns == ["a"]


@pytest.mark.parametrize("contents", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + b"\0" * 100 + b"PAR1"], ids=repr)
def test_what_is_no_parquet_file_is_planned_and_refused_when_it_is_read(contents: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(contents)
    extractor = Parquet(path=str(tmp_path / "a.parquet"))
    source = extractor.plan()
    assert source.columns is None
    with pytest.raises(DataError, match="is no Parquet file, or a part of one"):
        extractor.read(source.partitions[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused(data: st.DataObject, tmp_path: Path) -> None:
    extractor, partition = planned(tmp_path, pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    whole = Path(partition.name).read_bytes()
    Path(partition.name).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DataError, match="is no Parquet file, or a part of one"):
        extractor.read(partition)


def test_a_file_is_a_unit_and_is_told_apart_by_its_fingerprint(tmp_path: Path) -> None:
    extractor, first = planned(tmp_path, pl.DataFrame({"a": [1]}))
    _, second = planned(tmp_path, pl.DataFrame({"a": [2, 3]}))
    assert first.unit == first.name == second.name == str(tmp_path / "odd.parquet")
    assert first.fingerprint != second.fingerprint
    assert not extractor.incremental


def test_a_window_chooses_files_by_the_date_in_their_names(tmp_path: Path) -> None:
    for month in ("2013-01", "2013-02", "2013-03"):
        planned(tmp_path, pl.DataFrame({"a": [1]}), f"{month}.parquet")
    extractor = Parquet(path=str(tmp_path / "*.parquet"))
    source = extractor.plan(Window(since="2013-02", until="2013-03-01"))
    assert [Path(partition.name).stem for partition in source.partitions] == ["2013-02"]
    assert extractor.plan(Window(since="2020-01-01")).partitions == ()
    with pytest.raises(ConfigError, match="since is not a date"):
        extractor.plan(Window(since="2013-13"))
