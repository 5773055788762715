"""What a walk over a volume finds: records, indexes, and what is neither."""

from __future__ import annotations

from typing import Final

from ..faults import Place
from ..frozen import frozen
from .index import Index
from .record import RecordHeader

_EMPTY: Final = memoryview(b"")


@frozen
class ScannedRecord:
    """A record whose headers are sound, and its payload where that was checked. ``head``: its bytes 0–1535.

    ``payload`` is empty but in what :meth:`~.volume.VolumeReader.scan` gives.
    """

    position: int
    header: RecordHeader
    head: bytes
    payload: memoryview = _EMPTY

    @property
    def end(self) -> int:
        """Where the next member begins."""
        return self.position + self.header.total_bytes


@frozen
class ScannedIndex:
    """An index that its pointer proves; ``end`` is the position behind the pointer."""

    position: int
    index: Index
    end: int


@frozen
class Damage:
    """Bytes ``position``…``end`` of a volume that hold nothing sound, and why; the object where it is known.

    ``torn`` when the volume simply ends there, as after a crash.
    """

    volume: str
    position: int
    end: int
    reason: str
    object_id: str | None = None
    sequence: int | None = None
    torn: bool = False

    def __str__(self) -> str:
        place = Place(volume=self.volume, object_id=self.object_id, sequence=self.sequence, position=self.position)
        return f"{place}: {self.reason} ({self.end - self.position} bytes)"
