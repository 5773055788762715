"""Is it a catalog, and of our version? Asked once of each catalog that is opened, whatever database it lies in."""

from __future__ import annotations

from ..faults import CatalogFault
from . import tables
from .link import REBUILD, Links, damaged


def prepare(links: Links, *, create: bool) -> None:
    """Check the schema's version, or make the tables where there is no catalog yet and *create* allows it.

    An older one is brought to this version (see ``migrate``). Raises CatalogFault: not a catalog, newer, damaged.
    """
    with links.reading() as link:
        found = link.tables()
    if create and not found:
        with links.writing() as link:
            found = link.tables()  # another run may have been quicker
            if not found:
                for table in tables.TABLES:
                    for statement in tables.creation(table):
                        link.run(statement)
                link.run(f"INSERT INTO {tables.VERSION_TABLE} (version) VALUES (:version)", {"version": tables.VERSION})
                return
    if tables.VERSION_TABLE not in found:
        raise CatalogFault(
            f"{links.name} is not a catalog of tapechain", safe="it was not changed", todo="name another catalog"
        )
    with links.reading() as link:
        versions = [row["version"] for row in link.rows(f"SELECT version FROM {tables.VERSION_TABLE}")]
    if len(versions) == 1 and isinstance(versions[0], int) and versions[0] != tables.VERSION:
        if not tables.OLDEST <= versions[0] < tables.VERSION:
            newer = versions[0] > tables.VERSION
            raise CatalogFault(
                f"the catalog {links.name} has version {versions[0]}; this tcc works with version {tables.VERSION}",
                safe="it was not changed",
                todo="use the newer tcc that wrote it" if newer else REBUILD,
            )
        from .migrate import migrate

        found = migrate(links)
    missing = sorted({table.name for table in tables.TABLES} - found)
    if len(versions) != 1 or missing:
        raise damaged(links.name, f"it lacks {', '.join(missing)}" if missing else "it states no version")
