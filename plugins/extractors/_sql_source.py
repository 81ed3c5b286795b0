"""A table or a query as one connection sees it: its columns, the extent of a key, and its rows in a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.errors import ConfigError, DataError, nearest
from plugins.extractors import _sql_sqlite as sqlite
from plugins.extractors._ranges import Key, Range, family, is_key
from plugins.extractors._sql_types import Field, declared_field, learn, postgres_fields

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, CursorResult, FromClause, Select

BATCH_ROWS = 10_000
"""Rows that are in memory at once, as the driver's objects."""

SAMPLE_ROWS = 1_000
"""Rows from which SQLite's types are guessed; a wrong guess fails loudly and is learned from all rows."""

Where: TypeAlias = Sequence[tuple[str, Range]]
"""Columns and the ranges in which their values lie, all of them at once."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What is read, over one connection. Identifiers are quoted and values bound, never written into SQL."""

    connection: Connection
    table: str | None
    schema: str | None
    query: str | None

    @property
    def backend(self) -> str:
        """Return the dialect that is spoken."""
        return self.connection.dialect.name

    def clause(self) -> FromClause:
        """Return what stands after FROM: a name, or the query in brackets, so that it can only be one SELECT."""
        from sqlalchemy import table, text

        if self.table is not None:
            return table(self.table, schema=self.schema)
        query = (self.query or "").strip().rstrip(";").replace(":", r"\:")  # else :name would be asked for as a parameter
        return text(query + "\n").columns().subquery("source")

    def check(self) -> None:
        """Raise ``DataError`` when there is no such table or view."""
        from sqlalchemy import inspect

        inspector = inspect(self.connection)
        if self.table is None or inspector.has_table(self.table, schema=self.schema):
            return
        near = nearest(self.table, [*inspector.get_table_names(self.schema), *inspector.get_view_names(self.schema)])
        place = f" in the schema {self.schema}" if self.schema else ""
        raise DataError(f"no table '{self.table}'{place}", hint=f"did you mean '{near}'?" if near else "")

    def names(self) -> list[str]:
        """Return the names of all columns. Raises ``DataError`` when one is there twice."""
        names = list(self._nothing().keys())
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"the query names the column '{twice}' twice", hint="give one of them another name with AS")
        return names

    def fields(self, names: Sequence[str], where: Where, *, thorough: bool) -> list[Field]:
        """Return columns with the types of their values in some rows; SQLite's are guessed from a few unless ``thorough``."""
        from sqlalchemy import column, inspect, select

        if self.connection.dialect.driver == "psycopg":
            found = {field.name: field for field in postgres_fields(self._nothing())}
            return [found[name] for name in names]
        if self.backend == "sqlite":
            declared = self._declared_in_sqlite()
            counted = self._select([column(name) for name in names], where).limit(None if thorough else SAMPLE_ROWS)
            asked = select(*sqlite.aggregates(names, declared)).select_from(counted.subquery("counted"))
            counts = self.connection.execute(asked).one()
            return sqlite.fields(names, declared, counts._asdict())
        if self.table is not None:
            types = {found["name"]: found["type"] for found in inspect(self.connection).get_columns(self.table, self.schema)}
            return [declared_field(name, types[name]) for name in names]
        return learn(names, self._stream(self._select([column(name) for name in names], where)))

    def order(self, key: str | None) -> list[str]:
        """Return the columns that rows are sorted by: the primary key, else the key that they are cut by, else none."""
        from sqlalchemy import inspect

        if self.table is not None:
            primary = inspect(self.connection).get_pk_constraint(self.table, schema=self.schema)["constrained_columns"]
            if primary:
                return list(primary)
        return [key] if key else []

    def count(self, where: Where) -> int:
        """Return how many rows there are."""
        from sqlalchemy import func

        return int(self.connection.execute(self._select([func.count()], where)).scalar_one())

    def ends(self, key: str, where: Where) -> tuple[Key, Key] | None:
        """Return the least and largest key of some rows, None if they have none.

        Raises ``ConfigError`` when rows can not be cut by such a column. They are asked for apart: so SQLite uses an index.
        """
        from sqlalchemy import column, func

        value: ColumnElement[Any] = column(key)
        low, high = (self.connection.execute(self._select([end(value)], where)).scalar_one() for end in (func.min, func.max))
        if low is None:
            return None
        if not (is_key(low) and is_key(high) and family(low) == family(high)):
            found = " and ".join(sorted({type(low).__name__, type(high).__name__}))
            raise ConfigError(
                f"'{key}' can not tell ranges of rows apart", expected="numbers, dates, times or text", found=found
            )
        return low, high

    def firsts(self, key: str, rows: int, where: Where) -> list[Any]:
        """Return the distinct keys at which every ``rows``-th row begins, in order."""
        from sqlalchemy import column, func, select

        value: ColumnElement[Any] = column(key)
        place = func.row_number().over(order_by=value).label("place")
        inner = self._select([value, place], where).where(value.is_not(None)).subquery("numbered")
        every = select(inner.c[key]).where((inner.c.place - 1) % rows == 0).order_by(inner.c.place)
        keys = self.connection.execute(every).scalars().all()
        return [key for before, key in zip([None, *keys], keys, strict=False) if not _same(before, key)]

    def stream(self, fields: Sequence[Field], where: Where, order: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Yield batches of rows in order, with their fields' values."""
        from sqlalchemy import column

        found = self._select([field.expression() for field in fields], where)
        return self._stream(found.order_by(*(column(name) for name in order)))

    def state(self) -> str | None:
        """Return what changes whenever the table's contents as seen from here change; None when nothing says so.

        For a table of SQLite it is empty: the state of its file says it. What PostgreSQL shows is decided by its snapshot,
        that is by which transactions are over, so equal snapshots show equal rows; but not in views and foreign tables,
        nor under rules for rows, which may depend on anything.
        """
        from sqlalchemy import text

        if self.table is None:
            return None
        if self.backend == "sqlite":
            asked = "SELECT '' FROM sqlite_schema WHERE name = :name AND type = 'table'"
            return self.connection.execute(text(asked), {"name": self.table}).scalar_one_or_none()
        if self.backend != "postgresql" or (self.connection.dialect.server_version_info or (0,)) < (13,):
            return None
        asked = (
            "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text, c.oid::text "
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relname = :name AND n.nspname = coalesce(:schema, current_schema()) "
            "AND c.relkind IN ('r', 'm') AND NOT c.relrowsecurity"
        )
        row = self.connection.execute(text(asked), {"name": self.table, "schema": self.schema}).one_or_none()
        return " ".join(row) if row is not None else None

    def _declared_in_sqlite(self) -> dict[str, str]:
        from sqlalchemy import text

        if self.table is None:
            return {}
        asked = text("SELECT name, type FROM pragma_table_xinfo(:name, :schema)")
        found = self.connection.execute(asked, {"name": self.table, "schema": self.schema or "main"})
        return {row.name: row.type for row in found}

    def _nothing(self) -> CursorResult[Any]:
        from sqlalchemy import false, literal_column, select

        return self.connection.execute(select(literal_column("*")).select_from(self.clause()).where(false()))

    def _select(self, columns: Sequence[ColumnElement[Any]], where: Where) -> Select[Any]:
        from sqlalchemy import select

        return select(*columns).select_from(self.clause()).where(*(condition(name, found) for name, found in where))

    def _stream(self, asked: Select[Any]) -> Iterator[Sequence[Any]]:
        with self.connection.execute(asked, execution_options={"yield_per": BATCH_ROWS}) as result:
            yield from result.partitions()


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124  in a database nan is equal to itself


def condition(name: str, found: Range) -> ColumnElement[bool]:
    """Return the range as a condition on a column.

    Bounds are bound without a type: drivers know best how their own values go back, and SQLAlchemy's casts would drop zones.
    """
    from sqlalchemy import and_, bindparam, column, or_, true
    from sqlalchemy.types import NullType

    value: ColumnElement[Any] = column(name)
    if found.nulls == "only":
        return value.is_(None)
    bounds: list[ColumnElement[bool]] = []
    if found.low is not None:
        low = bindparam(None, found.low, type_=NullType(), unique=True)
        bounds.append(value >= low if found.low_included else value > low)
    if found.high is not None:
        high = bindparam(None, found.high, type_=NullType(), unique=True)
        bounds.append(value <= high if found.high_included else value < high)
    if found.nulls == "also":
        return or_(value.is_(None), and_(*bounds)) if bounds else true()
    return and_(value.is_not(None), *bounds)
