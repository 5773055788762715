"""The catalog's database: opened, checked, and used in transactions whose every failure is a CatalogFault.

SQLite by default; several processes may use one catalog at a time: every change is one short transaction that takes
the write lock at its beginning, and waits for its turn. Connections live as long as one transaction, so that a catalog
which was replaced by a rebuilt one is seen by whoever comes next.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, StaticPool

from ..faults import CatalogFault, Fault
from . import schema

BUSY_SECONDS = 30
MEMORY_URL = "sqlite://"

_REBUILD = "remake it from the volumes: tcc catalog rebuild FOLDER…"


class Database:
    """One catalog's database. ``name`` is how messages call it; it never shows a password."""

    def __init__(self, url: sa.URL, name: str) -> None:
        self.name = name
        self._lock = RLock()
        memory = url.get_backend_name() == "sqlite" and not url.database
        try:
            self.engine = _engine(url, memory=memory)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise CatalogFault(
                f"the catalog {name} cannot be used: {_words(error)}",
                todo="install the database's Python driver, or use a file",
            ) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the catalog."""
        with self._lock, self.faults("read"), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that holds the write lock; committed at the end, rolled back on any exception."""
        with self._lock, self.faults("written"), self.engine.connect() as connection:
            connection.execution_options(tapechain_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def faults(self, what: str) -> Iterator[None]:
        """Turn what a database or its contents can do wrong into a CatalogFault."""
        try:
            yield
        except Fault:
            raise
        except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
            busy = "locked" in str(error) or "busy" in str(error)
            raise CatalogFault(
                f"the catalog {self.name} cannot be {what}: {_words(error)}",
                safe="the volumes do not depend on the catalog",
                todo="another command holds it: wait for its end" if busy else f"mend the cause, or {_REBUILD}",
            ) from None
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

    def prepare(self, *, create: bool) -> None:
        """Check the schema's version, or make the tables where there is no catalog yet and *create* allows it."""
        if create:
            with self.writing() as connection:
                tables = sa.inspect(connection).get_table_names()
                if not tables:
                    schema.metadata.create_all(connection)
                    connection.execute(schema.version.insert().values(version=schema.VERSION))
        with self.reading() as connection:
            tables = sa.inspect(connection).get_table_names()
            if schema.version.name not in tables:
                raise CatalogFault(
                    f"{self.name} is not a catalog of tapechain", safe="it was not changed", todo="name another catalog"
                )
            found = list(connection.execute(sa.select(schema.version.c.version)).scalars())
            if len(found) == 1 and isinstance(found[0], int) and found[0] != schema.VERSION:
                newer = found[0] > schema.VERSION
                raise CatalogFault(
                    f"the catalog {self.name} has version {found[0]}; this tcc works with version {schema.VERSION}",
                    safe="it was not changed",
                    todo="use the newer tcc that wrote it" if newer else _REBUILD,
                )
            missing = sorted(set(schema.metadata.tables) - set(tables))
            if len(found) != 1 or missing:
                raise damaged(self.name, f"it lacks {', '.join(missing)}" if missing else "it states no version")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(where: str | os.PathLike[str], *, create: bool) -> Database:
    """Open the catalog at a path or a database URL; make it (and its folder) when *create* says so and there is none.

    Raises CatalogFault: no catalog there, not a catalog, another version, damaged.
    """
    url, name = parse_where(where)
    if url.get_backend_name() == "sqlite" and url.database:
        path = Path(url.database)
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
            elif not path.is_file():
                raise CatalogFault(
                    f"there is no catalog at {path}",
                    todo=f"name the plan (--plan FILE) or the catalog (--catalog URL) that you mean, or {_REBUILD}",
                )
        except OSError as error:
            raise CatalogFault(f"the catalog {path} cannot be opened: {error.strerror}") from None
        if not create and not _may_write(path):
            url = url.set(database=f"file:{quote(str(path))}?immutable=1", query={"uri": "true"})
    database = Database(url, name)
    try:
        database.prepare(create=create)
    except BaseException:
        database.close()
        raise
    return database


def _may_write(path: Path) -> bool:
    """Whether SQLite may make its own files beside the database, which it needs to read it.

    In a folder that we cannot write (a read-only medium, another's state folder) it reads the file as it lies there.
    With a log beside it that would not be all of it: then SQLite is left to say so.
    """
    log = path.with_name(f"{path.name}-wal")
    return os.access(path.parent, os.W_OK) or (log.exists() and log.stat().st_size > 0)


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
    return url, url.render_as_string(hide_password=True)


def damaged(name: str, why: str) -> CatalogFault:
    """The fault of a catalog that cannot be believed."""
    return CatalogFault(
        f"the catalog {name} is damaged: {why}", safe="the volumes hold everything that a catalog knows", todo=_REBUILD
    )


def _engine(url: sa.URL, *, memory: bool) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, poolclass=NullPool)
    arguments: dict[str, Any] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, poolclass=StaticPool if memory else NullPool, connect_args=arguments)

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transactions start too late for us: they are begun by hand below.
        connection.isolation_level = None
        for pragma in ("trusted_schema=OFF", "foreign_keys=ON", "synchronous=FULL", "cell_size_check=ON"):
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
