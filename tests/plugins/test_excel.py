"""Excel workbooks: cells are read as what they are, and errors are not made into nothing."""

# ruff: noqa: DTZ001  cells hold times without a zone

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import DataError
from engine.plugin import CHECK, RAW, ROW, Window
from plugins.extractors.excel import Excel

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("fastexcel")


SEVENTH = 0.1428571428571428
"""With sixteen digits, which is what openpyxl writes."""


def workbook(folder: Path, sheets: dict[str, list[list[Any]]], name: str = "book.xlsx") -> Path:
    """Write a workbook; a text that starts with # is an error."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for number, row in enumerate(rows, 1):
            for letter, value in enumerate(row, 1):
                sheet.cell(number, letter, value)
    book.save(folder / name)
    return folder / name


def column(folder: Path, *values: Any, **parameters: Any) -> pl.Series:
    """Return a column that is read from cells, none of which is rejected."""
    file = workbook(folder, {"Data": [["id", "v"], *([number, value] for number, value in enumerate(values))]})
    extractor = Excel(path=str(file), **parameters)
    return extractor.read(extractor.plan().partitions[0]).collect()["v"]


def salvaged(extractor: Excel, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    (partition,) = extractor.plan().partitions
    with pytest.raises(pl.exceptions.ComputeError):
        extractor.read(partition, thorough=True).collect()
    found = extractor.salvage(partition, folder)
    return found.rows.collect(), found.rejected.collect()


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2.0, None, -3], pl.Int64, [1, 2, None, -3]),
        ([1, 2.5], pl.Float64, [1.0, 2.5]),
        ([2**53 - 1], pl.Int64, [2**53 - 1]),
        ([2**60, 1e300, 0.1], pl.Float64, [float(2**60), 1e300, 0.1]),
        ([SEVENTH, 1e-300, -2.5e17 / 8], pl.Float64, [SEVENTH, 1e-300, -2.5e17 / 8]),
        (["007", "x", "  y "], pl.String, ["007", "x", "  y "]),
        (["1", "2"], pl.String, ["1", "2"]),
        (["a", 5, 2.5, True], pl.String, ["a", "5", "2.5", "true"]),
        (
            ["0.142857143", SEVENTH, 1e-300, "007", 7, 1e20],
            pl.String,
            ["0.142857143", repr(SEVENTH), "1e-300", "007", "7", "100000000000000000000"],
        ),
        ([True, False, None], pl.Boolean, [True, False, None]),
        ([True, 1, 2.5], pl.String, ["true", "1", "2.5"]),
        ([date(2013, 1, 31), None], pl.Date, [date(2013, 1, 31), None]),
        (
            [datetime(2013, 1, 1, 5, 0, 0, 250_000), date(2013, 1, 1)],
            pl.Datetime("us"),
            [datetime(2013, 1, 1, 5, 0, 0, 250_000), datetime(2013, 1, 1)],
        ),
        ([datetime(2013, 1, 1), 5], pl.String, ["2013-01-01 00:00:00", "5"]),
        ([datetime(2013, 1, 1), "x"], pl.String, ["2013-01-01 00:00:00", "x"]),
        ([time(5, 6), time(0, 0)], pl.Time, [time(5, 6), time(0, 0)]),
        ([timedelta(hours=30), timedelta(hours=1)], pl.Duration("us"), [timedelta(hours=30), timedelta(hours=1)]),
        ([timedelta(hours=1), "x"], pl.String, ["1899-12-31 01:00:00", "x"]),
        ([timedelta(hours=1), 7], pl.String, ["1899-12-31 01:00:00", "7"]),
        ([None, None], pl.String, [None, None]),
        (["é", "😀", "a\nb"], pl.String, ["é", "😀", "a\nb"]),
    ],
)
def test_cells_are_read_as_what_they_are(tmp_path: Path, values: list[Any], dtype: pl.DataType, expected: list[Any]) -> None:
    series = column(tmp_path, *values)
    assert series.dtype == dtype
    assert series.to_list() == expected


def test_a_row_with_an_error_is_set_aside_with_its_cell(tmp_path: Path) -> None:
    rows = [
        ["id", "v", "w"],
        [1, 5, "x"],
        [None, None, None],
        [2, "#N/A", "y"],
        [3, 7, "#DIV/0!"],
        [None, "#REF!", None],
        [4, 8, "z"],
    ]
    got, rejected = salvaged(Excel(path=str(workbook(tmp_path, {"Data": rows}))), tmp_path)
    assert got.rows() == [(1, 1, 5, "x"), (5, 4, 8, "z")]
    assert got.schema == {ROW: pl.UInt32, "id": pl.Int64, "v": pl.Int64, "w": pl.String}
    assert rejected.to_dict(as_series=False) == {
        ROW: [2, 3, 4],
        CHECK: ["row 4: #N/A in cell B4", "row 5: #DIV/0! in cell C5", "row 6: #REF! in cell B6"],
        RAW: ["2\t#N/A\ty", "3\t7\t#DIV/0!", "\t#REF!\t"],
    }


def test_errors_and_words_that_stand_for_nothing_are_null(tmp_path: Path) -> None:
    assert column(tmp_path, 1, "#N/A", 2, nulls=["#N/A"]).to_list() == [1, None, 2]
    assert column(tmp_path, 1, "n/a", 2, nulls=["n/a"]).to_list() == [1, None, 2]


def test_declared_types_are_read_and_other_values_are_set_aside(tmp_path: Path) -> None:
    rows = [
        ["n", "d", "t", "s"],
        ["5", date(2013, 1, 31), "2013-01-01T05:00:00Z", 7],
        [6, "2013-02-01", None, 0.1],
        [7.5, None, None, None],
        [8, "31.1.2013", None, None],
    ]
    dtypes = {"n": "Int64", "d": "Date", "t": "Datetime[UTC]", "s": "String"}
    got, rejected = salvaged(Excel(path=str(workbook(tmp_path, {"Data": rows})), dtypes=dtypes), tmp_path)
    assert got["n"].to_list() == [5, 6]
    assert got["s"].to_list() == ["7", "0.1"]
    assert rejected[CHECK].to_list() == ["row 4: '7.5' is not Int64 (n)", "row 5: '31.1.2013' is not Date (d)"]
    same = column(tmp_path, date(2013, 1, 31), None, dtypes={"v": "Date"})
    assert same.to_list() == [date(2013, 1, 31), None]
    later = column(tmp_path, date(2013, 1, 31), dtypes={"v": "Datetime"})
    assert later.to_list() == [datetime(2013, 1, 31)]


def test_numbers_keep_their_digits_when_their_type_is_declared(tmp_path: Path) -> None:
    assert column(tmp_path, SEVENTH, 5, None, dtypes={"v": "Float64"}).to_list() == [SEVENTH, 5.0, None]
    assert column(tmp_path, SEVENTH, 5, None, dtypes={"v": "String"}).to_list() == [repr(SEVENTH), "5", None]


@example([1.5], ["nan"])
@settings(max_examples=25)  # each writes and reads a workbook
@given(
    st.lists(st.floats(-1e300, 1e300).map(lambda number: float(f"{number:.15g}")), min_size=1),
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "Nd"]), min_size=1), max_size=3),
)
def test_numbers_are_kept_to_the_last_digit_among_text_too(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float], words: list[str]
) -> None:
    series = column(tmp_path_factory.mktemp("numbers"), *numbers, *words)
    assert series[: len(numbers)].cast(pl.Float64).to_list() == numbers
    assert series[len(numbers) :].to_list() == words


def test_a_sheet_is_chosen_by_name_and_its_header_by_row(tmp_path: Path) -> None:
    rows = [["A report"], [], [None, "a", "b"], [None, 1, "x"], [None, 2, "y"]]
    file = workbook(tmp_path, {"First": [["z"], [0]], "Second": rows})
    extractor = Excel(path=str(file), sheet="Second", header_row=3)
    source = extractor.plan()
    assert source.partitions[0].name == f"{file}!Second"
    assert source.columns == ("a", "b")
    assert extractor.read(source.partitions[0]).collect().rows() == [(1, "x"), (2, "y")]
    assert Excel(path=str(file)).plan().columns == ("z",)


def test_merged_cells_are_one_value_and_empty_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, 2], [3, 4]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(tmp_path / "merged.xlsx")
    extractor = Excel(path=str(tmp_path / "merged.xlsx"))
    assert extractor.read(extractor.plan().partitions[0]).collect().rows() == [(1, 2), (None, 4)]


def test_a_header_without_rows_is_a_frame_without_rows(tmp_path: Path) -> None:
    extractor = Excel(path=str(workbook(tmp_path, {"Data": [["a", "b"]]})))
    frame = extractor.read(extractor.plan().partitions[0]).collect()
    assert (frame.columns, frame.height) == (["a", "b"], 0)


@pytest.mark.parametrize(
    ("rows", "parameters", "message"),
    [
        ([], {}, "no names of columns in row 1"),
        ([["a"], [1]], {"header_row": 9}, "no names of columns in row 9"),
        ([["__row__"], [1]], {}, "can not have the name '__row__'"),
        ([["a", "a"], [1, 2]], {}, "names the column 'a' twice"),
        ([["a", None], [1, 2]], {}, "column B of .* has values and no name"),
        ([["a"], [1]], {"sheet": "Dat"}, "no sheet 'Dat'[\\s\\S]*did you mean 'Data'"),
        ([["amount"], [1]], {"dtypes": {"amuont": "Int64"}}, "dtypes names a column 'amuont'[\\s\\S]*did you mean 'amount'"),
    ],
)
def test_a_sheet_that_makes_no_table_is_refused_when_read_and_not_when_planned(
    tmp_path: Path, rows: list[list[Any]], parameters: dict[str, Any], message: str
) -> None:
    extractor = Excel(path=str(workbook(tmp_path, {"Data": rows})), **parameters)
    (partition,) = extractor.plan().partitions
    with pytest.raises(DataError, match=message):
        extractor.read(partition)


def test_a_plan_chooses_files_by_the_date_in_their_names(tmp_path: Path) -> None:
    for month in (1, 2):
        workbook(tmp_path, {"Data": [["a"], [1]]}, f"rows-2013-0{month}.xlsx")
    extractor = Excel(path=str(tmp_path / "*.xlsx"), sheet="Data")
    source = extractor.plan(Window(since="2013-02-01"))
    assert [partition.name for partition in source.partitions] == [f"{tmp_path}/rows-2013-02.xlsx!Data"]
    assert extractor.plan(Window(since="2014-01-01")).partitions == ()


def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 and no more")
    (partition,) = Excel(path=str(tmp_path / "*.xlsx")).plan().partitions
    with pytest.raises(DataError, match="is no Excel workbook"):
        Excel(path=str(tmp_path / "*.xlsx")).read(partition)
