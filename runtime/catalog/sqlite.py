"""A catalog in an SQLite file, over the standard library's driver.

Several processes may use one catalog at a time: every change is one short transaction that takes the write lock at its
beginning, and waits for its turn. Connections live as long as one transaction, so that a catalog which was replaced by
a rebuilt one is seen by whoever comes next.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from ..faults import CatalogFault, Fault
from .facts import Row
from .link import REBUILD, busy_or_broken, damaged

BUSY_SECONDS = 30

#: The driver's own transactions start too late for us; nothing that a catalog's file says of itself is trusted.
PRAGMAS = ("trusted_schema=OFF", "foreign_keys=ON", "synchronous=FULL", "cell_size_check=ON")


class SqliteLink:
    """One connection in one transaction; see :class:`~.link.Link`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """What a SELECT finds."""
        cursor = self._connection.execute(sql, values or {})
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def tuples(self, sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """As :meth:`rows`, without names."""
        return self._connection.execute(sql, values or {}).fetchall()

    def run(self, sql: str, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> None:
        """Run a statement once, or once a row of values."""
        if values is None or isinstance(values, Mapping):
            self._connection.execute(sql, values or {})
        else:
            self._connection.executemany(sql, values)

    def tables(self) -> set[str]:
        """The names of all tables."""
        return {str(row["name"]) for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}


class SqliteFile:
    """The catalog in the file *path*; see :class:`~.link.Links`. *name* is how messages call it.

    *synced*: each transaction waits for the disk; without, a crash may leave a file that is to be thrown away.
    """

    def __init__(self, path: Path, name: str, *, immutable: bool = False, synced: bool = True) -> None:
        self.name = name
        self._pragmas = PRAGMAS if synced else (*PRAGMAS, "synchronous=OFF")
        self._where = f"{path.as_uri()}?immutable=1" if immutable else str(path)
        self._uri = immutable

    @contextmanager
    def reading(self) -> Iterator[SqliteLink]:
        """A link that sees one state of the catalog."""
        with _faults(self.name, "read"), self._connected() as connection:
            connection.execute("BEGIN")
            yield SqliteLink(connection)

    @contextmanager
    def writing(self) -> Iterator[SqliteLink]:
        """A link that holds the write lock; committed at the end, rolled back on any exception."""
        with _faults(self.name, "written"), self._connected() as connection:
            # Kept in the file once set; it cannot be set inside a transaction, and a reader must never need to write.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            yield SqliteLink(connection)
            connection.execute("COMMIT")

    def keep_aside(self, suffix: str) -> Path | None:
        """The file as it was committed last, under its name with *suffix* behind (and a count, where that is taken)."""
        if self._uri:
            return None
        path = Path(self._where)
        kept = path.with_name(f"{path.name}.{suffix}")
        count = 1
        while kept.exists():
            count += 1
            kept = path.with_name(f"{path.name}.{suffix}-{count}")
        aside = kept.with_name(f"{kept.name}.new-{os.getpid()}")
        with _faults(self.name, "read"), self._connected() as connection:
            try:
                copy = sqlite3.connect(aside)
                try:
                    connection.backup(copy)
                    copy.execute("PRAGMA journal_mode=DELETE")  # a file that is whole by itself
                finally:
                    copy.close()
                aside.replace(kept)
            finally:
                aside.unlink(missing_ok=True)
        return kept

    def close(self) -> None:
        """Nothing is open between transactions."""

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._where, uri=self._uri, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            for pragma in self._pragmas:
                connection.execute(f"PRAGMA {pragma}")
            yield connection
        finally:
            connection.close()  # takes back what was not committed


class SqliteMemory:
    """A catalog in memory, which goes with its one connection; see :class:`~.link.Links`."""

    name = "in memory"

    def __init__(self) -> None:
        self._lock = RLock()
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")

    @contextmanager
    def reading(self) -> Iterator[SqliteLink]:
        """A link that sees one state of the catalog."""
        with self.writing() as link:
            yield link

    @contextmanager
    def writing(self) -> Iterator[SqliteLink]:
        """A link that holds the lock; committed at the end, rolled back on any exception."""
        with self._lock, _faults(self.name, "used"):
            self._connection.execute("BEGIN")
            try:
                yield SqliteLink(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def keep_aside(self, suffix: str) -> Path | None:
        """None: it lies in no file."""
        return None

    def close(self) -> None:
        """Forget all of it."""
        self._connection.close()


@contextmanager
def _faults(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except Fault:
        raise
    except sqlite3.OperationalError as error:
        raise busy_or_broken(name, what, _words(error)) from None
    except (sqlite3.Error, ValueError, TypeError, KeyError, OverflowError, OSError) as error:
        raise damaged(name, _words(error)) from None


def make_room(path: Path, *, create: bool) -> bool:
    """Make folder and file (mode 0600) of a catalog that is to be made; whether it must be read as it lies there.

    Raises CatalogFault where there is no catalog and none is to be made.
    """
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            # It tells what there is to steal. SQLite gives its other files the mode of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        elif not path.is_file():
            raise CatalogFault(
                f"there is no catalog at {path}",
                todo=f"name the plan (--plan FILE) or the catalog (--catalog URL) that you mean, or {REBUILD}",
            )
        return not create and not _may_write(path)
    except OSError as error:
        raise CatalogFault(f"the catalog {path} cannot be opened: {error.strerror}") from None


def file_of(where: str) -> Path | None:
    """The SQLite file that *where* (a path or a URL) names, absolute; None for another database, or one in memory."""
    if "://" not in where:
        return Path(where).absolute()
    for scheme in ("sqlite:///", "sqlite+pysqlite:///"):
        place = where.removeprefix(scheme)
        if place not in {where, "", ":memory:"} and "?" not in place and "%" not in place:
            return Path(place).absolute()
    return None


def _may_write(path: Path) -> bool:
    """Whether SQLite may make its own files beside the database, which it needs to read it.

    In a folder that we cannot write (a read-only medium, another's state folder) it reads the file as it lies there.
    With a log beside it that would not be all of it: then SQLite is left to say so.
    """
    log = path.with_name(f"{path.name}-wal")
    return os.access(path.parent, os.W_OK) or (log.exists() and log.stat().st_size > 0)


def _words(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
