"""Opens databases for reading only, and says in words what went wrong there, never with a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from engine.errors import ConfigError, DataError, HostError, LevadaError
from engine.names import Secret

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection
    from sqlalchemy.exc import DBAPIError

CONNECT_SECONDS = 10

_SQLITE_FAULTS: dict[int, type[LevadaError]] = {1: ConfigError, 11: DataError, 26: DataError}
"""By SQLite's result code: an error in the SQL, a damaged file, no database at all; else the machine is at fault."""

_STATE_FAULTS: dict[str, type[LevadaError]] = {
    "42": ConfigError,
    "3F": ConfigError,
    "0A": ConfigError,
    "25": ConfigError,
    "22": DataError,
}
"""By the first two characters of SQLSTATE: syntax, names and rights; schemas; not supported; not for reading; bad values."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is. Each connection is opened anew and closed after use."""

    url: URL

    @classmethod
    def at(cls, uri: Secret) -> Database:
        """Return the database of a URI; ``ConfigError`` when it is none, ``HostError`` when SQLAlchemy is not installed."""
        try:
            from sqlalchemy import make_url
            from sqlalchemy.exc import ArgumentError
        except ImportError:
            raise HostError("reading databases needs SQLAlchemy", hint="pip install 'levada[sql]'") from None
        try:
            url = make_url(uri.get_secret_value())
        except (ArgumentError, ValueError):
            raise ConfigError(
                "the uri is none",
                expected="sqlite:///file.db, postgresql://user:password@host/database",
                hint="a password's special characters are written %40 for @, %2F for /, %3A for :",
            ) from None
        if url.drivername in {"postgresql", "postgres"}:
            url = url.set(drivername="postgresql+psycopg")
        return cls(url)

    @property
    def backend(self) -> str:
        """Return what speaks there: ``sqlite``, ``postgresql``."""
        return self.url.get_backend_name()

    @property
    def place(self) -> str:
        """Return where it is, without who asks."""
        return self.url.create(
            self.backend, host=self.url.host, port=self.url.port, database=self.url.database
        ).render_as_string()

    @property
    def file(self) -> Path | None:
        """Return the file of a SQLite database; None for others, and for one in memory or named by a URI of SQLite's own."""
        name = self.url.database or ":memory:"
        return None if self.backend != "sqlite" or name == ":memory:" or name.startswith("file:") else Path(name)

    def moved(self, file: str | None) -> Database:
        """Return the same database where its file is at that path: a worker may stand in another folder."""
        return Database(self.url.set(database=file)) if file else self

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that sees one state of the data and is rolled back at the end.

        It can not write where SQLite or PostgreSQL is asked. Errors of the driver become ours.
        """
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError, NoSuchModuleError
        from sqlalchemy.pool import NullPool

        if self.file is not None and not self.file.is_file():
            raise DataError(f"no such file: {self.file}", where=str(self.file.absolute()))
        try:
            engine = create_engine(self.url, poolclass=NullPool, connect_args=self._connect_arguments())
            try:
                opened = engine.connect()
            except TypeError as error:  # what follows the question mark becomes the driver's arguments
                raise ConfigError("the driver does not know what the uri says", where=self.place, found=str(error)) from None
            with opened as connection:
                yield self._read_only(connection)
        except NoSuchModuleError:
            raise ConfigError(f"nothing reads '{self.backend}' databases", hint="install a SQLAlchemy dialect for it") from None
        except ImportError as error:
            hint = "pip install 'levada[sql]'" if self.backend == "postgresql" else f"pip install {error.name}"
            raise HostError(f"reading {self.backend} needs the driver '{error.name}'", hint=hint) from None
        except DBAPIError as error:
            raise self._explained(error) from None

    def _connect_arguments(self) -> dict[str, str | int]:
        if self.url.drivername != "postgresql+psycopg" or "connect_timeout" in self.url.query:
            return {}
        return {"connect_timeout": CONNECT_SECONDS}

    def _read_only(self, connection: Connection) -> Connection:
        if self.backend == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.exec_driver_sql("BEGIN")
        elif self.backend == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        return connection

    def _explained(self, error: DBAPIError) -> LevadaError:
        lines = self._masked(str(error.orig)).strip().splitlines() or [type(error.orig).__name__]
        found = " ".join(line.strip() for line in lines)[:300]
        fault = self._fault(error)
        if fault is ConfigError:
            return ConfigError("the database does not understand what it is asked", where=self.place, found=found)
        if fault is DataError:
            return DataError("the database can not give the rows", where=self.place, found=found)
        return HostError("the database can not be reached", where=self.place, found=found)

    def _fault(self, error: DBAPIError) -> type[LevadaError]:
        import sqlalchemy.exc

        code = getattr(error.orig, "sqlite_errorcode", None)
        if self.backend == "sqlite":
            if code is not None:
                return _SQLITE_FAULTS.get(code & 0xFF, HostError)
            return DataError if isinstance(error, sqlalchemy.exc.OperationalError) else ConfigError  # text in no encoding
        if state := getattr(error.orig, "sqlstate", None):
            return _STATE_FAULTS.get(state[:2], HostError)
        if isinstance(error, sqlalchemy.exc.ProgrammingError):
            return ConfigError
        return DataError if isinstance(error, sqlalchemy.exc.DataError) else HostError

    def _masked(self, text: str) -> str:
        """Return a driver's message without the password, in whatever way it may have been written."""
        secrets = [
            str(self.url.password or ""),
            *(str(value) for key, value in self.url.query.items() if "pass" in key.lower()),
        ]
        for secret in filter(None, secrets):
            for form in (secret, quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(form, "***")
        return text
