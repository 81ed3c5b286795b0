"""Tables and queries of databases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import Field, model_validator

from engine.errors import ConfigError, DataError
from engine.names import Secret, new_id
from engine.plugin import ALL, Extractor, Salvaged, Source, SourcePartition, Window, require
from plugins.extractors import _sql_salvage as salvaging
from plugins.extractors._ranges import Range, behind, cut, read_as, written
from plugins.extractors._sql_database import Database
from plugins.extractors._sql_source import Relation, Where
from plugins.extractors._sql_sqlite import state
from plugins.extractors._sql_types import Field as Column
from plugins.extractors._streamed import refuse_reserved, streamed

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Sql(Extractor):
    """Read a table, a view or a query of a database, in ranges of a key that are read side by side.

    Reading never writes: SQLite and PostgreSQL are told so, and all others are rolled back. Types are the database's own;
    decimals stay exact, and what Polars has no type for is text as the database writes it. SQLite may hold any type in any
    column, so there types are counted over all rows; a value that is not of the declared type goes to quarantine.

    Rows come in the order of the primary key, else of `partition_on`; without either in whatever order the database has, and
    then equal rows may look changed. Each range is read in a transaction of its own: a row that moves from one range to
    another in between may be read twice or not at all, unless the `partition_on` of a row stays the same.

    With a `watermark` only rows beyond the largest value of last time are asked for, the largest value of now included. A row
    that appears later with a value at or below it is missed: let `lag` be longer than transactions take. Rows without a
    watermark are read the first time only. Without a `watermark` the source is read again whenever it may have changed: for
    a SQLite table when the file has, for a PostgreSQL table when any transaction has ended, for all else each time.
    """

    uri: Secret = Field(
        description="Where the database is, as SQLAlchemy writes it: sqlite:///data/air.db, "
        "postgresql://user:password@host/database. Take it from the environment: ${oc.env:AIR_URI}."
    )
    table: str | None = Field(default=None, min_length=1, description="The table or view to read. Either this or `query`.")
    schema_: str | None = Field(default=None, min_length=1, description="The table's schema, where it is not the usual one.")
    query: str | None = Field(default=None, min_length=1, description="One SELECT, read as if it were a table.")
    columns: tuple[str, ...] = Field(default=(), description="The columns to read; all when none is named.")
    partition_on: str | None = Field(
        default=None,
        description="A column of numbers, dates, times or text, best one with an index, by which rows are cut in ranges. "
        "`watermark` when not given; without both there is one partition.",
    )
    partition_rows: int = Field(
        default=500_000,
        ge=1,
        description="About how many rows a range has. Fewer when rows are wide or memory is short.",
    )
    watermark: str | None = Field(
        default=None,
        description="A column that only grows, such as a running number or the time of the last change: only newer "
        "rows are read.",
    )
    lag: float = Field(
        default=0,
        ge=0,
        description="How far reading stays behind the largest watermark, in seconds for times, days for dates, else in its "
        "unit: for rows that are committed late. 0 when each row is committed in the order of its watermark.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Sql:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        if self.schema_ is not None and self.table is None:
            raise ValueError("schema goes with table: name it in the query")
        if self.lag and self.watermark is None:
            raise ValueError("lag goes with watermark")
        return self

    @property
    def incremental(self) -> bool:
        """Whether there is a watermark."""
        return self.watermark is not None

    @property
    def between(self) -> str | None:
        """The watermark."""
        return self.watermark

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition for each range of the key, from counts and the keys that ranges begin with.

        ``after`` is excluded. ``since`` is included and ``until`` excluded; both are written as the column's values are,
        and a backfill returns the watermark that was given.
        """
        if window != ALL and self.watermark is None:
            raise ConfigError(
                "a part of this source can not be asked for", hint="say with watermark which column it is a part of"
            )
        database = Database.at(self.uri)
        before = state(database.file) if database.file and database.file.is_file() else ""
        with database.reading() as connection:
            relation = self._relation(connection)
            seen = relation.state()
            names = self._names(relation)
            base, watermark = self._asked(relation, window)
            wheres = [] if base is None else self._ranges(relation, base)
        known = None if seen is None else f"{database.place} {before} {seen}"
        file = str(database.file.absolute()) if database.file else None
        found = [self._partition(where, base or [], file, known, alone=len(wheres) == 1) for where in wheres]
        return Source(tuple(found), tuple(names), watermark)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one range; SQLite's types are guessed from a few rows or, if ``thorough``, learned from all."""
        detail = json.loads(partition.detail)
        database, where = Database.at(self.uri).moved(detail["file"]), _where(detail)
        with database.reading() as connection:
            relation = self._relation(connection)
            fields = relation.fields(self._names(relation), where, thorough=thorough)
            order = relation.order(self.partition_on or self.watermark)

        schema = {field.name: field.dtype for field in fields}
        return streamed(lambda: self._frames(database, fields, where, order), schema)

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged:
        """Return the rows of one range of which every value is of its column's type, and the others as text."""
        detail = json.loads(partition.detail)
        database, where = Database.at(self.uri).moved(detail["file"]), _where(detail)
        with database.reading() as connection:
            relation = self._relation(connection)
            fields = relation.fields(self._names(relation), where, thorough=True)
            order = relation.order(self.partition_on or self.watermark)
            salvaging.lenient(connection)
            rows = relation.stream(
                [salvaging.asked(field, relation.connection.dialect.driver) for field in fields], where, order
            )
            return salvaging.sorted_out(fields, rows, folder)

    def _frames(
        self, database: Database, fields: Sequence[Column], where: Where, order: Sequence[str]
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows in frames, over a connection that is open as long as they are asked for."""
        yield pl.DataFrame(schema={field.name: field.dtype for field in fields})
        try:
            with database.reading() as connection:
                for rows in self._relation(connection).stream(fields, where, order):
                    columns = zip(fields, zip(*rows, strict=True), strict=True)
                    yield pl.DataFrame([field.series(values) for field, values in columns])
        except DataError as error:  # a value that the driver itself can not represent: an infinite date
            raise pl.exceptions.ComputeError(str(error)) from None

    def _relation(self, connection: Connection) -> Relation:
        relation = Relation(connection, self.table, self.schema_, self.query)
        relation.check()
        return relation

    def _names(self, relation: Relation) -> list[str]:
        """Return the columns to read. Raises ``MissingColumn`` when one that is named is not there."""
        names = relation.names()
        require([name for name in (*self.columns, self.partition_on, self.watermark) if name], names)
        refuse_reserved(self.columns or names)
        return list(self.columns) or names

    def _asked(self, relation: Relation, window: Window) -> tuple[Where | None, str | None]:
        """Return the ranges of the watermark that are asked for, None if there are no such rows, and the next watermark."""
        column = self.watermark
        if column is None:
            return [], None
        ends = relation.ends(column, [])
        if ends is None:
            unmarked: Where = [(column, Range(nulls="only"))]
            return (unmarked if window == ALL and relation.count(unmarked) else None), window.after
        largest = ends[1]
        backfill = window.since is not None or window.until is not None
        upper = largest if backfill else behind(largest, self.lag, column)
        after, since, until = (
            None if text is None else read_as(largest, text, what)
            for what, text in (("after", window.after), ("since", window.since), ("until", window.until))
        )
        base = [(column, Range(after, upper, low_included=False, nulls="also" if window == ALL else "without"))]
        if backfill:
            base.append((column, Range(since, until, high_included=False)))
        if relation.count(base) == 0:
            return None, window.after
        return base, window.after if backfill else written(upper)

    def _ranges(self, relation: Relation, base: Where) -> list[Where]:
        """Return, for each partition, the ranges that its rows lie in."""
        key = self.partition_on or self.watermark
        if key is None:
            return [base]
        ends = relation.ends(key, base)
        if ends is None:
            return [base]
        within = Range() if key == self.watermark else Range(*ends)
        if relation.count(base) <= self.partition_rows:
            return [base if within.is_open else [*base, (key, replace(within, nulls="also"))]]
        firsts = relation.firsts(key, self.partition_rows, base)
        unkeyed = relation.count([*base, (key, Range(nulls="only"))]) > 0
        return [[*base, (key, piece)] for piece in cut(firsts, within, nulls=unkeyed)]

    def _partition(self, where: Where, base: Where, file: str | None, known: str | None, *, alone: bool) -> SourcePartition:
        label = ".".join(filter(None, [self.schema_, self.table])) or "query"
        detail = json.dumps({"file": file, "where": [[column, found.to_json()] for column, found in where]})
        state_now = blake2b(f"{known} {detail}".encode(), digest_size=16).hexdigest() if known is not None else new_id()
        name = ", ".join(
            dict.fromkeys(filter(None, [label, *(found.words(column) for column, found in (base if alone else where))]))
        )
        unit = ", ".join(filter(None, [label, *(found.words(column, both=True) for column, found in base)]))
        return SourcePartition(name, state_now, unit, detail)


def _where(detail: dict[str, Any]) -> Where:
    return [(column, Range.from_json(found)) for column, found in detail["where"]]
