"""CSV files, plain or gzipped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import polars as pl
from pydantic import Field, field_validator

from engine.errors import DataError, MissingColumn, nearest
from engine.plugin import ALL, ROW, Extractor, Salvaged, Source, SourcePartition, Window
from plugins.extractors._csv_layout import Layout, layout
from plugins.extractors._csv_measured import is_measurable, measured
from plugins.extractors._csv_rows import broken, opened, records, scan, sort_out
from plugins.extractors._files import partitions
from plugins.extractors._streamed import streamed
from plugins.extractors._types import Type, article, dtype_of, held, learn, typed

_SAMPLE = 1_000  # rows from which types are guessed; a wrong guess fails loudly and is learned from all rows

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Csv(Extractor):
    """Read CSV files with a header, one partition a file; ``.gz`` files are unpacked while reading.

    Types are learned from all rows of a file unless `dtypes` declares them: whole numbers, decimal numbers,
    true/false, ISO 8601 dates and times, else text. No value is changed by this: a column with leading zeros or plus
    signs, or with more digits than a number holds, stays text. What lies between two separators is a missing value if
    it is nothing, and an empty text if it is two quotes.

    Rows that can not be read go to quarantine with their line: too few or too many fields, a quote that is never closed,
    bytes that are not UTF-8, a value that a declared type can not hold. A blank line is such a row, except in a file of one
    column, where it is a missing value. After a quote that is never closed, reading goes on in the next line. A last row
    without a line end is taken if it has all its fields.
    """

    scans: ClassVar[bool] = True

    path: str = Field(description="A file or a glob pattern (`data/2013/*.csv.gz`), relative to where you stand.")
    nulls: tuple[str, ...] = Field(default=(), description="Words that stand for a missing value, besides nothing at all.")
    dtypes: dict[str, str] = Field(
        default_factory=dict,
        description="Types by column, as Polars calls them: Int64, Float64, String, Boolean, Date, Datetime, Datetime[UTC]. "
        "Declare a type where files do not agree, or where a column should be a number in spite of leading zeros; a row with "
        "a value that the type can not hold goes to quarantine.",
    )
    separator: str = Field(
        default=",", pattern=r"^[\t !#-~]$", description="The character between fields, one of ASCII: a tab is `\\t`."
    )

    @field_validator("dtypes")
    @classmethod
    def _known_types(cls, dtypes: dict[str, str]) -> dict[str, str]:
        for name in dtypes.values():
            dtype_of(name)
        return dtypes

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition a file; the columns come from the header of the first, None if it can not be read.

        Bounds of the window are compared with the dates in the names of the files.
        """
        files = partitions(self.path, window)
        try:
            columns = self._header(files[0].name)[0] if files else None
        except DataError:
            columns = None  # read says so, of this file alone
        return Source(files, columns)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one file, with types guessed from its first rows or, if ``thorough``, learned from all."""
        columns, line = self._header(partition.name)
        types = self._types(self._text(partition.name, columns, line), partition.name, thorough=thorough)
        if not thorough and not partition.name.endswith(".gz"):
            found = layout(partition.name, self.separator, line)
            if is_measurable(found, len(columns), self.nulls):
                return self._measured(partition.name, types, line, found)
        return self._typed(self._text(partition.name, columns, line), types)

    def is_complete(self, partition: SourcePartition, written: pl.LazyFrame) -> bool:
        """Say whether Polars read all that is there.

        It fills rows that are too short with nulls. It refuses rows that are too long, but for the last one if that ends in
        a separator without a line end. It leaves out quotes that stand in the wrong place, and a CR before a separator.
        """
        columns, line = self._header(partition.name)
        found = layout(partition.name, self.separator, line)
        if found.lost:
            return False
        if found.quoted:
            return self._is_well_quoted(partition.name, len(columns))
        return found.has_fields(len(columns))

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged:
        """Read one file record by record; types are learned from all rows that have as many fields as the header."""
        columns, _ = self._header(partition.name)
        rows = records(partition.name, self.separator)
        next(rows)
        found = sort_out(rows, columns, self.separator, folder, lambda batch: self._unfit(columns, batch))
        text = self._without_nulls(found.rows, columns)
        types = self._types(text.drop(ROW), partition.name, thorough=True)
        return Salvaged(self._typed(text, types), found.rejected)

    def _types(self, text: pl.LazyFrame, name: str, *, thorough: bool) -> dict[str, Type]:
        """Return the type of each column: declared, or guessed from the first rows, or learned from all."""
        columns = text.collect_schema().names()
        declared: dict[str, Type] = {column: dtype_of(dtype) for column, dtype in self.dtypes.items()}
        try:
            learned = learn(text.select(column for column in columns if column not in declared), None if thorough else _SAMPLE)
            unseen = [column for column, dtype in learned.items() if dtype == pl.Null]
            if unseen and not thorough:
                learned |= learn(text.select(unseen), None)
        except OSError as error:
            if error.errno is not None or not name.endswith(".gz"):
                raise
            raise broken(name, error) from None
        types = declared | {column: pl.String if dtype == pl.Null else dtype for column, dtype in learned.items()}
        return {column: types[column] for column in columns}

    def _measured(self, name: str, types: Mapping[str, Type], line: int, found: Layout) -> pl.LazyFrame:
        whole = [column for column, dtype in types.items() if dtype == pl.Int64 and column not in self.dtypes]
        schema = {column: pl.Int64() if column in whole else pl.String() for column in types}
        read = scan(name, self.separator, schema, header=line, nulls=self.nulls)
        rows = streamed(lambda: measured(read, found, self.nulls), schema)
        return self._typed(rows, {column: dtype for column, dtype in types.items() if column not in whole})

    def _typed(self, text: pl.LazyFrame, types: Mapping[str, Type]) -> pl.LazyFrame:
        return text.with_columns(typed(column, dtype, declared=column in self.dtypes) for column, dtype in types.items())

    def _text(self, name: str, columns: tuple[str, ...], line: int) -> pl.LazyFrame:
        return self._without_nulls(scan(name, self.separator, dict.fromkeys(columns, pl.String), header=line), columns)

    def _without_nulls(self, text: pl.LazyFrame, columns: tuple[str, ...]) -> pl.LazyFrame:
        if not self.nulls:
            return text
        is_word = {column: pl.col(column).is_in(list(self.nulls)) for column in columns}
        return text.with_columns(pl.when(~is_word[column]).then(pl.col(column)) for column in columns)

    @property
    def _pattern(self) -> str:
        """The pattern of a record in which quotes stand where they should."""
        mark = re.escape(self.separator)
        field = rf'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
        return rf"^{field}(?:{mark}{field})*$"

    def _is_well_quoted(self, name: str, width: int) -> bool:
        """Say whether all rows of a file with quotes can be read: line by line, or by records if some field spans lines."""
        line = pl.col("line")
        bare = line.str.replace_all('"[^"]*"', "")
        lines = pl.scan_lines(name, glob=False).select(
            whole=line.str.strip_chars_end("\r").str.contains(self._pattern).all(),
            even=(bare.str.count_matches(self.separator, literal=True) == width - 1).all(),
        )
        whole, even = lines.collect(engine="streaming").row(0)
        return bool(even) if whole else all(record.fields for record in records(name, self.separator))

    def _unfit(self, columns: tuple[str, ...], batch: list[list[str | None]]) -> dict[int, str]:
        """Return, by position in the batch, which records have a value that a declared type can not hold, and which."""
        faults: dict[int, str] = {}
        for column, name in self.dtypes.items():
            at, dtype = columns.index(column), dtype_of(name)
            texts = pl.DataFrame({column: [fields[at] for fields in batch]}, schema={column: pl.String})
            lost = ~pl.col(column).is_in(list(self.nulls)) & held(pl.col(column), dtype).is_null()
            for position, value in texts.with_row_index(ROW).filter(lost).iter_rows():
                faults.setdefault(position, f"{value[:60]!r} is not {article(dtype)} ({column})")
        return faults

    def _header(self, name: str) -> tuple[tuple[str, ...], int]:
        """Return the names in a file's header, and its line.

        Raises ``DataError`` for what is empty, not UTF-8, cut short, or names a column twice.
        """
        try:
            with opened(name) as file:
                start = file.read(2)
        except (EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise broken(name, error) from None
        if start in _UTF_16:
            raise DataError(f"{name} is UTF-16, not UTF-8", where=name, hint=f"iconv -f UTF-16 -t UTF-8 {name}")
        first = next(records(name, self.separator), None)
        if first is None:
            raise DataError(f"{name} is empty", where=name, expected="a header line")
        if first.fields is None:
            utf_8 = "not UTF-8" in first.fault
            what = f"{name} is not UTF-8" if utf_8 else f"the header of {name} can not be read"
            raise DataError(what, where=f"{name}:{first.line}", found=first.fault)
        if b"\r" in first.raw and b'"' not in first.raw:
            raise DataError(f"{name} ends its lines with CR alone", where=name, expected="LF or CR LF")
        columns = tuple(column or "" for column in first.fields)
        if b'"' in first.raw and not re.fullmatch(self._pattern, first.raw.decode()):
            raise DataError(f"{name} has a quote within a name", where=f"{name}:{first.line}", found=first.raw.decode()[:200])
        self._check(columns, name, first.line)
        return columns, first.line

    def _check(self, columns: tuple[str, ...], name: str, line: int) -> None:
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if twice is not None:
            raise DataError(f"{name} names the column '{twice}' twice", where=f"{name}:{line}")
        for column in self.dtypes:
            if column not in columns:
                near = nearest(column, columns)
                raise MissingColumn(
                    f"dtypes names a column '{column}' that is not in the header",
                    where=name,
                    expected="one of " + ", ".join(columns),
                    hint=f"did you mean '{near}'?" if near else "",
                )
