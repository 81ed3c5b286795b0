"""Reads a CSV file record by record, and says of each that is none what is wrong with it.

It is slow, and only for files that Polars does not read whole. What both read, they read alike: lines end in LF or CR LF, a
field that begins with a quote ends with one, quotes are doubled inside of it, and elsewhere a quote is a character.
"""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias, cast

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from engine.errors import DataError
from engine.plugin import CHECK, RAW, ROW, Salvaged

_Line: TypeAlias = tuple[int, bytes]
Unfit: TypeAlias = Callable[[list[list[str | None]]], dict[int, str]]

LONGEST = 16 * 2**20  # bytes; a quote that is not closed within them is taken to be never closed
_BATCH = 4 * 2**20  # bytes of records that are looked at together
_CUT = "; the last line has no line end, so the file may be incomplete"


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the file, or what stands in its place.

    ``line`` is the number of its first line, from 1; ``raw`` is its text without the last line end. ``fields`` has None where
    nothing stands between separators, and is None if the record can not be read: ``fault`` says why.
    """

    line: int
    raw: bytes
    fields: list[str | None] | None
    fault: str = ""


@dataclass(slots=True)
class _Fields:
    """The fields of a record as far as its lines were read; ``inside`` has the pieces of a field whose quote is open."""

    separator: str
    done: list[str | None]
    inside: list[str] | None = None

    def take(self, text: str, end: str) -> str:
        """Read a line and return what is wrong with it, if anything. ``end`` is its line end, which a quote may hold."""
        at = 0
        while True:
            if self.inside is None:
                if not text.startswith('"', at):
                    stop = text.find(self.separator, at)
                    self.done.append(text[at : None if stop < 0 else stop] or None)
                    if stop < 0:
                        return ""
                    at = stop + 1
                    continue
                self.inside, at = [], at + 1
            stop = text.find('"', at)
            if stop < 0:
                self.inside.append(text[at:] + end)
                return ""
            self.inside.append(text[at:stop])
            if text.startswith('"', stop + 1):
                self.inside.append('"')
                at = stop + 2
                continue
            self.done.append("".join(self.inside))
            self.inside, at = None, stop + 1
            if at == len(text):
                return ""
            if not text.startswith(self.separator, at):
                return f"'{text[at]}' stands after a closing quote"
            at += 1


def opened(name: str) -> IO[bytes]:
    """Open a file, unpacked if it is named ``.gz``."""
    return cast("IO[bytes]", gzip.open(name, "rb")) if name.endswith(".gz") else Path(name).open("rb")


def broken(name: str, error: Exception) -> DataError:
    """Make the error for a gzip file that can not be unpacked."""
    return DataError(f"{name} is not a whole gzip file", where=name, found=str(error), hint="get it again")


def scan(
    name: str, separator: str, schema: Mapping[str, DataType | DataTypeClass], *, header: int | None, nulls: Sequence[str] = ()
) -> pl.LazyFrame:
    """Return what Polars reads of a file; ``header`` is the line on which the header begins, None if there is none."""
    return pl.scan_csv(
        name,
        has_header=header is not None,
        skip_lines=header - 1 if header else 0,
        separator=separator,
        schema=schema,
        null_values=list(nulls) or None,
        raise_if_empty=False,
        glob=False,
        low_memory=True,
    )


def records(name: str, separator: str) -> Iterator[Record]:
    """Yield the header and all records of a file, blank lines before the header left out; ``DataError`` for a bad .gz."""
    try:
        with opened(name) as file:
            yield from _records(_lines(file), separator)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise broken(name, error) from None


def _lines(file: IO[bytes]) -> Iterator[_Line]:
    """Yield the lines with their numbers; of a line longer than ``LONGEST``, its beginning."""
    number, started = 0, False
    while line := file.readline(LONGEST):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) == LONGEST and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
        started = started or bool(line.strip(b"\r\n"))
        if started:
            yield number, line


def _records(lines: Iterator[_Line], separator: str) -> Iterator[Record]:
    again: deque[_Line] = deque()  # lines that an open quote had swallowed
    byte, width = separator.encode(), 0
    while taken := again.popleft() if again else next(lines, None):
        number, line = taken
        body = _body(line)
        plain = b'"' not in line and body.count(byte) + 1 == width and len(line) < LONGEST
        text = _text(body) if plain else None
        if text is not None:
            yield Record(number, body, [field or None for field in text.split(separator)])
            continue
        record, swallowed = _record(taken, again, lines, separator)
        again.extendleft(reversed(swallowed))
        width = width or len(record.fields or ())
        yield _of_width(record, width)


def _record(first: _Line, again: deque[_Line], lines: Iterator[_Line], separator: str) -> tuple[Record, list[_Line]]:
    """Read the record that begins in a line, and return what it must give back of the lines that follow."""
    number, line = first
    fields, more, size = _Fields(separator, []), [first], 0
    while True:
        body, end = _body(line), _end(line)
        fault = fields.take(body.decode(errors="surrogateescape"), end.decode())
        size += len(line)
        if len(line) >= LONGEST and not end:
            return Record(number, line, None, f"longer than {LONGEST:,} bytes"), more[1:]
        if fault and len(more) == 1:
            return Record(number, body, None, fault), []
        if fields.inside is None and not fault:
            return _whole(number, more, fields.done), []
        following = (again.popleft() if again else next(lines, None)) if size < LONGEST and not fault else None
        if following is None:
            cut = "" if fault or _end(more[-1][1]) else _CUT
            return Record(number, _body(first[1]), None, "a quote is never closed" + cut), more[1:]
        more.append(following)
        line = following[1]


def _whole(number: int, lines: list[_Line], fields: list[str | None]) -> Record:
    raw = b"".join(line for _, line in lines)
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return Record(number, _body(raw), None, f"not UTF-8 (byte {raw[error.start]:#04x})")
    return Record(number, _body(raw), fields, "" if raw.endswith(b"\n") else _CUT)


def _of_width(record: Record, width: int) -> Record:
    """Return the record if it has as many fields as the header, else say how many it has."""
    if record.fields is None or len(record.fields) == width:
        return record
    found = len(record.fields)
    fault = f"{found} field{'s' * (found > 1)}, expected {width}" if record.raw else f"blank, expected {width} fields"
    return Record(record.line, record.raw, None, fault + (record.fault if found < width else ""))


def _body(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _end(line: bytes) -> bytes:
    return line[len(_body(line)) :]


def _text(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def sort_out(rows: Iterator[Record], columns: tuple[str, ...], separator: str, folder: Path, unfit: Unfit) -> Salvaged:
    """Write records to a file of rows, all of them text, and to one of rejected rows, both in ``folder``.

    ``unfit`` says of a batch of records which of them, by position, have a value that a declared type can not hold.
    """
    good, bad = folder / "rows.csv", folder / "rejected.csv"
    with good.open("wb") as kept, bad.open("wb") as rejected:
        row = 0
        for batch in _batches(rows):
            faults = unfit([record.fields or [] for record in batch if record.fields is not None])
            position = 0
            for record in batch:
                row += 1
                fault = record.fault if record.fields is None else faults.get(position, "")
                position += record.fields is not None
                if fault:
                    text = record.raw.decode(errors="backslashreplace")
                    rejected.write(_line([str(row), f"line {record.line}: {fault}", text], separator))
                elif b'"' in record.raw or b"\r" in record.raw:
                    kept.write(_line([str(row), *(record.fields or ())], separator))
                else:
                    kept.write(f"{row}{separator}".encode() + record.raw + b"\n")
    return Salvaged(
        scan(str(good), separator, {ROW: pl.UInt32, **dict.fromkeys(columns, pl.String)}, header=None),
        scan(str(bad), separator, {ROW: pl.UInt32, CHECK: pl.String, RAW: pl.String}, header=None),
    )


def _batches(rows: Iterator[Record]) -> Iterator[list[Record]]:
    batch, size = [], 0
    for record in rows:
        batch.append(record)
        size += len(record.raw)
        if size > _BATCH or len(batch) == 20_000:
            yield batch
            batch, size = [], 0
    yield batch


def _line(fields: list[str | None], separator: str) -> bytes:
    quoted = ("" if field is None else '"' + field.replace('"', '""') + '"' for field in fields)
    return (separator.join(quoted) + "\n").encode()
