"""What one drive holds of each object of a session: the book behind its indexes and its report.

An object's way over volumes: records on the current volume, then, once that volume's index is confirmed, a segment.
Only segments are ever reported as stored.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..media import index as index_format
from ..media.index import IndexedObject
from ..media.record import SEQUENCE_LIMIT
from ..model import CopyResult, CopyStatus, Ending, ObjectFacts, ObjectStatus, Segment, Session

#: Room for warnings that an object's entry has from its begin on; more is taken where the volume has it.
WARNINGS_ROOM: Final = 200
#: The most that the warnings of one object take in an index.
WARNINGS_BYTES_MAX: Final = 64 * 1024


@dataclass(slots=True)
class Copy:
    """One object on this drive. ``first``… describe its part on the current volume; ``segments`` are confirmed."""

    facts: ObjectFacts
    room: int
    next_sequence: int | None = None
    begins_whole: bool = False
    last_seen: bool = False
    ending: Ending | None = None
    segments: list[Segment] = field(default_factory=list)
    settled: bool = False
    first: int | None = None
    last: int | None = None
    first_sequence: int = 0
    records: int = 0
    bytes: int = 0

    @property
    def whole(self) -> bool:
        """Whether all its records, from sequence 0 to the one with ``last=1``, were written to this drive."""
        return self.begins_whole and self.last_seen and (self.ending is None or self.ending.status == "whole")

    @property
    def state(self) -> ObjectStatus:
        """Its state for an index written now."""
        if self.whole:
            return "whole"
        return "failed" if self.ending is not None and self.ending.status == "failed" else "cut-off"


class Ledger:
    """The objects of one session on one drive, in the order in which they began."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._copies: dict[str, Copy] = {}
        self.entries_bytes = 0
        self.entries = 0

    def begin(self, facts: ObjectFacts) -> None:
        """An object; its entry's room counts from now on. Raises ValueError where it began before."""
        if facts.id in self._copies:
            raise ValueError(f"object {facts.id} begins twice")
        copy = Copy(facts, 0)
        copy.room = len(index_format.encode_object(_longest(self._entry(copy)))) + WARNINGS_ROOM
        self._copies[facts.id] = copy
        self.entries_bytes += copy.room
        self.entries += 1

    def expect(self, object_id: str, sequence: int) -> Copy:
        """The object whose record *sequence* comes now. Raises ValueError where another is due: records never skip."""
        copy = self._copies.get(object_id)
        if copy is None or copy.ending is not None or copy.last_seen:
            raise ValueError(f"no record of object {object_id} is expected")
        if copy.next_sequence is not None and sequence != copy.next_sequence:
            raise ValueError(f"object {object_id}: record {copy.next_sequence} is due, {sequence} came")
        return copy

    @staticmethod
    def wrote(
        copy: Copy, sequence: int, payload_bytes: int, position: int, *, last: bool, count: int = 1, stride: int = 0
    ) -> None:
        """*count* records of *copy* lie whole from *position* of the current volume on, every *stride* bytes.

        *last*: the object's last record is the last of them.
        """
        if copy.next_sequence is None:
            copy.begins_whole = sequence == 0
        if copy.records == 0:
            copy.first, copy.first_sequence = position, sequence
        copy.next_sequence = sequence + count
        copy.last = position + (count - 1) * stride
        copy.records += count
        copy.bytes += count * payload_bytes
        copy.last_seen = last

    def end(self, object_id: str, ending: Ending, spare: int) -> int:
        """How the object ended; its warnings are cut to what *spare* bytes beyond the kept room allow.

        Returns how many of the spare bytes they take.
        """
        copy = self._copies.get(object_id)
        if copy is None or copy.ending is not None:
            raise ValueError(f"no end of object {object_id} is expected")
        warnings = cut_warnings(ending.warnings, min(WARNINGS_ROOM + max(0, spare), WARNINGS_BYTES_MAX))
        copy.ending = dataclasses.replace(ending, warnings=warnings)
        more = max(0, _json_bytes(warnings) - WARNINGS_ROOM)
        copy.room += more
        self.entries_bytes += more
        return more

    def here(self) -> tuple[Copy, ...]:
        """What an index of the current volume lists: objects with records on it, and ends not yet told."""
        return tuple(c for c in self._copies.values() if c.records or (c.ending is not None and not c.settled))

    def entries_of(self, copies: Iterable[Copy], *, lean: bool) -> tuple[IndexedObject, ...]:
        """The entries of an index written now; *lean* ones keep to the room that they had from their begin on."""
        entries = tuple(self._entry(copy) for copy in copies)
        if not lean:
            return entries
        return tuple(dataclasses.replace(e, warnings=cut_warnings(e.warnings, WARNINGS_ROOM)) for e in entries)

    def confirmed(self, copies: Iterable[Copy], volume_id: str, volume_name: str) -> None:
        """An index that lists *copies* is on the medium: their parts become segments, and a new volume may begin."""
        for copy in copies:
            if copy.records and copy.first is not None and copy.last is not None:
                copy.segments.append(
                    Segment(
                        volume_id, volume_name, copy.first, copy.last, copy.first_sequence, copy.records, copy.bytes
                    )
                )
            copy.first = copy.last = None
            copy.records = copy.bytes = 0
            copy.first_sequence = copy.next_sequence or 0
            if copy.ending is not None:
                copy.settled = True
                self.entries_bytes -= copy.room
                self.entries -= 1

    def results(self, drive: str, agent: str, error: str | None) -> tuple[CopyResult, ...]:
        """What became of each object; *error* is the drive's fault, if it had one."""
        return tuple(
            CopyResult(c.facts.id, drive, agent, (status := _status(c)), tuple(c.segments), _why(c, status, error))
            for c in self._copies.values()
        )

    def _entry(self, copy: Copy) -> IndexedObject:
        facts, ending = copy.facts, copy.ending
        began = copy.next_sequence is not None
        return IndexedObject(
            source=facts.source,
            object_id=facts.id,
            kind=facts.kind,
            level=facts.level,
            parent=facts.parent,
            compress=facts.compress,
            encrypt=facts.encrypt,
            first=copy.first,
            last=copy.last,
            first_sequence=copy.first_sequence,
            records=copy.records,
            bytes=copy.bytes,
            state=copy.state,
            continued=began and (bool(copy.segments) or copy.first_sequence > 0),
            continues=copy.state == "cut-off" and ending is None,
            drives=facts.drives,
            unread=ending.unread if ending is not None else 0,
            warnings=ending.warnings if ending is not None else (),
            origin=None if facts.session.id == self._session.id else facts.session,
        )


