"""Single copies of objects: which are acknowledged, and what each holds by itself."""

import hashlib

from tapechain.runtime.catalog.queries import CatalogCopy, CatalogObject
from tapechain.runtime.restore.reading import ObjectReader
from tapechain.runtime.restore.shelf import Shelf


def digest_of(item: CatalogObject, copy: CatalogCopy, shelf: Shelf) -> str:
    """The SHA-256 of an object, read from this one copy."""
    reader = ObjectReader(item, [copy], shelf)
    digest, slot = hashlib.sha256(), memoryview(bytearray(64 * 1024))
    try:
        for header in reader.records(slot):
            digest.update(slot[1536 : 1536 + header.payload_bytes])
    finally:
        reader.close()
    return digest.hexdigest()


def stored_copies(objects: list[CatalogObject]) -> set[tuple[str, str]]:
    """The copies that are acknowledged: (object, drive)."""
    return {(o.id, c.drive) for o in objects for c in o.copies if c.status == "stored"}
