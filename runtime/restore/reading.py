"""Reading one object back, record by record, from whichever copy has each record sound.

A copy is read in the order of its medium, in one pass: records of other objects are skipped by their headers. Where a
record is damaged or missing, or its volume is absent, that record alone is taken from another copy, whose place in its
own medium moves only forward, too. What is handed on was checked: its headers and digest, its object, source, sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..catalog.queries import CatalogCopy, CatalogObject
from ..faults import MediaFault
from ..kinds import RECORD_BYTES_MAX
from ..media.label import LABEL_BYTES
from ..media.record import HEADER_BYTES, FirstWords, RecordHeader
from ..media.scanned import Damage, ScannedIndex, ScannedRecord
from ..media.ustar import BLOCK
from ..media.volume import VolumeReader
from ..model import Segment
from ..patience import HangingFault
from .fitting import Fit
from .seeking import NEAR, Found, find
from .shelf import Shelf

#: Faults that a report names one by one; the others are counted.
NAMED_MAX = 50


class RecordLost(Exception):
    """No copy at hand holds record ``sequence``; ``reasons`` say what each copy answered.

    ``words``: those of a first record that is sound, and says otherwise than is known.
    """

    def __init__(self, sequence: int, reasons: Sequence[str], words: FirstWords | None = None) -> None:
        super().__init__(f"record {sequence} is lost: " + ("; ".join(reasons) or "no copy holds it"))
        self.sequence = sequence
        self.reasons = tuple(reasons)
        self.words = words


@dataclass(slots=True)
class Mended:
    """What was amiss with copies although the restore went on: ``count`` records, the first ones named in ``notes``."""

    count: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, note: str) -> None:
        """One record came from another copy than the one that was read."""
        self.count += 1
        if len(self.notes) < NAMED_MAX:
            self.notes.append(note)


class _Part:
    """One segment of one copy: opened when it is first needed, read forward, closed behind its last record."""

    def __init__(self, item: CatalogObject, segment: Segment, shelf: Shelf) -> None:
        self.segment = segment
        self._item = item
        self._shelf = shelf
        self._reader: VolumeReader | None = None
        self._members: Iterator[ScannedRecord] | None = None
        self._at: ScannedRecord | None = None
        #: why nothing can be read here any more
        self._closed: str | None = None
        self._damage = ""
        self._closed_bytes = 0
        #: sequence → where on the volume such a record seems to lie; made when one is found in no other way
        self._places: dict[int, list[int]] | None = None

    def fetch(self, sequence: int, into: memoryview) -> RecordHeader:
        """Read record *sequence* into *into*. Raises MediaFault when it is not sound here."""
        segment = self.segment
        if self._closed is not None:
            raise MediaFault(self._closed)
        self._shelf.asked = segment.volume_id
        try:
            if self._members is None:
                self._reader = self._shelf.open(segment.volume_id)
                self._members = self._own(self._reader, segment.first)
            self._skip(sequence)
            while self._at is None or self._at.header.sequence < sequence:
                found = next(self._members, None)
                if found is None:
                    self.close(self._damage or f"volume {segment.volume_name}: it lacks record {sequence}")
                    raise MediaFault(self._closed or "")
                self._at = found
        except MediaFault as fault:
            self.close(str(fault))
            raise
        if self._at.header.sequence > sequence:
            raise MediaFault(self._damage or f"volume {segment.volume_name}: it lacks record {sequence}")
        assert self._reader is not None
        header = self._reader.read(self._at.position, into)
        if (header.object_id, header.sequence) != (self._item.id, sequence) or header.source != self._item.source:
            raise MediaFault(f"volume {segment.volume_name}, at byte {self._at.position}: another record lies there")
        if self._at.position >= segment.last:
            self.close(f"volume {segment.volume_name}: it lacks record {sequence + 1}")
        return header

    def search(self, sequence: int, into: memoryview) -> RecordHeader:
        """Read record *sequence* wherever on the volume it lies: for one that nobody has where it should be.

        All headers of the volume are looked at once, and every block where none could be read: the digest covers
        object, sequence and payload, so that what is sound is the record. Raises MediaFault when it is not sound here.
        """
        name = self.segment.volume_name
        with self._shelf.open(self.segment.volume_id) as reader:
            if self._places is None:
                self._places = {}
                for member in self._walk(reader, LABEL_BYTES):
                    if isinstance(member, Damage):
                        self._note(reader, member.position, member.end)
                    elif isinstance(member, ScannedRecord) and member.header.object_id == self._item.id:
                        self._places.setdefault(member.header.sequence, []).append(member.position)
                        # Where blocks are there twice a header may lie before the record that it belongs to.
                        if not self._follows(reader, member.end):
                            self._note(reader, member.position + BLOCK, member.end + BLOCK)
            try:
                for position in self._places.get(sequence, ()):
                    try:
                        header = reader.read(position, into)
                    except MediaFault:
                        continue
                    found = (header.object_id, header.sequence, header.source)
                    if found == (self._item.id, sequence, self._item.source):
                        return header
            finally:
                self._closed_bytes += reader.bytes_read
        raise MediaFault(f"volume {name}: it lacks record {sequence}")

    def _note(self, reader: VolumeReader, start: int, stop: int) -> None:
        """Where headers of the object's records lie between the two."""
        assert self._places is not None
        for position, header in reader.headers(start, min(stop, reader.size)):
            if header.object_id == self._item.id:
                self._places.setdefault(header.sequence, []).append(position)

    def _skip(self, sequence: int) -> None:
        """Where record *sequence* is far ahead, and its place can be found, go on there."""
        before = self._at.header.sequence if self._at is not None else self.segment.first_sequence
        if self._reader is None or sequence - before <= NEAR:
            return
        known = None if self._at is None else Found(self._at.position, self._at.header)
        try:
            found = find(self._reader, self.segment, self._item.id, sequence, known)
        except MediaFault:  # one of the headers on the way cannot be read: record by record it is, then
            return
        if found is not None:
            self._members = self._own(self._reader, found.position)
            self._at = None

    def _own(self, reader: VolumeReader, low: int) -> Iterator[ScannedRecord]:
        """The object's records from *low* on, unread, in order of position; their order of sequence is the caller's."""
        high = self.segment.last
        for member in self._walk(reader, low):
            if member.position > high:
                return
            if isinstance(member, Damage):
                self._damage = str(member)
            elif isinstance(member, ScannedRecord) and member.header.object_id == self._item.id:
                yield member

    def _walk(self, reader: VolumeReader, low: int) -> Iterator[ScannedRecord | ScannedIndex | Damage]:
        """All members from *low* on; headers that cannot be read are damage, behind which the walk goes on."""
        return reader.members(low, reader.size, check=False, wanted=self._item.id, failed=lambda fault: None)

    @staticmethod
    def _follows(reader: VolumeReader, position: int) -> bool:
        try:
            return reader.header(position) is not None
        except MediaFault:
            return False

    def close(self, why: str) -> None:
        """Give the volume back; later questions get *why* as their answer."""
        self._closed = why
        self._members = self._at = None
        if self._reader is not None:
            self._closed_bytes += self._reader.bytes_read
            self._reader.close()
            self._reader = None

    def abandon(self, why: str) -> None:
        """As :meth:`close`, of a volume that a call hangs on: it is not touched."""
        self._reader = None
        self.close(why)

    @property
    def bytes_read(self) -> int:
        """Bytes of the volume that were read."""
        return self._closed_bytes + (self._reader.bytes_read if self._reader is not None else 0)

    def full_payload(self) -> int | None:
        """Payload bytes of a full record, as the first header of this part says; None where it cannot tell."""
        try:
            with self._shelf.open(self.segment.volume_id) as reader:
                header = reader.header(self.segment.first)
                self._closed_bytes += reader.bytes_read
        except MediaFault:
            return None
        if header is None or header.object_id != self._item.id or header.last:
            return None
        return header.payload_bytes


