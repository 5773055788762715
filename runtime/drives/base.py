"""What every drive is: the protocol that a writer thread follows, and what a drive tells when a volume is confirmed.

Life cycle, all on one thread: ``mount``; then for each object ``begin``, ``write`` for each record in order, ``end``;
then ``close``. After any exception from these (also from ``mount``) the caller calls ``abandon`` once, which never
raises. Only what ``close`` or ``abandon`` reports as ``stored`` is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..frozen import frozen
from ..media.index import Index
from ..media.label import VolumeLabel
from ..model import CopyResult, Ending, ObjectFacts, Session


@frozen
class IndexedVolume:
    """A volume and an index on it that fsync has confirmed: of this session, or a recovered one found at mount."""

    label: VolumeLabel
    index: Index
    path: Path
    size_bytes: int


OnIndex = Callable[[IndexedVolume], None]


class Drive(Protocol):
    """A drive of the compiled plan, for one session."""

    @property
    def name(self) -> str:
        """The drive's name in the plan."""
        ...

    @property
    def written_bytes(self) -> int:
        """Bytes of records that were handed to the medium so far; other threads may read it at any time."""
        ...

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        """Take the drive, prove where its last volume ends, recover a torn tail. Returns notes for the report.

        Raises DriveBusyFault where another run holds it, DriveFault where it cannot be used, MediaFault where its
        volumes are not what they must be. *plan_record* is the plan's record size in bytes.
        """
        ...

    def begin(self, facts: ObjectFacts) -> None:
        """An object's records will come."""
        ...

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        """Write one whole record; goes on to the next volume by itself. Blocks while the medium does.

        Raises DriveFullFault where there is no room and no next volume, DriveFault where the medium fails. *record* is
        not kept after the call.
        """
        ...

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        """As ``write`` for each of *count* records in sequence, which lie behind one another in *records*.

        They are as large as each other, and each has *payload_bytes*. After an exception those that the medium took
        whole are known, as if they had been written one by one.
        """
        ...

    def end(self, object_id: str, ending: Ending) -> None:
        """The object's last record was written, or no more will come."""
        ...

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        """Write the index, wait until the medium has all, give the drive back. *seconds* is how long the session took.

        Raises DriveFault where the medium does not confirm; ``abandon`` then says what is stored all the same.
        """
        ...

    def abandon(self, fault: Exception, seconds: float) -> tuple[CopyResult, ...]:
        """After *fault*: keep and confirm what the medium still can, give the drive back. Never raises."""
        ...
