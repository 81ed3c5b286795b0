"""JSON files that hold an array of objects, plain or gzipped."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, field_validator

from engine.errors import DataError, nearest
from engine.plugin import ALL, Extractor, Salvaged, Source, SourcePartition, Window
from plugins.extractors._files import partitions
from plugins.extractors._json_rows import SPACE, Decoder, Reader, Row, Rows, kind_of
from plugins.extractors._types import dtype_of

_SPACE = re.compile(r"[ \t\r\n]*")


class Json(Extractor):
    """Read JSON files, each an array of objects or an object that holds one, one partition a file; ``.gz`` is unpacked.

    The text of a file is held in memory: for files of more than some hundred MB use `ndjson`. Values become columns as
    `ndjson` has it. An element goes to quarantine when it is no object, when a key stands twice in an object, and for NaN,
    Infinity and halves of surrogate pairs. A file that is not JSON to its end is refused as a whole.
    """

    path: str = Field(description="A file or a glob pattern (`data/*.json`), relative to where you stand.")
    records: str = Field(
        default="",
        description="Where the array is, when the file holds an object: a key, or keys with dots between (`response.items`).",
    )
    dtypes: dict[str, str] = Field(
        default_factory=dict,
        description="Types by column, as Polars calls them: Int64, Float64, String, Boolean, Date, Datetime, Datetime[UTC]. "
        "Declare those of times, which are strings in JSON, and where files do not agree. An element with another value goes "
        "to quarantine. As String, strings are themselves and other values JSON text. Types of nested values are learned.",
    )

    @field_validator("dtypes")
    @classmethod
    def _known_types(cls, dtypes: dict[str, str]) -> dict[str, str]:
        for name in dtypes.values():
            dtype_of(name)
        return dtypes

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition a file; the columns are not known before the elements are read."""
        return Source(partitions(self.path, window), None)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one file, with types learned from all of them."""
        rows, reader = self._learn(partition)
        return reader.scan(rows)

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged:
        """Return the elements that can be read and the others."""
        rows, reader = self._learn(partition)
        return reader.salvage(rows)

    def _learn(self, partition: SourcePartition) -> tuple[Rows, Reader]:
        name = partition.name
        rows = _Array(_text(name), self.records.split(".") if self.records else [], name).rows
        reader = Reader.learn(rows(), self.dtypes)
        if not reader.schema:
            first = next(rows(), None)
            raise DataError(
                f"no element of the array in {name} has a key" if first else f"the array in {name} is empty",
                where=name,
                expected="an array of objects",
                found=first.fault if first else "",
            )
        return rows, reader


@dataclass(frozen=True, slots=True)
class _Item:
    """An element of an array, or a member of an object, which has a key."""

    key: str
    start: int
    end: int
    value: Any
    fault: str


class _Array:
    """The array of records in a text that is JSON; it is gone through without holding more than one element decoded."""

    def __init__(self, text: str, keys: list[str], name: str) -> None:
        self._text = text
        self._start = self._after_space(0)
        for depth, key in enumerate(keys):
            self._start = self._member(key, keys[:depth], name)
        if self._text[self._start] != "[":
            value, _, fault = Decoder().decode(text, self._start)
            arrays = [key for key, inner in value.items() if isinstance(inner, list)] if isinstance(value, dict) else []
            raise DataError(
                f"{name} holds no array" + (f" at '{'.'.join(keys)}'" if keys else ""),
                where=name,
                expected="an array of objects",
                found=fault or kind_of(value),
                hint=f"records: {'.'.join([*keys, arrays[0]])}" if arrays else "",
            )

    def rows(self) -> Iterator[Row]:
        """Yield a row for each element."""
        for number, item in enumerate(self._items(self._start), 1):
            fault = item.fault
            if not fault and not isinstance(item.value, dict):
                fault = f"not an object but {kind_of(item.value)}"
            text = self._text[item.start : item.end]
            yield Row(number, f"element {number}", text, {} if fault else item.value, fault)

    def _member(self, key: str, within: list[str], name: str) -> int:
        """Return where the value of a key starts, in the object that starts where this one does."""
        place = f" at '{'.'.join(within)}'" if within else ""
        if self._text[self._start] != "{":
            value, _, fault = Decoder().decode(self._text, self._start)
            raise DataError(
                f"{name} holds no object{place}",
                where=name,
                expected=f"one with the key '{key}'",
                found=fault or kind_of(value),
            )
        members = list(self._items(self._start))
        places = [item.start for item in members if item.key == key]
        if len(places) > 1:
            raise DataError(f"{name} has the key '{key}' twice in one object{place}", where=name)
        if not places:
            known = [item.key for item in members]
            near = nearest(key, known)
            raise DataError(
                f"{name} has no key '{key}'{place}",
                where=name,
                expected="one of " + ", ".join(known[:12]),
                hint=f"did you mean '{near}'?" if near else "",
            )
        return places[0]

    def _items(self, start: int) -> Iterator[_Item]:
        """Yield what stands between the brackets that open at ``start``."""
        decoder = Decoder()
        is_object = self._text[start] == "{"
        key, position = "", self._after_space(start + 1)
        while self._text[position] not in "]}":
            if is_object:
                key, end, _ = decoder.decode(self._text, position)
                position = self._after_space(self._after_space(end) + 1)
            value, end, fault = decoder.decode(self._text, position)
            yield _Item(key, position, end, value, fault)
            position = self._after_space(end)
            if self._text[position] == ",":
                position = self._after_space(position + 1)

    def _after_space(self, position: int) -> int:
        found = _SPACE.match(self._text, position)
        assert found is not None
        return found.end()


def _text(name: str) -> str:
    """Return the text of a file. ``DataError`` unless it is JSON to its end."""
    try:
        content = gzip.decompress(Path(name).read_bytes()) if name.endswith(".gz") else Path(name).read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name} is not a whole gzip file", where=name, found=str(error), hint="get it again") from None
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise DataError(f"{name} is UTF-16, not UTF-8", where=name, hint=f"iconv -f UTF-16 -t UTF-8 {name}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8", where=name, found=f"byte {content[error.start]:#x}") from None
    if not text.strip(SPACE):
        raise DataError(f"{name} is empty", where=name, expected="an array of objects")
    start = len(text) - len(text.lstrip(SPACE))
    try:
        _, end, _ = Decoder().decode(text, start)
    except ValueError as error:
        raise DataError(
            f"{name} is not JSON", where=name, found=str(error), hint="is the file complete? get it again"
        ) from None
    if rest := text[end:].strip(SPACE):
        raise DataError(
            f"{name} goes on after its JSON value",
            where=f"{name}:{text.count(chr(10), 0, end) + 1}",
            found=rest[:40],
            hint="a file with an object a line is read with use: ndjson",
        )
    return text