class ObjectReader:
    """All copies of one object, in the order in which they are preferred. Close it when done."""

    def __init__(
        self, item: CatalogObject, copies: Sequence[CatalogCopy], shelf: Shelf, fit: Fit | None = None
    ) -> None:
        """*fit*: what was seen of the object's records before."""
        self.mended = Mended()
        self._fit = fit or Fit(item)
        self._shelf = shelf
        self._own: memoryview | None = None
        self._item = item
        self._copies = [(c.drive, [_Part(item, s, shelf) for s in c.segments]) for c in copies if c.segments]

    def records(self, into: memoryview) -> Iterator[RecordHeader]:
        """Each record in its turn, in *into* (payload from byte 1536), until the one marked last.

        Raises RecordLost at the first record that no copy holds sound.
        """
        sequence = 0
        while True:
            header = self.fetch(sequence, into)
            yield header
            if header.last:
                return
            sequence += 1

    @property
    def bytes_read(self) -> int:
        """Bytes of volumes that were read."""
        return sum(part.bytes_read for _, parts in self._copies for part in parts)

    def full_payload(self) -> int | None:
        """Payload bytes of each of the object's records but the last one; None where no volume can tell."""
        for _, parts in self._copies:
            for part in parts:
                try:
                    size = self._shelf.ask(part.segment.volume_id, part.full_payload)
                except HangingFault:
                    continue
                if size is not None:
                    return size
        return None

    def take(self, sequence: int) -> tuple[RecordHeader, memoryview]:
        """As :meth:`fetch`, in memory of the reader's own, which is good until the next step."""
        header = self._fetch(sequence, None)
        assert self._own is not None
        return header, self._own

    def fetch(self, sequence: int, into: memoryview) -> RecordHeader:
        """Record *sequence*, whole, in *into*, from the first copy that has it sound; sequences only ascend.

        Raises RecordLost where none has.
        """
        return self._fetch(sequence, into)

    def _fetch(self, sequence: int, into: memoryview | None) -> RecordHeader:
        reasons: list[str] = []
        hanging: dict[str, None] = {}
        words: FirstWords | None = None
        # Parts that were put together from records may hold more than they claim: they are asked last.
        for claims in (True, False):
            for drive, parts in self._copies:
                for part in parts:
                    start, records = part.segment.first_sequence, part.segment.records
                    if sequence < start or (sequence < start + records) is not claims:
                        continue
                    try:
                        header = self._ask(part, _Part.fetch, sequence, into)
                    except HangingFault as fault:  # told once, and not with each record that it lacks
                        hanging[str(fault)] = None
                        continue
                    except MediaFault as fault:
                        if claims:
                            reasons.append(str(fault) if fault.place.drive else f"drive {drive}: {fault}")
                        continue
                    if (why := self._fit.why_not(header)) is not None:
                        reasons.append(f"drive {drive}: volume {part.segment.volume_name}, record {sequence}: {why}")
                        words = words or header.first
                        continue
                    if reasons:
                        self.mended.add(f"record {sequence} was taken from drive {drive}, since {'; '.join(reasons)}")
                    return header
        for drive, parts in self._copies:
            for part in parts:
                try:
                    header = self._ask(part, _Part.search, sequence, into)
                except MediaFault:
                    continue
                if self._fit.why_not(header) is not None:
                    continue
                self.mended.add(f"record {sequence} lies out of its order on drive {drive}")
                return header
        raise RecordLost(sequence, [*reasons, *hanging], words)

    def _ask(
        self,
        part: _Part,
        call: Callable[[_Part, int, memoryview], RecordHeader],
        sequence: int,
        into: memoryview | None,
    ) -> RecordHeader:
        """*call* of *part*. With patience it fills memory of ours: what hangs may write there for ever."""
        if into is not None and self._shelf.patience is None:
            return call(part, sequence, into)
        if self._shelf.patience is not None:
            self._shelf.patience.check_wanted()
        own = self._own = self._own or memoryview(bytearray(RECORD_BYTES_MAX))
        try:
            header = self._shelf.ask(part.segment.volume_id, lambda: call(part, sequence, own))
        except HangingFault as fault:
            part.abandon(str(fault))
            self._own = None
            raise
        if into is not None:
            into[: header.total_bytes] = own[: header.total_bytes]
        return header

    def close(self) -> None:
        """Close every volume that is open."""
        for _, parts in self._copies:
            for part in parts:
                try:
                    self._shelf.ask(part.segment.volume_id, lambda part=part: part.close("closed"))  # type: ignore[misc]
                except HangingFault as fault:
                    part.abandon(str(fault))


