"""What the tests of media and drives share: sessions, objects and records in few words, the same in every run."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tapechain.runtime.drives.base import IndexedVolume
from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.media.record import HEADER_BYTES, parse, seal
from tapechain.runtime.model import CopyResult, Ending, ObjectFacts, Session

RECORD = 64 * 1024
ROOM = RECORD - HEADER_BYTES


def uuid_of(number: int, *, seconds: int = 1_763_000_000) -> str:
    """The UUIDv7 with *number* in its random bits."""
    digits = f"{seconds * 1000:012x}7000{0x8000000000000000 + number:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@dataclass
class World:
    """Makes sessions and objects, and drives with a clock and identifiers of their own, in one folder."""

    folder: Path
    told: list[IndexedVolume] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def session(self, number: int = 1, plan: str = "figure2") -> Session:
        return Session(uuid_of(next(self._numbers)), number, plan, "ab" * 32, "2026-11-20T02:00:00.000Z")

    def facts(self, session: Session, source: str = "D1", **more: object) -> ObjectFacts:
        facts = ObjectFacts(uuid_of(next(self._numbers)), source, "files", session, drives=("R1",))
        return replace(facts, **more)  # type: ignore[arg-type]

    def drive(self, name: str = "R1", **more: object) -> VolumesDrive:
        seconds = itertools.count(1)
        options: dict[str, object] = {
            "on_index": self.told.append,
            "clock": lambda: f"2026-11-20T02:00:{next(seconds) % 60:02d}.000Z",
            "new_id": lambda: uuid_of(next(self._numbers)),
        } | more
        return VolumesDrive(name, self.folder / name, **options)  # type: ignore[arg-type]

    def volumes(self, name: str = "R1") -> list[Path]:
        return sorted((self.folder / name).glob(f"{name}-*.tar"))


def records_of(facts: ObjectFacts, data: bytes, *, record: int = RECORD, ends: bool = True) -> list[bytes]:
    """*data* as the sealed records of one object; without *ends* the last one lacks ``last=1``."""
    room = record - HEADER_BYTES
    pieces = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
    sealed = []
    for sequence, piece in enumerate(pieces):
        slot = memoryview(bytearray(record))
        slot[HEADER_BYTES : HEADER_BYTES + len(piece)] = piece
        last = ends and sequence == len(pieces) - 1
        sealed.append(bytes(slot[: seal(slot, facts, sequence, len(piece), last=last)]))
    return sealed


@dataclass
class Job:
    """Streams for one session on one drive."""

    streams: dict[ObjectFacts, bytes]
    endings: dict[ObjectFacts, Ending] = field(default_factory=dict)

    def interleaved(self) -> Iterator[tuple[ObjectFacts, int, bytes]]:
        """Records of all streams in turn, as an agent takes them."""
        waiting = {
            facts: list(enumerate(records_of(facts, data, ends=self.ending(facts).status == "whole")))
            for facts, data in self.streams.items()
        }
        while any(waiting.values()):
            for facts, records in waiting.items():
                if records:
                    yield facts, *records.pop(0)

    def ending(self, facts: ObjectFacts) -> Ending:
        return self.endings.get(facts, Ending("whole"))

    def write_to(self, drive: VolumesDrive) -> None:
        """begin, write and end of every object, without mount and close."""
        left = {facts: len(records_of(facts, data)) for facts, data in self.streams.items()}
        for facts in self.streams:
            drive.begin(facts)
        for facts, sequence, record in self.interleaved():
            payload = len(records_payload(record))
            drive.write(memoryview(record), facts.id, sequence, payload)
            left[facts] -= 1
            if left[facts] == 0:
                drive.end(facts.id, self.ending(facts))

    def run(self, drive: VolumesDrive, session: Session) -> tuple[CopyResult, ...]:
        """A whole session on *drive*."""
        drive.mount(session, agent="A1", plan_record=RECORD)
        self.write_to(drive)
        return drive.close(1.5)


def records_payload(record: bytes) -> bytes:
    return record[HEADER_BYTES : HEADER_BYTES + parse(record).payload_bytes]
