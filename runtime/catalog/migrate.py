"""From an older version of the catalog's tables to this one: forward, step by step, in one transaction.

A step is the statements that make version n + 1 of version n, written once and never changed again; ``tables``
describes what the last one leads to, and a test holds the two against each other from every version that was ever
released (``tests/catalog/golden``). An SQLite file is copied aside first: going back is putting that copy in its place.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..faults import CatalogFault
from . import tables
from .link import REBUILD, Links

#: Version → the statements that make the next one of it.
STEPS: Mapping[int, tuple[str, ...]] = {
    1: (
        "CREATE TABLE member_lists (object_id TEXT NOT NULL, part INTEGER NOT NULL, data BYTEA NOT NULL,"
        " PRIMARY KEY (object_id, part))",
    ),
}


def migrate(links: Links) -> set[str]:
    """Bring the catalog to this version; the names of its tables then.

    Killed at any moment it is of the old version or of the new one. Raises CatalogFault where it may not be written.
    """
    try:
        with links.writing() as link:
            (version,) = [row["version"] for row in link.rows(f"SELECT version FROM {tables.VERSION_TABLE}")]
            if version < tables.VERSION:  # another process may have been quicker
                links.keep_aside(f"version-{version}")
                for step in range(version, tables.VERSION):
                    for statement in STEPS[step]:
                        link.run(statement)
                link.run(f"UPDATE {tables.VERSION_TABLE} SET version = :version", {"version": tables.VERSION})
            return link.tables()
    except CatalogFault as fault:
        raise CatalogFault(
            f"the catalog {links.name} is of an older version, and cannot be brought to version {tables.VERSION}:"
            f" {fault.message}",
            safe="it was not changed",
            todo=f"let somebody use it who may write it, or {REBUILD}",
        ) from None
