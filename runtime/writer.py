"""Drive writers: one thread a drive that takes records from its rings and writes them as they are.

Everything that a drive does, it does on this thread: mounting, writing, indexes, the final fsync. A fault of the drive
makes the writer leave its rings at once, so that every other copy goes on.
"""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from .events import DriveFailed, DrivePort, DriveState, Event, Mounted, WriterDone
from .faults import DriveFault, Fault, Place, unforeseen
from .hang import Forsaken, WatchedDrive, hang_fault
from .kinds import Order
from .model import CopyResult, Session
from .plan import Agent
from .ring import Ring
from .taking import Taking

if TYPE_CHECKING:
    from .spool.spooler import Spooler


class DriveWriter:
    """Writes one drive from its agent's buffers.

    Life: constructed → attached to its rings → its thread is started: mounts → waits for :meth:`go` → writes until
    every ring has ended → closes → posts ``WriterDone``.
    """

    def __init__(
        self,
        agent: Agent,
        drive: DrivePort,
        events: SimpleQueue[Event],
        *,
        session: Session,
        record_bytes: int,
        started: float,
    ) -> None:
        # A thread that hangs in the kernel must not hold the end of the process, too.
        self.thread = threading.Thread(target=self._run, name=f"drive {agent.drive}", daemon=True)
        self.agent = agent
        self.drive = WatchedDrive(drive)
        self.state: DriveState = "mounting"
        self.fault: Fault | None = None
        self._order: Order = agent.order
        self._spool: Spooler | None = None
        self._spool_ready = False
        self._taking = Taking(self.drive)
        self._events = events
        self._session = session
        self._record_bytes = record_bytes
        self._started = started
        self._gate = threading.Event()

    def attach(self, ring: Ring, *, essential: bool, without: frozenset[str] = frozenset()) -> None:
        """One more buffer, in the order of their declaration. Objects in *without* (identifiers) are passed over."""
        self._taking.attach(ring, essential=essential, without=without)

    def attach_spool(self, spool: Spooler) -> None:
        """Take from *spool*, which takes from the agent's buffers and knows their order."""
        self._spool = spool
        self._order = "interleave"
        self._taking.attach(spool.ring, essential=True)

    def forsake(self, stuck_seconds: float) -> Fault:
        """From the control's thread: the drive hangs. Its thread is not waited for any more. Returns what to tell."""
        self.drive.forsake()
        if self._spool is not None and not self._spool_ready:
            self.fault = self._spool.file.hanging(stuck_seconds)
        else:
            doing = "giving up" if self.state == "failed" else self.state
            self.fault = hang_fault(self.agent.drive, doing, stuck_seconds)
        self.state = "failed"
        self._taking.leave()
        return self.fault

    def go(self) -> None:
        """All drives are mounted or have failed: write what comes."""
        self._gate.set()

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        """Mount, write, close; whatever happens, the rings are left and the control is told."""
        results: tuple[CopyResult, ...] = ()
        try:
            if self._spool is not None:
                self.drive.needing(self._spool.file.check)
                self._spool_ready = True
            notes = self.drive.mount(self._session, agent=self.agent.name, plan_record=self._record_bytes)
            self.state = "writing"
            self._events.put(Mounted(self.agent.drive, tuple(notes)))
            self._gate.wait()
            self._taking.take_all(self._order)
            if self._spool is not None and self._spool.fault is not None:
                raise self._spool.fault
            self.state = "closing"
            results = self.drive.close(self._seconds)
            self.state = "done"
        except Forsaken:
            return
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the run must hear of it and go on
            results = self._fail(self._fault_of(error))
        self._taking.leave()
        self._events.put(WriterDone(self.agent.drive, results))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    # ---------------------------------------------------------------- faults

    def _fail(self, fault: Fault) -> tuple[CopyResult, ...]:
        """Leave the rings before anything else: nobody waits for a drive that has failed."""
        self.fault = fault
        self.state = "failed"
        self._taking.leave()
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
            return DriveFault(
                f"its folder cannot be used: {error.strerror or error}",
                place=place,
                safe="all sessions before this one, and what the report calls stored",
                todo="check the disk and the permissions of the drive's folder",
            )
        return DriveFault(unforeseen(error), place=place)
