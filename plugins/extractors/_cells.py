"""The cells of a sheet, each as text and as what it is, errors among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from engine.errors import DataError, HostError, nearest
from plugins.extractors._types import Type, held

_ERRORS = {
    "NA": "#N/A",
    "Div0": "#DIV/0!",
    "Name": "#NAME?",
    "Null": "#NULL!",
    "Num": "#NUM!",
    "Ref": "#REF!",
    "Value": "#VALUE!",
    "GettingData": "#GETTING_DATA",
}
_DAY_ZERO = date(1899, 12, 31)  # the day that a time of day is on
_EXACT = 2.0**53  # from here on a whole Float64 may stand for several numbers
_ROUNDED = 1e-9  # fastexcel writes numbers as text with nine decimals
_DATED = r"^\d{4,}-\d{2}-\d{2} "


@dataclass(frozen=True)
class Cells:
    """The cells of consecutive rows of a sheet, in columns that have the sheet's letters as names.

    ``errors`` are the cells that hold one, by number in the frames and letter; they are null in the frames.
    """

    text: pl.DataFrame
    typed: pl.DataFrame
    errors: Mapping[tuple[int, str], str] = field(default_factory=dict)


class Workbook:
    """A file with sheets. ``DataError`` when it is none."""

    def __init__(self, name: str, sheet: str) -> None:
        try:
            import fastexcel
            import pyarrow as pa  # noqa: F401  fastexcel tells of errors in cells through it
        except ImportError as error:
            raise HostError("Excel workbooks need the library fastexcel", hint="pip install 'levada[excel]'") from error
        self._sheet = sheet
        try:
            self._reader = fastexcel.read_excel(name)
        except fastexcel.FastExcelError as error:
            raise DataError(f"{name} is no Excel workbook", where=name, found=str(error).splitlines()[0]) from None
        if sheet and sheet not in self._reader.sheet_names:
            near = nearest(sheet, self._reader.sheet_names)
            raise DataError(
                f"{name} has no sheet '{sheet}'",
                where=name,
                expected="one of " + ", ".join(self._reader.sheet_names),
                hint=f"did you mean '{near}'?" if near else "",
            )

    def row(self, number: int) -> dict[str, str | None]:
        """Return the texts of one row by letter; nothing when the sheet ends before it."""
        from fastexcel import InvalidParametersError

        try:
            sheet, letters = self._load(skip_rows=number - 1, n_rows=1, dtypes="string")
        except InvalidParametersError:  # more rows to skip than there are
            return {}
        frame = _frame(sheet.to_arrow_with_errors()[0], letters)
        return frame.row(0, named=True) if frame.height else {}

    def below(self, number: int) -> Cells:
        """Return the cells of all rows after one."""
        sheet, letters = self._load(skip_rows=number, dtypes="string")
        batch, faults = sheet.to_arrow_with_errors()
        text = _frame(batch, letters)
        errors = {}
        for fault in faults.errors if faults else ():
            row, column = fault.offset_position
            word = re.search(r"Error\((\w+)\)", fault.detail)
            errors[row, letters[column]] = _ERRORS.get(word[1], word[1]) if word else fault.detail
        typed = self._typed(text, number)
        text = self._with_all_digits(text, typed, number)
        return Cells(text, typed.with_columns(text[letter] for letter in letters if typed[letter].dtype == pl.String), errors)

    def _with_all_digits(self, text: pl.DataFrame, typed: pl.DataFrame, skipped: int) -> pl.DataFrame:
        """Return the text of the cells, in which fastexcel leaves numbers nine decimals, with all digits that they have."""
        mixed = [n for n, column in enumerate(typed) if column.dtype == pl.String and _numbers(text[:, n]).count()]
        digits = {column.name: column for column in typed if column.dtype == pl.Float64}
        if mixed:
            kinds = {n: "float" if n in mixed else "string" for n in range(text.width)}
            sheet, letters = self._load(skip_rows=skipped, dtypes=kinds)
            floats = _frame(sheet.to_arrow_with_errors()[0], letters)  # what is no number is null, and text like one is one
            digits |= {letters[n]: floats[:, n] for n in mixed}
        return text.with_columns(
            _written(numbers).zip_with((_numbers(text[letter]) != numbers).fill_null(value=False), text[letter])
            for letter, numbers in digits.items()
        )

    def _typed(self, text: pl.DataFrame, skipped: int) -> pl.DataFrame:
        """Return the columns as what their cells are, as text where these are of several kinds."""
        as_text: dict[int, str] = {n: "string" for n, column in enumerate(text) if column.null_count() == len(column)}
        while True:
            try:
                sheet, letters = self._load(skip_rows=skipped, dtypes=dict(as_text), schema_sample_rows=None)
                typed = _frame(sheet.to_arrow_with_errors()[0], letters)
            except Exception as error:  # the reader raises several kinds; what is not known here goes on
                found = re.search(r"combination[\s\S]*column __UNNAMED__(\d+)", str(error))
                if found is None or int(found[1]) in as_text:
                    raise
                as_text[int(found[1])] = "string"
                continue
            return typed.with_columns(_kept(text[column], typed[column]) for column in typed.columns)

    def _load(self, **how: Any) -> tuple[Any, list[str]]:
        sheet = self._reader.load_sheet(self._sheet or 0, header_row=None, **how)
        return sheet, [_letters(column.absolute_index) for column in sheet.available_columns()]


def _frame(batch: Any, letters: list[str]) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    frame.columns = letters
    return frame


def _letters(index: int) -> str:
    rest, last = divmod(index, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + last)


def _kept(text: pl.Series, typed: pl.Series) -> pl.Series:
    """Return a column narrowed to what its cells say, or as text when cells of another kind were made to fit."""
    if typed.dtype.is_numeric():
        shown, numbers = _numbers(text), typed.cast(pl.Float64)
        is_close = (shown - numbers).abs() <= _ROUNDED * (1 + numbers.abs())
        finite = numbers.is_finite().all()  # no cell holds a number that is not: it was a text that looks like one
        if not (finite and shown.is_null().equals(numbers.is_null()) and is_close.all()):
            return text
        return numbers.cast(pl.Int64) if _is_whole(numbers).all() else numbers
    if typed.dtype == pl.Boolean:
        return typed if text.drop_nulls().is_in(["true", "false"]).all() else text
    if isinstance(typed.dtype, pl.Datetime):
        if not text.drop_nulls().str.contains(_DATED).all():
            return text
        if (typed.dt.date() == _DAY_ZERO).all():
            return typed.dt.time()
        return typed.dt.date() if (typed.dt.truncate("1d") == typed).all() else typed.cast(pl.Datetime("us"))
    if isinstance(typed.dtype, pl.Duration):
        return typed.cast(pl.Duration("us")) if text.drop_nulls().str.contains(_DATED).all() else text
    return typed


def _numbers(text: pl.Series) -> pl.Series:
    return text.cast(pl.Float64, strict=False)


def _is_whole(numbers: pl.Series) -> pl.Series:
    return (numbers.round() == numbers) & (numbers.abs() < _EXACT)


def _written(numbers: pl.Series) -> pl.Series:
    """Return numbers as text that gives them back, whole ones without a fraction."""
    return numbers.cast(pl.Int64, strict=False).cast(pl.String).zip_with(_is_whole(numbers), numbers.cast(pl.String))


def read_as(typed: pl.Series, text: pl.Series, dtype: Type) -> pl.Series:
    """Return a column read as a declared type, null where a cell does not hold such a value."""
    if typed.dtype in (pl.Date, pl.Time, pl.Datetime):
        text = typed.dt.to_string("iso")
    elif dtype == pl.Date:
        text = text.str.replace(" 00:00:00$", "")  # among text, dates are written as times
    return text.to_frame().select(held(pl.first(), dtype)).to_series()
