"""Whether an index says what its records say: asked of each object's first and last record, whose places it names.

A pointer proves that an index is the one that was written, not that it is right. What it says of an object's source,
kind, level, parent and encoding is what the label of record 0 says; its counts follow from the two records and from
the room between them. Where a sound header says otherwise the index is not believed, and its stretch is read record by
record. A header that cannot be read is damage, and proves nothing against the index.
"""

from __future__ import annotations

from typing import Protocol

from ..faults import MediaFault
from ..frozen import frozen
from .index import Index, IndexedObject
from .record import RecordHeader


@frozen
class Contradiction:
    """What a record says otherwise than an index; *misplaced*: only where a record lies, as after an exchange."""

    text: str
    misplaced: bool = False

    def __str__(self) -> str:
        return self.text


class Headers(Protocol):
    """A volume, as this asks it."""

    def header(self, position: int) -> RecordHeader | None:
        """The record header at *position*, or None where none can be read."""


def contradiction(volume: Headers, index: Index, *, all_read: bool = False) -> Contradiction | None:
    """What a record says otherwise than *index*, which lies on *volume*; None where nothing does.

    A header that the medium does not give says nothing; with *all_read* that raises MediaFault.
    """
    covered: int | None = 0
    for item in index.objects:
        if not item.records:
            continue
        assert item.first is not None and item.last is not None
        first, last = _header(volume, item.first, all_read), _header(volume, item.last, all_read)
        why = _first(index, item, first) or (None if index.state == "recovered" else _last(item, first, last))
        if why is not None:
            return Contradiction(
                f"it says of object {item.object_id} of source {item.source} that {why}", why.misplaced
            )
        if first is None or last is None or covered is None:
            covered = None
        else:
            covered += (item.records - 1) * first.total_bytes + last.total_bytes
    if index.state == "ended" and covered is not None and index.position is not None:
        room = index.position - index.first
        if covered != room:
            return Contradiction(f"its objects take {covered} bytes, and its session has {room}")
    return None


def _header(volume: Headers, position: int, must: bool) -> RecordHeader | None:
    try:
        return volume.header(position)
    except MediaFault:
        if must:
            raise
        return None


def _first(index: Index, item: IndexedObject, header: RecordHeader | None) -> Contradiction | None:
    if header is None:
        return None
    if (header.object_id, header.source, header.sequence) != (item.object_id, item.source, item.first_sequence):
        return Contradiction(f"its record {item.first_sequence} is at byte {item.first}, where another one lies", True)
    words = header.first
    if words is None:
        return None
    for name in ("kind", "level", "parent", "compress", "encrypt"):
        said, true = getattr(item, name), getattr(words, name)
        if said != true:
            return Contradiction(f"its {name} is {said}, and its first record says {true}")
    if index.session_of(item).id != words.session.id:
        return Contradiction(
            f"session {index.session_of(item).id} read it, and its first record names {words.session.id}"
        )
    return None


def _last(item: IndexedObject, first: RecordHeader | None, last: RecordHeader | None) -> Contradiction | None:
    if last is None:
        return None
    sequence = item.first_sequence + item.records - 1
    if (last.object_id, last.source, last.sequence) != (item.object_id, item.source, sequence):
        return Contradiction(f"its record {sequence} is at byte {item.last}, where another one lies", True)
    if last.last != (item.state == "whole" and not item.continues):
        return Contradiction(f"it is {item.state}, and its last record here says otherwise")
    if first is not None and item.bytes != (item.records - 1) * first.payload_bytes + last.payload_bytes:
        return Contradiction(f"it has {item.bytes} bytes, which its records have not")
    return None
