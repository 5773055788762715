"""The tables of the catalog, version 1, in SQLAlchemy Core; plain types, so that SQLite and PostgreSQL hold them.

``indexes`` and ``entries`` are what the media say, word for word; ``objects``, ``copies`` and the state of ``sessions``
follow from them (see ``settle``), with what only a run can know beside them in columns of its own (``reported``,
``error``, rows of drives that hold nothing). This module imports SQLAlchemy: import it only where a catalog is used.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, Table, Text

#: The version that this module describes. A catalog of another version is refused, never guessed at.
VERSION = 1

metadata = MetaData()

version = Table("tapechain_catalog", metadata, Column("version", Integer, primary_key=True))

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    # Not unique: media of two catalogs may meet in one that is rebuilt. Newest = highest number, then latest start.
    Column("number", BigInteger, nullable=False),
    Column("plan", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("started", Text, nullable=False),
    # The longest that an index says; the run's own count only where nothing reached a medium.
    Column("seconds", Float),
    # "begun" by a run that has not reported its end; "ended" otherwise.
    Column("state", Text, nullable=False),
    # ok, degraded or failed as the run said at its end; null when only media speak.
    Column("reported", Text),
)

volumes = Table(
    "volumes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("drive", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("pool", Text),
    Column("created", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("capacity", BigInteger),
    # Absolute path of the volume's file where it was last seen; null when another volume took its place.
    Column("location", Text),
    Column("bytes", BigInteger, nullable=False),
)

indexes = Table(
    "indexes",
    metadata,
    Column("volume_id", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("drive", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("ended", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("state", Text, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("volume_id", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("object_id", Text, primary_key=True),
    # Its place in the index's list, from 0.
    Column("place", Integer, nullable=False),
    # The session that read the source: another than session_id in copies.
    Column("origin_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    # Null where an index was made from records, and the object's first record lies on another volume.
    Column("kind", Text),
    Column("level", Text, nullable=False),
    Column("parent", Text),
    Column("compress", Text),
    Column("encrypt", Text),
    # Byte positions of the first and last record on the volume; null when there is none.
    Column("first", BigInteger),
    Column("last", BigInteger),
    Column("first_sequence", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("continued", Boolean, nullable=False),
    Column("continues", Boolean, nullable=False),
    Column("unread", BigInteger, nullable=False),
    # JSON lists of text.
    Column("warnings", Text, nullable=False),
    Column("drives", Text, nullable=False),
    Index("entries_by_object", "object_id"),
)

objects = Table(
    "objects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("parent", Text),
    Column("compress", Text),
    Column("encrypt", Text),
    Column("bytes", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("unread", BigInteger, nullable=False),
    Column("warnings", Text, nullable=False),
    # Why its source failed, as the run said; media do not know.
    Column("error", Text),
    Index("objects_by_source", "source"),
    Index("objects_by_session", "session_id"),
)

copies = Table(
    "copies",
    metadata,
    Column("object_id", Text, primary_key=True),
    # The drive that it was written to, or was meant for.
    Column("drive", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
)
