"""Drive writers: one thread a drive that takes records from its rings and writes them as they are.

Everything that a drive does, it does on this thread: mounting, writing, indexes, the final fsync. A fault of the drive
makes the writer leave its rings at once, so that every other copy goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from .events import DriveFailed, DrivePort, DriveState, Event, Mounted, WriterDone
from .faults import DriveFault, Fault, Place
from .model import CopyResult, ObjectFacts, Session
from .plan import Agent
from .ring import Doorbell, Ring, RingReader

#: How long a drive's thread waits for half a ring of records before one record is enough to wake it. To wake a thread
#: costs its waker tens of microseconds, as much as all of a record's Python (docs/performance.md).
_PATIENCE_SECONDS: Final = 0.01


@dataclass(slots=True)
class Feed:
    """One buffer of the agent: its view of a ring, and the object that the ring carries."""

    reader: RingReader
    facts: ObjectFacts
    begun: bool = False


class DriveWriter:
    """Writes one drive from its agent's buffers.

    Life: constructed (attached to its rings) → its thread is started: mounts → waits for :meth:`go` → writes until
    every ring has ended → closes → posts ``WriterDone``. ``go`` names the sources that are not read at all.
    """

    def __init__(
        self,
        agent: Agent,
        drive: DrivePort,
        rings: Sequence[tuple[Ring, ObjectFacts]],
        events: SimpleQueue[Event],
        *,
        session: Session,
        record_bytes: int,
        essential: Sequence[bool],
        started: float,
    ) -> None:
        self.thread = threading.Thread(target=self._run, name=f"drive {agent.drive}")
        self.agent = agent
        self.drive = drive
        self.state: DriveState = "mounting"
        self.fault: Fault | None = None
        self._bell = Doorbell()
        self._feeds = [
            Feed(ring.attach(self._bell, essential=must), facts)
            for (ring, facts), must in zip(rings, essential, strict=True)
        ]
        self._events = events
        self._session = session
        self._record_bytes = record_bytes
        self._started = started
        self._gate = threading.Event()
        self.skipped: frozenset[str] = frozenset()

    def go(self, skipped: frozenset[str]) -> None:
        """All drives are mounted or have failed: write what comes. Objects in *skipped* (identifiers) do not come."""
        self.skipped = skipped
        self._gate.set()

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        """Mount, write, close; whatever happens, the rings are left and the control is told."""
        results: tuple[CopyResult, ...] = ()
        try:
            notes = self.drive.mount(self._session, agent=self.agent.name, plan_record=self._record_bytes)
            self.state = "writing"
            self._events.put(Mounted(self.agent.drive, tuple(notes)))
            self._gate.wait()
            self._write()
            self.state = "closing"
            results = self.drive.close(self._seconds)
            self.state = "done"
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the run must hear of it and go on
            results = self._fail(self._fault_of(error))
        for feed in self._feeds:
            feed.reader.leave()
        self._events.put(WriterDone(self.agent.drive, results))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _write(self) -> None:
        feeds = []
        for feed in self._feeds:
            if feed.facts.id in self.skipped:
                feed.reader.leave()
            else:
                feeds.append(feed)
        if self.agent.order == "object":
            for feed in feeds:
                self._drain([feed])
        else:
            self._drain(feeds)

    def _drain(self, feeds: list[Feed]) -> None:
        """Take records from *feeds*, one from each in turn, until all of them have ended."""
        while feeds:
            progress = False
            for feed in feeds:
                if feed.reader.available:
                    self._take(feed)
                    progress = True
                elif feed.reader.ending is not None:
                    self._end(feed)
                    feeds = [other for other in feeds if other is not feed]
                    progress = True
                    break
            if not progress:
                self._sleep(feeds)

    def _sleep(self, feeds: list[Feed]) -> None:
        """Block until there is a record or an ending: a moment for half a ring of records, then for any."""
        bell = self._bell
        for patient, seconds in ((True, _PATIENCE_SECONDS), (False, None)):
            bell.arm(patient=patient)
            if any(feed.reader.worth_waking(patient=patient) for feed in feeds):
                bell.disarm()
                return
            if bell.wait(seconds):
                return

    def _take(self, feed: Feed) -> None:
        if not feed.begun:
            feed.begun = True
            self.drive.begin(feed.facts)
        record, sequence, payload_bytes = feed.reader.peek()
        try:
            self.drive.write(record, feed.facts.id, sequence, payload_bytes)
        finally:
            record.release()
        feed.reader.release()

    def _end(self, feed: Feed) -> None:
        ending = feed.reader.ending
        assert ending is not None
        if not feed.begun:
            feed.begun = True
            self.drive.begin(feed.facts)
        self.drive.end(feed.facts.id, ending)
        feed.reader.leave()

    # ---------------------------------------------------------------- faults

    def _fail(self, fault: Fault) -> tuple[CopyResult, ...]:
        """Leave the rings before anything else: nobody waits for a drive that has failed."""
        self.fault = fault
        self.state = "failed"
        for feed in self._feeds:
            feed.reader.leave()
        self._events.put(DriveFailed(self.agent.drive, fault))
        try:
            return self.drive.abandon(fault, self._seconds)
        except Exception:  # noqa: BLE001 - the drive has failed already; the first fault is the one to tell
            return ()

    def _fault_of(self, error: Exception) -> Fault:
        if isinstance(error, Fault):
            return error
        place = Place(drive=self.agent.drive)
        if isinstance(error, OSError):
            return DriveFault(error.strerror or str(error), place=place)
        return DriveFault(f"internal error ({type(error).__name__}: {error})", place=place)
