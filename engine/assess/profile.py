"""Reads a summary: what it says of each column, as numbers and rows to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import polars as pl

from engine.assess.summary import KEPT, SCHEMA, SEPARATOR


@dataclass(frozen=True, slots=True)
class Example:
    """A row to look at: its file, its number there, and the value it is shown for."""

    file: str
    row: int
    value: str = ""


class Profile:
    """A summary and its questions."""

    def __init__(self, summary: pl.DataFrame) -> None:
        self._numbers: dict[str, pl.DataFrame] = {}
        self._by_kind = summary.partition_by("what", as_dict=True)
        self._by_column = {
            what: {str(column[0]): rows for column, rows in entries.partition_by("column", as_dict=True).items()}
            for (what,), entries in self._by_kind.items()
        }

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.count("column", column="")

    @cached_property
    def columns(self) -> list[str]:
        """The columns in alphabetical order."""
        return sorted(name for name in self._by_column.get("column", {}) if name)

    def of(self, what: str, column: str | None = None) -> pl.DataFrame:
        """Return the entries of a kind, of one column or of all."""
        if column is None:
            return self._by_kind.get((what,), _NONE)
        return self._by_column.get(what, {}).get(column, _NONE)

    def count(self, what: str, column: str = "", text: Sequence[str] | None = None) -> int:
        """Return how many rows the entries of a kind are about."""
        found = self.of(what, column)
        return int((found if text is None else found.filter(pl.col("text").is_in(list(text))))["count"].sum())

    def numeric(self, column: str) -> bool:
        """Say whether a column has numbers in all files in which it has values."""
        return all(one.startswith(("Int", "UInt", "Float", "Decimal")) for one in self.types(column))

    def types(self, column: str) -> list[str]:
        """Return the types that a column has in its files, but for those in which it has no value."""
        return sorted(set(self.of("column", column).filter(pl.col("count") > 0)["text"]) - {"Null"})

    def values(self, column: str) -> int:
        """Return in how many rows a column has a value."""
        return self.count("column", column) - self.count("null", column)

    def levels(self, column: str) -> pl.DataFrame | None:
        """Return ``text`` and ``count`` of the levels of a text column, None where there are too many to keep."""
        found = self.of("level", column)
        return found if found.height < KEPT["level"] else None

    def numbers(self, column: str) -> pl.DataFrame:
        """Return ``number`` and ``count`` of a column, in order, with ``share``: the part of rows up to there."""
        if column not in self._numbers:
            found = self.of("number", column).sort("number")
            share = pl.col("count").cum_sum() / pl.col("count").sum()
            self._numbers[column] = found.with_columns(share.alias("share"))
        return self._numbers[column]

    def times(self, column: str) -> pl.DataFrame:
        """Return the same of a column of dates or times, in days."""
        found = self.of("time", column).sort("number")
        return found.with_columns((pl.col("count").cum_sum() / pl.col("count").sum()).alias("share"))

    def quantile(self, column: str, q: float) -> float | None:
        """Return the smallest number that at least a share ``q`` of the numbers does not exceed."""
        numbers = self.numbers(column)
        return float(numbers["number"][int(numbers["share"].search_sorted(q - 1e-12))]) if numbers.height else None

    def repeated(self, what: str) -> tuple[int, bool, list[Example]]:
        """Return how many rows have a key (or all values: ``row``) seen before, whether that is an estimate, examples."""
        found = self.of(what)
        twice = found.filter(pl.col("count") > 1)
        surplus = int((twice["count"] - 1).sum())
        estimated = found.height >= KEPT[what]
        if estimated:  # the kept ones are those with hashes up to the largest of them
            surplus = round(surplus * 2**64 / (int(found["text"].max()) + 1))  # type: ignore[arg-type]  # a number
        few = twice.sort("file", "row").head(2)
        pairs = zip(few["file"], few["row"], few["last_file"], few["last_row"], strict=True)
        return surplus, estimated, [Example(*one) for file, row, last, at in pairs for one in ((file, row), (last, at))]

    def patterns(self) -> list[tuple[tuple[str, ...], int, Example]]:
        """Return which columns are missing together, with counts and the first row, most frequent first."""
        found = self.of("missing").sort(["count", "text"], descending=[True, False])
        return [
            (tuple(text.split(SEPARATOR)), count, Example(file, row))
            for text, count, file, row in found.select("text", "count", "file", "row").iter_rows()
        ]


def said(number: float, dtype: str) -> str:
    """Return a number of a column as people read it; of dates and times the number is days."""
    if dtype.startswith(("Date", "Time")):
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)
        except OverflowError:
            return f"day {number:g}"
        if dtype.startswith("Time"):
            return f"{moment:%H:%M:%S}"
        return f"{moment:%Y-%m-%d}" if (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%d %H:%M}"
    text = f"{number:.6g}" if abs(number) < 1e6 or abs(number) >= 1e15 else f"{number:.0f}"
    return f"{text} days" if dtype.startswith("Duration") else text


_NONE = SCHEMA.to_frame()


def examples_of(entries: pl.DataFrame, value: str = "text", most: int = 3) -> list[Example]:
    """Return the first rows of entries, most frequent entries first."""
    few = entries.sort(["count", "file", "row"], descending=[True, False, False]).head(most)
    return [
        Example(file, row, f"{shown:g}" if isinstance(shown, float) else str(shown))
        for file, row, shown in few.select("file", "row", value).iter_rows()
    ]
