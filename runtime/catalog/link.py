"""How the catalog is read and written: SQL text with named values, over the database's own driver or over SQLAlchemy.

All goes through this port, so that with SQLite nobody needs more than the standard library: the import of SQLAlchemy
takes longer than all that a run has to say or to ask. Statements are what SQLite and PostgreSQL both take. Names of
tables and columns in statements are the program's own; what comes from outside is a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from ..faults import CatalogFault
from .facts import Row

REBUILD = "remake it from the volumes: tcc catalog rebuild FOLDER…"

#: Least number of variables in one statement that every supported database takes, with room for a few more.
_CHUNK = 500


class Link(Protocol):
    """A connection inside one transaction. Statements name their values ``:name``."""

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """What a SELECT finds: a dict a row, by column. A BOOLEAN may come as 0 and 1."""
        ...

    def tuples(self, sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """As :meth:`rows`, each row its values in their order: for what there is very much of."""
        ...

    def run(self, sql: str, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> None:
        """Run a statement, or the same one for each of many rows of values."""
        ...

    def tables(self) -> set[str]:
        """The names of all tables."""
        ...


class Links(Protocol):
    """Where transactions come from. All failures are CatalogFaults."""

    @property
    def name(self) -> str:
        """How messages call this catalog: its path, or its URL without a password."""
        ...

    def reading(self) -> AbstractContextManager[Link]:
        """A link that sees one state of the catalog."""
        ...

    def writing(self) -> AbstractContextManager[Link]:
        """A link that holds the write lock; committed at the end, rolled back on any exception."""
        ...

    def keep_aside(self, suffix: str) -> Path | None:
        """Keep the catalog as it was committed last beside itself, whole or not at all; where it is then.

        None where it lies in no file of its own. Also while a link of :meth:`writing` is open.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def first(link: Link, sql: str, values: Mapping[str, Any] | None = None) -> Row | None:
    """The first row, or None."""
    rows = link.rows(sql, values)
    return rows[0] if rows else None


def insert(link: Link, table: str, rows: Row | Sequence[Row]) -> None:
    """Insert one row or many; many have the same columns."""
    columns = list(rows) if isinstance(rows, dict) else list(rows[0]) if rows else []
    if columns:
        marks = ", ".join(f":{c}" for c in columns)
        link.run(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def update(link: Link, table: str, changes: Row, where: str, values: Row) -> None:
    """Set *changes* in the rows of *where*, whose own names must not be columns that change."""
    assignments = ", ".join(f"{c} = :{c}" for c in changes)
    link.run(f"UPDATE {table} SET {assignments} WHERE {where}", {**changes, **values})


def among(column: str, items: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """``column IN (…)`` with its values, for so many items at a time as a statement takes."""
    for start in range(0, len(items), _CHUNK):
        values = {f"item{n}": item for n, item in enumerate(items[start : start + _CHUNK])}
        yield f"{column} IN ({', '.join(f':{name}' for name in values)})", values


def busy_or_broken(name: str, what: str, words: str) -> CatalogFault:
    """The fault of a database that did not do what was asked; *what*: "read" or "written"."""
    busy = "lock" in words or "busy" in words
    return CatalogFault(
        f"the catalog {name} cannot be {what}: {words}",
        safe="the volumes do not depend on the catalog",
        todo="another command holds it: wait for its end" if busy else f"mend the cause, or {REBUILD}",
    )


def damaged(name: str, why: str) -> CatalogFault:
    """The fault of a catalog that cannot be believed."""
    return CatalogFault(
        f"the catalog {name} is damaged: {why}", safe="the volumes hold everything that a catalog knows", todo=REBUILD
    )