class Fetcher:
    """The payloads of one object's records, asked for with rising sequences; None for one that is lost."""

    def __init__(self, item: CatalogObject, copies: Sequence[CatalogCopy], shelf: Shelf) -> None:
        self._reader = ObjectReader(item, copies, shelf)
        self._into = memoryview(bytearray(RECORD_BYTES_MAX))

    def __call__(self, sequence: int) -> bytes | None:
        """The payload of record *sequence*."""
        try:
            header = self._reader.fetch(sequence, self._into)
        except RecordLost:
            return None
        return bytes(self._into[HEADER_BYTES : HEADER_BYTES + header.payload_bytes])

    def close(self) -> None:
        """Close every volume."""
        self._reader.close()


def preferred(item: CatalogObject, shelf: Shelf) -> list[CatalogCopy]:
    """The copies of *item*, best first: stored, volumes at hand, where the user pointed, few volumes, by drive."""
    shelf.find_all(segment.volume_id for copy in item.copies for segment in copy.segments)

    def badness(copy: CatalogCopy) -> tuple[bool, int, bool, int, str]:
        absent = sum(shelf.find(s.volume_id).path is None for s in copy.segments)
        given = all(shelf.is_given(s.volume_id) for s in copy.segments)
        return (copy.status != "stored", absent, not given, len(copy.segments), copy.drive)

    return sorted((c for c in item.copies if c.segments), key=badness)
