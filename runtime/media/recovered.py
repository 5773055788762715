"""Indexes put together from records alone, for stretches of a volume that no proved index covers."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

from ..model import ObjectStatus, Session
from . import ids
from .index import Index, IndexedObject
from .label import LABEL_BYTES, VolumeLabel
from .record import FirstWords, RecordHeader


@dataclass(slots=True)
class _Seen:
    """What the records of one object on this stretch have shown so far."""

    source: str
    first: int
    first_sequence: int
    last: int = 0
    next_sequence: int = 0
    records: int = 0
    bytes: int = 0
    #: sequences lack, or may lack, in what this volume should hold
    gaps: bool = False
    ended: bool = False
    words: FirstWords | None = None


@dataclass(slots=True)
class Stretch:
    """Collects the records of one stretch in their order; ``index`` makes of them what the session did not write."""

    label: VolumeLabel
    start: int
    _damaged: bool = False
    _objects: dict[str, _Seen] = field(default_factory=dict)

    def add(self, position: int, header: RecordHeader) -> None:
        """A sound record at *position*. A sequence that was there before, or goes back, is not counted again."""
        seen = self._objects.get(header.object_id)
        if seen is None:
            seen = _Seen(header.source, position, header.sequence, next_sequence=header.sequence)
            # An object goes on from an earlier volume only at the head of this one, with nothing lost before it.
            seen.gaps = header.sequence > 0 and (self._damaged or self.start != LABEL_BYTES)
            self._objects[header.object_id] = seen
        if header.sequence < seen.next_sequence:
            return
        seen.gaps |= header.sequence != seen.next_sequence or seen.ended
        seen.next_sequence = header.sequence + 1
        seen.last = position
        seen.records += 1
        seen.bytes += header.payload_bytes
        seen.ended |= header.last
        seen.words = seen.words or header.first

    def lost(self) -> None:
        """Something between the records cannot be read: what is seen from now on may have begun there."""
        self._damaged = True

    def __bool__(self) -> bool:
        return bool(self._objects)

    def index(self, previous: int | None, ended: str, taken: Collection[str] = ()) -> Index:
        """The index of this stretch; its session is the first that a record names, else the volume's maker.

        *taken*: sessions that other indexes of the volume bear. What was copied or merged bears the session that read
        its source, which may have written on this volume itself: two indexes of one session would be taken for one.
        """
        sessions = [seen.words.session for seen in self._objects.values() if seen.words is not None]
        session = self._known(sessions[0]) if sessions else self.label.session
        if session.id in taken:
            own = ids.id_from(session.id, f"{self.label.volume} {self.start}")
            session = dataclasses.replace(session, id=own, fingerprint="")
        return Index(
            volume=self.label.volume,
            session=session,
            drive=self.label.drive,
            agent=self.label.agent,
            ended=ended,
            seconds=0.0,
            state="recovered",
            first=self.start,
            previous=previous,
            objects=tuple(self._entry(key, seen, session) for key, seen in self._objects.items()),
        )

    def _known(self, session: Session) -> Session:
        """*session*, with the fingerprint and whole plan name of the volume's label where it is the same one."""
        return self.label.session if session.id == self.label.session.id else session

    def _entry(self, object_id: str, seen: _Seen, session: Session) -> IndexedObject:
        words = seen.words
        own = None if words is None else self._known(words.session)
        state = "whole" if seen.ended and not seen.gaps else "cut-off"
        return IndexedObject(
            source=seen.source,
            object_id=object_id,
            kind=None if words is None else words.kind,
            level="incremental" if words is not None and words.level == "incremental" else "full",
            parent=None if words is None else words.parent,
            compress=None if words is None else words.compress,
            encrypt=None if words is None else words.encrypt,
            first=seen.first,
            last=seen.last,
            first_sequence=seen.first_sequence,
            records=seen.records,
            bytes=seen.bytes,
            state=cast(ObjectStatus, state),
            continued=seen.first_sequence > 0,
            origin=None if own is None or own.id == session.id else own,
        )
