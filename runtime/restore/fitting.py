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
        others = item.records - 1
        if header.last:
            fits = self.payload is None or others * self.payload + payload == item.bytes
        elif self.payload is None:
            fits = others * payload <= item.bytes <= item.records * payload
        else:
            fits = payload == self.payload
        if not fits:
            return f"it says that it has {payload} bytes, which do not fit the {item.bytes} in {item.records} records"
        if not header.last:
            self.payload = payload
        return None
