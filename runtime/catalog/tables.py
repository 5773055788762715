"""The tables of the catalog, version 2, as plain facts: SQLite's own driver and SQLAlchemy both work on them.

``indexes`` and ``entries`` are what the media say, word for word; ``objects``, ``copies`` and the state of ``sessions``
follow from them (see ``settle``), with what only a run can know beside them in columns of its own (``reported``,
``error``, rows of drives that hold nothing). Types are those that SQLite and PostgreSQL share.
"""

from __future__ import annotations

from typing import Literal

from ..frozen import frozen

#: BYTEA is PostgreSQL's; SQLite takes any name for a column's type, and leaves bytes as they are.
ColumnType = Literal["TEXT", "INTEGER", "BIGINT", "FLOAT", "BOOLEAN", "BYTEA"]


@frozen
class Column:
    """One column; ``key``: part of the table's primary key, and so never null."""

    name: str
    type: ColumnType = "TEXT"
    key: bool = False
    null: bool = False


@frozen
class Table:
    """One table; ``indexed``: columns that have an index of their own, ``TABLE_by_COLUMN``."""

    name: str
    columns: tuple[Column, ...]
    indexed: tuple[str, ...] = ()


#: The version that this module describes. An older one is brought to it by ``migrate``; a newer one is refused.
VERSION = 2
#: The oldest version that there are steps from.
OLDEST = 1
VERSION_TABLE = "tapechain_catalog"


def _key(name: str, kind: ColumnType = "TEXT") -> Column:
    return Column(name, kind, key=True)


def _maybe(name: str, kind: ColumnType = "TEXT") -> Column:
    return Column(name, kind, null=True)


TABLES: tuple[Table, ...] = (
    Table(VERSION_TABLE, (_key("version", "INTEGER"),)),
    Table(
        "sessions",
        (
            _key("id"),
            # Not unique: media of two catalogs may meet in one that is rebuilt. Newest = highest number, then
            # latest start.
            Column("number", "BIGINT"),
            Column("plan"),
            Column("fingerprint"),
            Column("started"),
            # The longest that an index says; the run's own count only where nothing reached a medium.
            _maybe("seconds", "FLOAT"),
            # "begun" by a run that has not reported its end; "ended" otherwise.
            Column("state"),
            # ok, degraded or failed as the run said at its end; null when only media speak.
            _maybe("reported"),
        ),
    ),
    Table(
        "volumes",
        (
            _key("id"),
            Column("name"),
            Column("drive"),
            Column("agent"),
            _maybe("pool"),
            Column("created"),
            Column("plan"),
            _maybe("capacity", "BIGINT"),
            # Absolute path of the volume's file where it was last seen; null when another volume took its place.
            _maybe("location"),
            Column("bytes", "BIGINT"),
        ),
    ),
    Table(
        "indexes",
        (
            _key("volume_id"),
            _key("session_id"),
            Column("drive"),
            Column("agent"),
            Column("ended"),
            Column("seconds", "FLOAT"),
            Column("state"),
        ),
    ),
    Table(
        "entries",
        (
            _key("volume_id"),
            _key("session_id"),
            _key("object_id"),
            # Its place in the index's list, from 0.
            Column("place", "INTEGER"),
            # The session that read the source: another than session_id in copies.
            Column("origin_id"),
            Column("source"),
            # Null where an index was made from records, and the object's first record lies on another volume.
            _maybe("kind"),
            Column("level"),
            _maybe("parent"),
            _maybe("compress"),
            _maybe("encrypt"),
            # Byte positions of the first and last record on the volume; null when there is none.
            _maybe("first", "BIGINT"),
            _maybe("last", "BIGINT"),
            Column("first_sequence", "BIGINT"),
            Column("records", "BIGINT"),
            Column("bytes", "BIGINT"),
            Column("state"),
            Column("continued", "BOOLEAN"),
            Column("continues", "BOOLEAN"),
            Column("unread", "BIGINT"),
            # JSON lists of text.
            Column("warnings"),
            Column("drives"),
        ),
        indexed=("object_id",),
    ),
    Table(
        "objects",
        (
            _key("id"),
            Column("session_id"),
            Column("source"),
            Column("kind"),
            Column("level"),
            _maybe("parent"),
            _maybe("compress"),
            _maybe("encrypt"),
            Column("bytes", "BIGINT"),
            Column("records", "BIGINT"),
            Column("status"),
            Column("unread", "BIGINT"),
            Column("warnings"),
            # Why its source failed, as the run said; media do not know.
            _maybe("error"),
        ),
        indexed=("source", "session_id"),
    ),
    Table(
        "copies",
        (
            _key("object_id"),
            # The drive that it was written to, or was meant for.
            _key("drive"),
            Column("agent"),
            Column("status"),
            _maybe("error"),
        ),
    ),
    # Of a catalog that several machines share: its objects' member lists (``members``), in parts. A catalog in a file
    # has them beside it, and this is empty.
    Table("member_lists", (_key("object_id"), _key("part", "INTEGER"), Column("data", "BYTEA"))),
)


def creation(table: Table) -> tuple[str, ...]:
    """The statements that make *table* and its indexes where there are none."""
    parts = [f"{c.name} {c.type}{'' if c.null else ' NOT NULL'}" for c in table.columns]
    keys = ", ".join(c.name for c in table.columns if c.key)
    made = f"CREATE TABLE {table.name} ({', '.join(parts)}, PRIMARY KEY ({keys}))"
    return (made, *(f"CREATE INDEX {table.name}_by_{name} ON {table.name} ({name})" for name in table.indexed))
