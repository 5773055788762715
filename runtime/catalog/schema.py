"""The catalog's tables in SQLAlchemy Core, for its questions; the facts are in ``tables``.

This module imports SQLAlchemy: import it only where a catalog is asked, never where a run writes one.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, Table, Text

from . import tables

_TYPES = {"TEXT": Text, "INTEGER": Integer, "BIGINT": BigInteger, "FLOAT": Float, "BOOLEAN": Boolean}

metadata = MetaData()

for _table in tables.TABLES:
    Table(
        _table.name,
        metadata,
        *(Column(c.name, _TYPES[c.type], primary_key=c.key, nullable=c.null) for c in _table.columns),
    )

sessions = metadata.tables["sessions"]
volumes = metadata.tables["volumes"]
indexes = metadata.tables["indexes"]
entries = metadata.tables["entries"]
objects = metadata.tables["objects"]
copies = metadata.tables["copies"]
