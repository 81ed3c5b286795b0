"""Excel workbooks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from pydantic import Field, field_validator

from engine.errors import DataError, nearest
from engine.plugin import ALL, CHECK, RAW, ROW, Extractor, Salvaged, Source, SourcePartition, Window
from plugins.extractors._cells import Cells, Workbook, read_as
from plugins.extractors._files import partitions
from plugins.extractors._streamed import refuse_reserved, streamed
from plugins.extractors._types import dtype_of, learn


class Excel(Extractor):
    """Read a sheet of Excel workbooks (.xlsx, .xlsm, .xls, .xlsb, .ods), one partition a file.

    Types are those of the cells: numbers are Int64 if all of a column are whole, else Float64; times are Date if all are
    at midnight, Time if none has a day, else Datetime; text stays text, whatever it looks like. A column of several kinds
    is text, in which times are written as dates from 1899-12-31 on. A formula counts as the value that was saved with it,
    merged cells as one value and empty cells; blank rows are no rows. A row with an error (`#N/A`) goes to quarantine,
    unless `nulls` has it. The sheet is held in memory.
    """

    path: str = Field(description="A file or a glob pattern (`data/*.xlsx`), relative to where you stand.")
    sheet: str = Field(default="", description="The name of the sheet; the first one when empty.")
    header_row: int = Field(default=1, ge=1, description="The number of the row, as Excel shows it, that names the columns.")
    nulls: tuple[str, ...] = Field(
        default=(), description="Words and errors that stand for a missing value (`n/a`, `#N/A`), besides an empty cell."
    )
    dtypes: dict[str, str] = Field(
        default_factory=dict,
        description="Types by column, as Polars calls them: Int64, Float64, String, Boolean, Date, Datetime, Datetime[UTC]. "
        "Declare a type where files do not agree, or where text is to be read. A row with another value goes to quarantine.",
    )

    @field_validator("dtypes")
    @classmethod
    def _known_types(cls, dtypes: dict[str, str]) -> dict[str, str]:
        for name in dtypes.values():
            dtype_of(name)
        return dtypes

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition a file; the columns come from the first one's header."""
        suffix = f"!{self.sheet}" if self.sheet else ""
        files = partitions(self.path, window)
        found = tuple(replace(file, name=file.name + suffix, unit=file.name + suffix, detail=file.name) for file in files)
        try:
            columns = tuple(self._header(Workbook(files[0].name, self.sheet), found[0].name)) if files else None
        except DataError:
            columns = None  # read says why, and the other files are not held up
        return Source(found, columns)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one sheet, with types learned from all of them."""
        sheet = self._sheet(partition)

        def made() -> Iterator[pl.DataFrame]:
            if sheet.rejected.height:
                raise pl.exceptions.ComputeError(sheet.rejected[CHECK][0])
            yield sheet.rows.drop(ROW)

        return streamed(made, sheet.rows.drop(ROW).schema)

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged:
        """Return the rows that say something and those with an error or a value that is not of a declared type."""
        sheet = self._sheet(partition)
        return Salvaged(sheet.rows.lazy(), sheet.rejected.lazy())

    def _header(self, workbook: Workbook, name: str) -> dict[str, str]:
        """Return the letters under which the sheet has the named columns, by name."""
        named = {letter: text for letter, text in workbook.row(self.header_row).items() if text is not None}
        if not named:
            raise DataError(
                f"{name} has no names of columns in row {self.header_row}",
                where=name,
                hint="sheet and header_row say where they are",
            )
        names = list(named.values())
        refuse_reserved(names)
        twice = next((column for column in names if names.count(column) > 1), None)
        if twice is not None:
            raise DataError(f"{name} names the column '{twice}' twice", where=name)
        return {column: letter for letter, column in named.items()}

    def _sheet(self, partition: SourcePartition) -> "_Sheet":
        name = partition.name
        workbook = Workbook(partition.detail, self.sheet)
        header = self._header(workbook, name)
        for column in self.dtypes:
            if column not in header:
                near = nearest(column, header)
                hint = f"did you mean '{near}'?" if near else ""
                raise DataError(f"dtypes names a column '{column}' that is not in the header", where=name, hint=hint)
        cells = workbook.below(self.header_row)
        for letter in cells.text.columns:
            if letter not in header.values() and cells.text[letter].null_count() < cells.text.height:
                raise DataError(f"column {letter} of {name} has values and no name", where=name)
        return self._apart(cells, header)

    def _apart(self, cells: Cells, header: dict[str, str]) -> "_Sheet":
        """Return the rows that say something, and those that do not say it as they should."""
        first = self.header_row + 1
        faults: dict[int, str] = {}
        for (row, letter), error in sorted(cells.errors.items()):
            if error not in self.nulls:
                faults.setdefault(row, f"row {row + first}: {error} in cell {letter}{row + first}")
        columns: dict[str, pl.Series] = {}
        for column, letter in header.items():
            text = cells.text[letter].set(cells.text[letter].is_in(self.nulls), None)
            columns[column] = self._column(column, text, cells.typed[letter], is_thinned=not text.equals(cells.text[letter]))
            for row in (columns[column].is_null() & text.is_not_null()).arg_true():
                wrong = f"'{text[row]}' is not {self.dtypes.get(column)} ({column})"
                faults.setdefault(row, f"row {row + first}: {wrong}")
        is_blank = cells.text.select(pl.all_horizontal(pl.all().is_null())).to_series()
        is_blank = is_blank.scatter([row for row, _ in cells.errors], False) if cells.errors else is_blank
        kept = [row for row in (~is_blank).arg_true() if row not in faults]
        number = (~is_blank).cast(pl.UInt32).cum_sum()
        raw = cells.text.select(header.values())
        rejected = {
            ROW: [number[row] for row in sorted(faults)],
            CHECK: [faults[row] for row in sorted(faults)],
            RAW: ["\t".join(_shown(cells, raw, row)) for row in sorted(faults)],
        }
        return _Sheet(
            pl.DataFrame({ROW: number, **columns})[kept],
            pl.DataFrame(rejected, schema={ROW: pl.UInt32, CHECK: pl.String, RAW: pl.String}),
        )

    def _column(self, column: str, text: pl.Series, typed: pl.Series, *, is_thinned: bool) -> pl.Series:
        """Return a column as the type that was declared, or that its cells have; or that text has without ``nulls``."""
        if column in self.dtypes:
            return read_as(typed, text, dtype_of(self.dtypes[column]))
        if is_thinned:
            return read_as(text, text, learn(text.to_frame().lazy(), None)[text.name])
        return typed


@dataclass(frozen=True)
class _Sheet:
    """The rows of a sheet and its rejected rows, as in ``Salvaged``."""

    rows: pl.DataFrame
    rejected: pl.DataFrame


def _shown(cells: Cells, text: pl.DataFrame, row: int) -> list[str]:
    return [cells.errors.get((row, letter)) or value or "" for letter, value in text.row(row, named=True).items()]
