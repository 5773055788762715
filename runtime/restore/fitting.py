"""Whether a sound record says what is known of its object.

A digest proves that a record is as it was written, not that it is right. What is known of an object (its source, kind,
count of records and bytes) comes from indexes, which were held against their records; a record that says otherwise is
passed over, as a damaged one is, wherever another copy has it.
"""

from __future__ import annotations

from ..catalog.queries import CatalogObject
from ..media.record import RecordHeader

#: What an object's first record says of it, and a catalog knows.
FACTS = ("kind", "level", "parent", "compress", "encrypt")


class Fit:
    """The records of one object, in their order. ``payload``: the bytes of a full one, once it was seen."""

    def __init__(self, item: CatalogObject) -> None:
        self._item = item
        self.payload: int | None = None

    def why_not(self, header: RecordHeader) -> str | None:
        """What the record says otherwise than is known, or None: then it counts."""
        item, payload = self._item, header.payload_bytes
        if header.source != item.source:
            return f"its label names the source {header.source}"
        if item.status != "whole":
            return None
        if header.last != (header.sequence == item.records - 1):
            return f"it says that it is {'' if header.last else 'not '}the last of {item.records} records"
        if header.first is not None:
            for name in FACTS:
                said, known = getattr(header.first, name), getattr(item, name)
                if said != known:
                    return f"it says that the object's {name} is {said}, where {known} is known"
        # Sizes are held against each other alone: the count of bytes may come from media that are damaged.
        if not header.last and self.payload is not None and payload != self.payload:
            return f"it says that it has {payload} bytes, where the others have {self.payload}"
        if not header.last:
            self.payload = payload
        return None
