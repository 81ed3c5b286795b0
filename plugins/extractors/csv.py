"""CSV files, plain or gzipped."""

import csv
import gzip
import io
from pathlib import Path
from typing import IO

import polars as pl
from pydantic import Field, field_validator

from engine.errors import DataError
from engine.plugin import Extractor, Source, SourcePartition
from plugins.extractors._files import disagreement, partitions
from plugins.extractors._types import dtype_of, learn

_SAMPLE = 1_000  # rows from which types are guessed; a wrong guess fails loudly and is learned from all rows

_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Csv(Extractor):
    """Read CSV files with a header, one partition a file; ``.gz`` files are unpacked while reading.

    Types are learned from all rows of a file unless `dtypes` declares them: whole numbers, decimal numbers,
    true/false, ISO 8601 dates and times, else text. A file that ends in the middle of a row is refused.
    """

    path: str = Field(description="A file or a glob pattern (`data/2013/*.csv.gz`), relative to where you stand.")
    nulls: tuple[str, ...] = Field(default=(), description="Words that stand for a missing value, besides nothing at all.")
    dtypes: dict[str, str] = Field(
        default_factory=dict,
        description="Types by column, as Polars calls them: Int64, Float64, String, Boolean, Date, Datetime, Datetime[UTC]. "
        "Declare a type where files do not agree, or where leading zeros matter (String).",
    )
    separator: str = Field(default=",", min_length=1, max_length=1, description="The character between fields.")

    @field_validator("dtypes")
    @classmethod
    def _known_types(cls, dtypes: dict[str, str]) -> dict[str, str]:
        for name in dtypes.values():
            dtype_of(name)
        return dtypes

    def plan(self) -> Source:
        """Return a partition a file; the columns come from the headers."""
        files = partitions(self.path)
        headers = {file.name: self._header(file.name) for file in files}
        first = files[0].name
        for name, columns in headers.items():
            if columns != headers[first]:
                raise disagreement(first, headers[first], name, columns)
        for column in self.dtypes:
            if column not in headers[first]:
                raise DataError(f"dtypes names a column '{column}' that is not in the header", where=first)
        return Source(files, headers[first])

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one file, with types guessed from its first rows or, if ``thorough``, learned from all."""
        text = self._scan(partition.name, None)
        declared = {column: dtype_of(name) for column, name in self.dtypes.items()}
        open_columns = [column for column in text.collect_schema().names() if column not in declared]
        learned = learn(text.select(open_columns), None if thorough else _SAMPLE)
        unseen = [column for column, dtype in learned.items() if dtype == pl.Null]
        if unseen and not thorough:
            learned |= learn(text.select(unseen), None)
        schema = {
            column: declared.get(column) or (pl.String if learned[column] == pl.Null else learned[column])
            for column in text.collect_schema().names()
        }
        return self._scan(partition.name, pl.Schema(schema))

    def verify(self, partition: SourcePartition, written: pl.LazyFrame) -> None:
        """Refuse a file with a row that is too short: Polars fills it with nulls.

        A short row always lacks the last column, so only a file with a null there is looked at again.
        """
        last = written.collect_schema().names()[-1]
        if written.select(pl.col(last).null_count()).collect().item() > 0:
            self.diagnose(partition)

    def diagnose(self, partition: SourcePartition) -> None:
        """Name the first row that has too few or too many fields, or a quote that is never closed."""
        with _open(partition.name) as file:
            rows = csv.reader(file, delimiter=self.separator, strict=True)
            width, line = len(next(rows)), 1
            try:
                for row in rows:
                    if row and len(row) != width:
                        raise self._uneven(partition.name, rows.line_num, width, len(row))
                    line = rows.line_num
            except csv.Error as error:
                where = f"{partition.name}:{line + 1}"
                raise DataError(f"{partition.name} has a row that can not be read", where=where, found=str(error)) from None

    def _uneven(self, name: str, line: int, width: int, found: int) -> DataError:
        short = found < width
        return DataError(
            f"{name} has a row that is cut short" if short else f"{name} has a row with too many fields",
            where=f"{name}:{line}",
            expected=f"{width} fields",
            found=f"{found} fields",
            hint="is the file complete? get it again" if short else "is a separator inside of a field? it needs quotes",
        )

    def _scan(self, name: str, schema: pl.Schema | None) -> pl.LazyFrame:
        return pl.scan_csv(
            name,
            separator=self.separator,
            null_values=list(self.nulls),
            schema=schema,
            infer_schema=False,
            glob=False,
            low_memory=True,
        )

    def _header(self, name: str) -> tuple[str, ...]:
        """Return the names in a file's first line. Refuses what is empty, not UTF-8, cut short, or names a column twice."""
        with Path(name).open("rb") as file:
            start = file.read(2)
        if start in _BYTE_ORDER_MARKS:
            raise DataError(
                f"{name} is {_BYTE_ORDER_MARKS[start]}, not UTF-8", where=name, hint=f"iconv -f UTF-16 -t UTF-8 {name}"
            )
        try:
            with _open(name) as file:
                header = next(csv.reader(file, delimiter=self.separator), [])
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is not UTF-8", where=name, found=f"byte {error.object[error.start]:#x}") from None
        except (EOFError, gzip.BadGzipFile) as error:
            raise DataError(f"{name} is not a whole gzip file", where=name, found=str(error), hint="get it again") from None
        if not header:
            raise DataError(f"{name} is empty", where=name, expected="a header line")
        twice = next((column for column in header if header.count(column) > 1), None)
        if twice is not None:
            raise DataError(f"{name} names the column '{twice}' twice", where=f"{name}:1")
        return tuple(header)


def _open(name: str) -> IO[str]:
    if name.endswith(".gz"):
        return io.TextIOWrapper(gzip.open(name, "rb"), encoding="utf-8-sig", newline="")
    return Path(name).open(encoding="utf-8-sig", newline="")
