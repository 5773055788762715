"""The catalog's database over SQLAlchemy: for all that is neither a file of SQLite's nor in memory.

Every failure is a CatalogFault. This module imports SQLAlchemy; who has a catalog in a file never does.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, StaticPool

from ..faults import CatalogFault, Fault
from .facts import Row
from .link import busy_or_broken, damaged
from .sqlite import BUSY_SECONDS, PRAGMAS
from .texts import kept_values, read_value

POSTGRESQL = "postgresql"

#: The advisory lock that writers of one PostgreSQL catalog take in turn, as SQLite's write lock is taken: "tape".
_WRITERS = 0x74617065
#: A server that does not answer is a fault of the catalog, soon; what a URL says itself goes before.
_PATIENCE = {"connect_timeout": "10", "tcp_user_timeout": "30000", "application_name": "tapechain"}


class AlchemyLink:
    """One connection of SQLAlchemy in one transaction; see :class:`~.link.Link`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """What a SELECT finds."""
        found = self._connection.execute(sa.text(sql), kept_values(values or {})).mappings()
        return [{key: read_value(value) for key, value in row.items()} for row in found]

    def tuples(self, sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """As :meth:`rows`, without names."""
        found = self._connection.execute(sa.text(sql), kept_values(values or {}))
        return [tuple(map(read_value, row)) for row in found]

    def run(self, sql: str, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> None:
        """Run a statement once, or once a row of values."""
        if values is None or isinstance(values, Mapping):
            self._connection.execute(sa.text(sql), kept_values(values or {}))
        elif values:
            self._connection.execute(sa.text(sql), [kept_values(row) for row in values])

    def tables(self) -> set[str]:
        """The names of all tables."""
        return set(sa.inspect(self._connection).get_table_names())


class Database:
    """One catalog's database; see :class:`~.link.Links`. ``name`` never shows a password."""

    def __init__(self, url: sa.URL, name: str) -> None:
        self.name = name
        self._lock = RLock()
        memory = url.get_backend_name() == "sqlite" and not url.database
        try:
            self.engine = _engine(url, memory=memory)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            postgresql = url.get_backend_name() == POSTGRESQL
            raise CatalogFault(
                f"the catalog {name} cannot be used: {_words(error)}",
                todo="pip install 'tapechain[postgresql]'"
                if postgresql
                else "install the database's Python driver, or use a file",
            ) from None

    @contextmanager
    def reading(self) -> Iterator[AlchemyLink]:
        """A link that sees one state of the catalog."""
        with self._lock, self._faults("read"), self.engine.connect() as connection:
            if connection.dialect.name == POSTGRESQL:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield AlchemyLink(connection)

    @contextmanager
    def writing(self) -> Iterator[AlchemyLink]:
        """A link that holds the write lock; committed at the end, rolled back on any exception."""
        with self._lock, self._faults("written"), self.engine.connect() as connection:
            connection.execution_options(tapechain_write=True)
            with connection.begin():
                if connection.dialect.name == POSTGRESQL:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
                yield AlchemyLink(connection)

    def keep_aside(self, suffix: str) -> Path | None:
        """None: what a server holds is its administrator's to keep."""
        return None

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        """Turn what a database or its contents can do wrong into a CatalogFault."""
        try:
            yield
        except Fault:
            raise
        except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
            raise busy_or_broken(self.name, what, _words(error)) from None
        except sa.exc.DBAPIError as error:
            # https://www.postgresql.org/docs/current/errcodes-appendix.html: 42501 is "insufficient privilege"
            if getattr(error.orig, "sqlstate", None) == "42501":
                raise busy_or_broken(self.name, what, _words(error)) from None
            raise damaged(self.name, _words(error)) from None
        except (
            sa.exc.SQLAlchemyError,
            sqlite3.Error,
            ValueError,
            TypeError,
            KeyError,
            OverflowError,
            OSError,
        ) as error:
            raise damaged(self.name, _words(error)) from None


def open_database(where: str | os.PathLike[str]) -> Database:
    """The database at a path or URL. Raises CatalogFault."""
    return Database(*parse_where(where))


def parse_where(where: str | os.PathLike[str]) -> tuple[sa.URL, str]:
    """The URL of a path or URL, and the text that names it to a user. Raises CatalogFault when it cannot be read."""
    text = os.fspath(where)
    if "://" not in text:
        return sa.URL.create("sqlite", database=str(Path(text).absolute())), text
    try:
        url = sa.make_url(text)
        url.get_backend_name()
    except (sa.exc.SQLAlchemyError, ValueError):
        raise CatalogFault(
            "the catalog's URL cannot be read",
            todo="write it like sqlite:///folder/catalog.sqlite or postgresql://host/name",
        ) from None
    if url.get_backend_name() == "sqlite" and url.database:
        return url.set(database=str(Path(url.database).absolute())), url.database
    name = url.render_as_string(hide_password=True)
    if url.drivername == POSTGRESQL:
        url = url.set(drivername="postgresql+psycopg")
    return url, name


def _engine(url: sa.URL, *, memory: bool) -> Engine:
    if url.get_backend_name() != "sqlite":
        patience = _PATIENCE if url.drivername == "postgresql+psycopg" else {}
        arguments = {key: value for key, value in patience.items() if key not in url.query}
        return sa.create_engine(url, poolclass=NullPool, connect_args=arguments)
    own: dict[str, Any] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, poolclass=StaticPool if memory else NullPool, connect_args=own)

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transactions start too late for us: they are begun by hand below.
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("tapechain_write")
        if write and not memory:
            # Kept in the file once set; it cannot be set inside a transaction, and a reader must never need to write.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _words(error: BaseException) -> str:
    """The cause in one line, without the statement and parameters that SQLAlchemy appends."""
    cause = getattr(error, "orig", None) or error
    text = str(cause).strip().splitlines()
    return text[0] if text else type(cause).__name__
