"""Writes golden volumes of the format on the media: ``python tests/vectors/make_vectors.py NEW_FOLDER``.

The bytes under ``v1/`` were made once with this script and are never edited nor made again; the tests beside it ask
that today's writer still makes them and that today's reader still reads them. Identifiers and times are fixed; the
volumes are kept gzipped, since their payload is mostly repetition.

``D-000001.tar`` holds session 1 (an empty object, two interleaved ones, one that failed, one that was cut off) and the
beginning of session 2, which spans to ``D-000002.tar``; there session 3 crashed, and session 4 recovered it.
"""

from __future__ import annotations

import gzip
import itertools
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.media.record import HEADER_BYTES, seal
from tapechain.runtime.model import Ending, ObjectFacts, Session

RECORD = 64 * 1024
ROOM = RECORD - HEADER_BYTES
CAPACITY = 280_000


def identifier(seconds: int, number: int) -> str:
    """The UUIDv7 of a second, with *number* in its random bits."""
    digits = f"{seconds * 1000:012x}7000{0x8000000000000000 + number:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def text(word: str, size: int) -> bytes:
    """Payload that anyone can make again: *word*, a blank, and so on, cut to *size* bytes."""
    line = f"{word} ".encode()
    return (line * (size // len(line) + 1))[:size]


@dataclass(frozen=True)
class Stream:
    """One object of a session: what it holds, and how it ends."""

    facts: ObjectFacts
    payload: bytes
    ending: Ending


def session(number: int) -> Session:
    """Session *number*, an hour apart."""
    return Session(
        identifier(1_763_600_000 + 3600 * number, number), number, "golden", "0123456789abcdef" * 4,
        f"2025-11-20T{number:02d}:00:00.000Z",
    )  # fmt: skip


def streams(of: Session) -> list[Stream]:
    """The objects of a session, in the order in which they begin."""

    def stream(source: str, payload: bytes, ending: Ending | None = None, **more: str) -> Stream:
        place = len(made)
        facts = ObjectFacts(
            identifier(1_763_600_000 + 3600 * of.number, 100 * of.number + place), source,
            more.pop("kind", "files"), of, drives=("D", "E"), **more,  # type: ignore[arg-type]
        )  # fmt: skip
        made.append(Stream(facts, payload, ending or Ending("whole")))
        return made[-1]

    made: list[Stream] = []
    if of.number == 1:
        stream("home", text("home", ROOM + 1000))
        stream("empty", b"", kind="stream")
        stream("shop dump/ä", text("shop", 700), Ending("whole", ("file changed as we read it",), 1), kind="command")
        stream("broken", text("broken", ROOM), Ending("failed", error="status 1"), kind="command")
        stream("stopped", text("stopped", 512), Ending("cut-off", error="stopped"))
    elif of.number == 2:
        parent = identifier(1_763_600_000 + 3600, 100)
        stream("home", text("home again", 2 * ROOM + 5), level="incremental", parent=parent, compress="zstd")
        stream("etc", text("etc", 100), encrypt="age")
    elif of.number == 3:
        stream("home", text("crashed", 300))
        stream("etc", text("torn", ROOM + 1))
    return made


def write(folder: Path) -> None:
    """Make the volumes in *folder*."""
    volumes = (identifier(1_763_600_000, 900 + number) for number in itertools.count())
    for number in (1, 2, 3, 4):
        of = session(number)
        minute = itertools.count()
        drive = VolumesDrive(
            "D", folder, capacity=CAPACITY, on_index=lambda told: None, new_id=lambda: next(volumes),
            clock=lambda number=number, minute=minute: f"2025-11-20T{number:02d}:{next(minute):02d}:00.000Z",
            elapsed=itertools.count(0.0, 0.001).__next__,
        )  # fmt: skip
        drive.mount(of, agent="A1", plan_record=RECORD)
        run(drive, of, crash=number == 3)
        if number == 3:
            drive._release()  # as a killed process: no index, no end
        else:
            drive.close(12.5)


def run(drive: VolumesDrive, of: Session, *, crash: bool) -> None:
    """Write a session's records in turn; with *crash* the second object's end never comes."""
    queues = []
    for one in streams(of):
        drive.begin(one.facts)
        pieces = [one.payload[at : at + ROOM] for at in range(0, len(one.payload), ROOM)] or [b""]
        queues.append((one, list(enumerate(pieces))))
    while any(queue for _, queue in queues):
        for one, queue in queues:
            if not queue:
                continue
            sequence, piece = queue.pop(0)
            if crash and sequence == 1:
                continue
            slot = memoryview(bytearray(RECORD))
            slot[HEADER_BYTES : HEADER_BYTES + len(piece)] = piece
            last = not queue and one.ending.status == "whole"
            size = seal(slot, one.facts, sequence, len(piece), last=last)
            drive.write(slot[:size], one.facts.id, sequence, len(piece))
            if not queue:
                drive.end(one.facts.id, one.ending)


def main(folder: Path) -> None:
    """Make the volumes, gzipped, in the new *folder*; one that exists is refused."""
    folder.mkdir()
    with tempfile.TemporaryDirectory() as work:
        write(Path(work))
        for volume in sorted(Path(work).iterdir()):
            packed = gzip.compress(volume.read_bytes(), 9, mtime=0)
            (folder / f"{volume.name}.gz").write_bytes(packed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
