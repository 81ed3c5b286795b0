"""Files with one JSON object a line, plain or gzipped."""

import gzip
import zlib
from collections.abc import Iterator
from functools import partial
from io import BufferedReader
from itertools import islice
from pathlib import Path

import polars as pl
from pydantic import Field, field_validator

from engine.errors import DataError
from engine.plugin import ALL, Extractor, Salvaged, Source, SourcePartition, Window
from plugins.extractors._files import partitions
from plugins.extractors._json_rows import SPACE, Decoder, Reader, Row, kind_of
from plugins.extractors._types import dtype_of

_SAMPLE = 1_000  # rows from which types are guessed; a wrong guess fails loudly and is learned from all rows
_LONGEST = 256 * 1024**2  # bytes of a line; a file without line ends must not fill the memory

_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Ndjson(Extractor):
    """Read files with one JSON object a line (NDJSON, JSON Lines), one partition a file; ``.gz`` is unpacked while reading.

    Keys become columns, in the order in which they are seen; one that a line lacks is null there. Objects and arrays stay
    nested (Struct, List). Types are learned from all lines: whole numbers are Int64; numbers are Float64 if that gives
    back every digit; strings stay text. Where no type holds all values exactly (a number here and a string there, numbers
    beyond Int64, digits beyond Float64, empty objects, more than 1000 different keys) each value is kept as JSON text.

    A line goes to quarantine when it is not JSON in UTF-8 or no object, when a key stands twice in an object, and for
    NaN, Infinity and halves of surrogate pairs, which are not JSON. Blank lines are no rows.
    """

    path: str = Field(description="A file or a glob pattern (`events/*.jsonl.gz`), relative to where you stand.")
    dtypes: dict[str, str] = Field(
        default_factory=dict,
        description="Types by column, as Polars calls them: Int64, Float64, String, Boolean, Date, Datetime, Datetime[UTC]. "
        "Declare those of times, which are strings in JSON, and where files do not agree. A line with another value goes to "
        "quarantine. As String, strings are themselves and other values JSON text. Types of nested values are learned.",
    )

    @field_validator("dtypes")
    @classmethod
    def _known_types(cls, dtypes: dict[str, str]) -> dict[str, str]:
        for name in dtypes.values():
            dtype_of(name)
        return dtypes

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition a file; the columns are not known before the lines are read."""
        return Source(partitions(self.path, window), None)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one file, with types guessed from its first rows or, if ``thorough``, learned from all."""
        rows = partial(_rows, partition.name)
        reader = Reader.learn(rows() if thorough else islice(rows(), _SAMPLE), self.dtypes)
        if not reader.schema:
            self._explain(partition)
        return reader.scan(rows)

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged:
        """Return the lines that can be read and the others, the file read once for each."""
        rows = partial(_rows, partition.name)
        reader = Reader.learn(rows(), self.dtypes)
        if not reader.schema:
            self._explain(partition)
        return reader.salvage(rows)

    def _explain(self, partition: SourcePartition) -> None:
        """Raise ``DataError`` if no line of a file has a key."""
        first = next(_rows(partition.name), None)
        if first is None:
            raise DataError(f"{partition.name} is empty", where=partition.name, expected="a JSON object a line")
        if all(row.fault for row in _rows(partition.name)):
            raise DataError(
                f"no line of {partition.name} is a JSON object",
                where=f"{partition.name}:{first.place.removeprefix('line ')}",
                found=first.fault,
                hint="a file that is one array of objects is read with use: json",
            )
        if all(row.fault or not row.value for row in _rows(partition.name)):
            raise DataError(f"the objects of {partition.name} have no keys", where=partition.name)


def _rows(name: str) -> Iterator[Row]:
    """Yield a row for each line that is not blank. ``DataError`` when the file is at fault, not a line of it."""
    decoder, rows = Decoder(), 0
    with _open(name) as file:
        for number, line in enumerate(_lines(file, name), 1):
            if line.strip():
                rows += 1
                yield _row(decoder, rows, f"line {number}", line)


def _row(decoder: Decoder, number: int, place: str, line: bytes) -> Row:
    try:
        text = line.decode().strip(SPACE)
    except UnicodeDecodeError as error:
        raw = line.decode(errors="backslashreplace").strip(SPACE)
        return Row(number, place, raw, {}, f"not UTF-8 (byte {line[error.start]:#x})")
    try:
        value, end, fault = decoder.decode(text)
    except ValueError as error:
        return Row(number, place, text, {}, f"not JSON: {error}")
    if end < len(text):
        fault = f"not JSON: more text at character {end + 1}"
    elif not fault and not isinstance(value, dict):
        fault = f"not an object but {kind_of(value)}"
    return Row(number, place, text, {} if fault else value, fault)


def _lines(file: gzip.GzipFile | BufferedReader, name: str) -> Iterator[bytes]:
    number = 1
    try:
        line = file.readline(_LONGEST).removeprefix(b"\xef\xbb\xbf")
        if line[:2] in _OTHER_ENCODINGS:
            coding = _OTHER_ENCODINGS[line[:2]]
            raise DataError(f"{name} is {coding}, not UTF-8", where=name, hint=f"iconv -f {coding} -t UTF-8 {name}")
        while line:
            if len(line) >= _LONGEST:
                raise DataError(f"{name} has a line of more than {_LONGEST >> 20} MiB", where=f"{name}:{number}")
            yield line
            line, number = file.readline(_LONGEST), number + 1
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name} is not a whole gzip file", where=name, found=str(error), hint="get it again") from None


def _open(name: str) -> gzip.GzipFile | BufferedReader:
    return gzip.open(name, "rb") if name.endswith(".gz") else Path(name).open("rb")
