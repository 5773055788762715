"""A catalog in an SQLite file, over the standard library's driver.

Several processes may use one catalog at a time: every change is one short transaction that takes the write lock at its
beginning, and waits for its turn. Connections live as long as one transaction, so that a catalog which was replaced by
a rebuilt one is seen by whoever comes next.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from ..faults import CatalogFault, Fault
from .facts import Row
from .link import REBUILD, busy_or_broken, damaged
from .texts import kept_values, read_bytes

BUSY_SECONDS = 30
#: With less room than this a transaction cannot be trusted to find any.
_ROOM_BYTES = 64 << 10

#: The driver's own transactions start too late for us; nothing that a catalog's file says of itself is trusted.
PRAGMAS = ("trusted_schema=OFF", "foreign_keys=ON", "synchronous=FULL", "cell_size_check=ON")


class SqliteLink:
    """One connection in one transaction; see :class:`~.link.Link`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.text_factory = read_bytes

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """What a SELECT finds."""
        cursor = self._connection.execute(sql, kept_values(values or {}))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def tuples(self, sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """As :meth:`rows`, without names."""
        return self._connection.execute(sql, kept_values(values or {})).fetchall()

    def run(self, sql: str, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> None:
        """Run a statement once, or once a row of values."""
        if values is None or isinstance(values, Mapping):
            self._connection.execute(sql, kept_values(values or {}))
        else:
            self._connection.executemany(sql, map(kept_values, values))

    def tables(self) -> set[str]:
        """The names of all tables."""
        return {str(row["name"]) for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}


class SqliteFile:
    """The catalog in the file *path*; see :class:`~.link.Links`. *name* is how messages call it.

    *synced*: each transaction waits for the disk; without, a crash may leave a file that is to be thrown away.
    """

    def __init__(self, path: Path, name: str, *, immutable: bool = False, synced: bool = True) -> None:
        self.name = name
        self._path = path
        self._pragmas = PRAGMAS if synced else (*PRAGMAS, "synchronous=OFF")
        self._where = f"{path.as_uri()}?immutable=1" if immutable else str(path)
        self._uri = immutable

    @contextmanager
    def reading(self) -> Iterator[SqliteLink]:
        """A link that sees one state of the catalog."""
        with _faults(self.name, "read", self._path), closing(self._reader()) as connection:
            yield SqliteLink(connection)

    def _reader(self) -> sqlite3.Connection:
        try:
            connection = self._open(self._where, uri=self._uri)  # its pragmas read already
            try:
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except BaseException:
                connection.close()
                raise
        except sqlite3.OperationalError as error:
            if not _as_it_lies(self._path, error):
                raise
            return self._open(f"{self._path.as_uri()}?immutable=1", uri=True)
        return connection

    @contextmanager
    def writing(self) -> Iterator[SqliteLink]:
        """A link that holds the write lock; committed at the end, rolled back on any exception."""
        with _faults(self.name, "written", self._path), self._connected() as connection:
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
        with _faults(self.name, "read", self._path), self._connected() as connection:
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
        with closing(self._open(self._where, uri=self._uri)) as connection:  # takes back what was not committed
            yield connection

    def _open(self, where: str, *, uri: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(where, uri=uri, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            for pragma in self._pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection


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


def _as_it_lies(path: Path, error: sqlite3.OperationalError) -> bool:
    """Whether a file that cannot be read the usual way, *error*, may be read as it lies there.

    A reader needs SQLite's own small file beside it, which a full disk has no room for. Where that is so, and no log
    holds more than the file does, nobody can be changing it. https://www.sqlite.org/rescode.html has the numbers.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN):
        return False
    try:
        return path.is_file() and not _holds_more(path.with_name(f"{path.name}-wal").read_bytes())
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _holds_more(log: bytes) -> bool:
    """Whether a write-ahead log holds a transaction that was committed (sqlite.org/fileformat.html#walformat).

    Each of its frames is a page behind 24 bytes, of which 4 to 7 are zero but in the last frame of a transaction.
    """
    page = int.from_bytes(log[8:12], "big")
    return any(log[at + 4 : at + 8].strip(b"\0") for at in range(32, len(log), 24 + max(512, page)))


@contextmanager
def _faults(name: str, what: str, path: Path | None = None) -> Iterator[None]:
    try:
        yield
    except Fault:
        raise
    except sqlite3.OperationalError as error:
        raise busy_or_broken(name, what, _words(error) + _no_room(path)) from None
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
            made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            plain = stat.S_ISREG(os.fstat(made).st_mode)
            os.close(made)
            if not plain:
                raise CatalogFault(f"the catalog {path} is no file", safe="it was not changed", todo="name another")
        elif not path.is_file():
            raise CatalogFault(
                f"there is no catalog at {path}",
                todo="name the plan (--plan FILE), its state folder (--state DIR) or the catalog (--catalog URL) that"
                f" you mean, or {REBUILD}",
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


def _no_room(path: Path | None) -> str:
    """What SQLite's own words leave out: a disk without room is an "I/O error" to it."""
    try:
        left = os.statvfs(path.parent) if path is not None else None
    except OSError:
        return ""
    return " (its disk is full)" if left is not None and left.f_bavail * left.f_frsize < _ROOM_BYTES else ""


def _words(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