def _longest(entry: IndexedObject) -> IndexedObject:
    """*entry* with every value that may change as long as it can become."""
    most = index_format.POSITION_MAX
    return dataclasses.replace(
        entry, first=most, last=most, first_sequence=SEQUENCE_LIMIT, records=SEQUENCE_LIMIT, bytes=most,
        state="cut-off", continued=False, continues=False, unread=most, warnings=(),
    )  # fmt: skip


def cut_warnings(warnings: Iterable[str], room: int) -> tuple[str, ...]:
    """As many of *warnings*, in order, as *room* bytes of JSON hold; the last says how many more there were."""
    all_of_them = list(warnings)
    kept: list[str] = []
    used = 0
    for number, warning in enumerate(all_of_them):
        text = warning[: index_format.WARNING_LENGTH_MAX]
        left = len(all_of_them) - number - 1
        more = f"{left + 1} more warnings"
        needed = _json_bytes([text])
        reserve = _json_bytes([more]) if left else 0
        if used + needed + reserve > room or len(kept) + 1 >= index_format.WARNINGS_MAX:
            return (*kept, more) if used + _json_bytes([more]) <= room else tuple(kept)
        kept.append(text)
        used += needed
    return tuple(kept)


def _json_bytes(texts: Iterable[str]) -> int:
    """Bytes that *texts* take among an entry's warnings: quotes, escapes, and a comma each."""
    return sum(len(json.dumps(text)) + 1 for text in texts)


def _status(copy: Copy) -> CopyStatus:
    if copy.whole and copy.segments and not copy.records:
        return "stored"
    if copy.ending is not None and copy.ending.status == "failed":
        return "failed"
    return "cut-off" if copy.segments else "failed"


def _why(copy: Copy, status: CopyStatus, error: str | None) -> str | None:
    if status == "stored":
        return None
    if copy.ending is not None and copy.ending.error is not None:
        return copy.ending.error
    return error or "the end of the object did not reach the drive"
