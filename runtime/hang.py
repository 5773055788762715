"""A drive that does not answer: a call into the kernel that never returns holds its thread, and nobody can end it.

The control asks each drive how long its present call has lasted. Beyond a limit the drive is *forsaken*: it leaves its
rings, the other copies go on, and the run ends without its thread. What it was writing may change under it from then
on, so that it never writes an index again, should it wake: what it did not confirm before is not stored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .faults import DriveFault, Fault, Place
from .model import CopyResult, Ending, ObjectFacts, Session

if TYPE_CHECKING:
    from .events import DrivePort

#: A drive that has not answered for so long hangs. An fsync of all that a machine's memory holds may take minutes.
HANG_SECONDS = 900.0

T = TypeVar("T")


class _Present(threading.local):
    """The watch that watches a thread's present call, or None."""

    watch: Watch | None = None


_present = _Present()


def reaching(position: int, volume: str | None = None) -> None:
    """From the thread that reads a medium: where on it (and on which, where that is another) it is about to read.

    All that it asked for before has been answered.
    """
    watch = _present.watch
    if watch is not None:
        watch.beat()
        watch.at = (volume or (watch.at[0] if watch.at is not None else None), position)


class Forsaken(Exception):
    """The drive woke after it was given up: its thread has nothing more to do, and nothing to tell."""


class Watch:
    """``with watch:`` around calls into the kernel; another thread can see how long one lasts, and give its thread up.

    Which of the two goes on is decided once, under a lock: the watched thread leaves the block, or :meth:`give_up`
    returns True and the block ends with :class:`Forsaken` whenever the call returns. One thread's use, not nested.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._forsaken = False
        #: the volume that the present call reads, and where on it, as far as it has said so (:func:`reaching`)
        self.at: tuple[str | None, int] | None = None

    def __enter__(self) -> None:
        _present.watch, self.at = self, None
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        _present.watch = None
        with self._lock:
            self._since = None
            if self._forsaken:
                raise Forsaken

    def beat(self) -> None:
        """From the watched thread: a part of the present call has been answered, and time counts from here."""
        with self._lock:
            if self._since is not None:
                self._since = time.monotonic()

    @property
    def forsaken(self) -> bool:
        """Whether it was given up; final."""
        return self._forsaken

    def lasts(self) -> float:
        """For how long the present call has lasted; 0 where there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def give_up(self, beyond_seconds: float) -> float | None:
        """Where the present call has lasted longer: forsake it, and return for how long; None otherwise."""
        with self._lock:
            since = self._since
            if self._forsaken or since is None or time.monotonic() - since <= beyond_seconds:
                return None
            self._forsaken = True
            return time.monotonic() - since


class Presence:
    """Since when this process has been there without a break: who was stopped himself cannot say that another hung.

    A signal (Ctrl-Z), a machine that was paused or so busy that nothing ran: the time of a break counts for nobody.
    *gap_seconds*: looks that lie further apart have a break between them.
    """

    def __init__(self, gap_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap_seconds = gap_seconds
        self._clock = clock
        self._looked: float | None = None
        self._back: float | None = None

    def look(self) -> float:
        """Say that we are there; for how many seconds we have been since the last break, endless without one."""
        now = self._clock()
        if self._looked is not None and now - self._looked > self._gap_seconds:
            self._back = now
        self._looked = now
        return float("inf") if self._back is None else now - self._back


class WatchedDrive:
    """A drive of which another thread can see for how long its present call has lasted; else the drive itself."""

    def __init__(self, drive: DrivePort) -> None:
        self._drive = drive
        self._since: float | None = None
        self._forsaken = False

    @property
    def forsaken(self) -> bool:
        """Whether it was given up; final."""
        return self._forsaken

    def forsake(self) -> None:
        """From the control's thread: whatever the present call says, nobody listens any more."""
        self._forsaken = True

    def stuck_seconds(self) -> float:
        """For how long the present call has lasted; 0 where there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _watched(self, call: Callable[[], T]) -> T:
        self._since = time.monotonic()
        try:
            return call()
        finally:
            self._since = None
            if self._forsaken:
                raise Forsaken

    def needing(self, call: Callable[[], T]) -> T:
        """*call*, which the drive cannot do without, and which may hang as the drive itself."""
        return self._watched(call)

    # ---------------------------------------------------------------- the drive; see DrivePort

    @property
    def written_bytes(self) -> int:
        """Bytes of records written."""
        return self._drive.written_bytes

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        """See :class:`~.events.DrivePort`."""
        return self._watched(lambda: self._drive.mount(session, agent=agent, plan_record=plan_record))

    def begin(self, facts: ObjectFacts) -> None:
        """See :class:`~.events.DrivePort`."""
        self._drive.begin(facts)  # touches no medium

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        """See :class:`~.events.DrivePort`."""
        self._since = time.monotonic()
        try:
            self._drive.write(record, object_id, sequence, payload_bytes)
        finally:
            self._since = None
            if self._forsaken:
                raise Forsaken

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        """See :class:`~.events.DrivePort`."""
        self._since = time.monotonic()
        try:
            self._drive.write_run(records, object_id, sequence, payload_bytes, count)
        finally:
            self._since = None
            if self._forsaken:
                raise Forsaken

    def end(self, object_id: str, ending: Ending) -> None:
        """See :class:`~.events.DrivePort`."""
        self._watched(lambda: self._drive.end(object_id, ending))

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        """See :class:`~.events.DrivePort`."""
        return self._watched(lambda: self._drive.close(seconds))

    def abandon(self, fault: Fault, seconds: float) -> tuple[CopyResult, ...]:
        """See :class:`~.events.DrivePort`."""
        return self._watched(lambda: self._drive.abandon(fault, seconds))


def answers(calls: Sequence[Callable[[], T]], seconds: float) -> list[T]:
    """What those of *calls* return that answer within *seconds*, each asked on a thread of its own; none may raise."""
    found: list[T] = []
    threads = [threading.Thread(target=lambda call=call: found.append(call()), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return list(found)


def hang_fault(drive: str, doing: str, seconds: float) -> DriveFault:
    """What a forsaken drive's fault says; *doing*: its state."""
    return DriveFault(
        f"it has not answered for {round(seconds)} s while it was {doing}: it hangs",
        place=Place(drive=drive),
        safe="all other copies, and what earlier sessions stored on it; of this session nothing on it is counted",
        todo="look at the device, its cable and the kernel's log",
    )


def hanging_medium(
    drive: str, seconds: float, at: tuple[str | None, int] | None = None, *, folder: Path | None = None
) -> DriveFault:
    """What is told of a drive that hangs while it is read, *at* this place; *folder*: where nobody knows the drive."""
    what = "it" if folder is None or drive else f"the folder {folder}"
    return DriveFault(
        f"{what} has not answered for {round(seconds)} s while it was read: it hangs",
        place=_place(drive, at),
        safe="the volumes that are read are never written; what was copied whole before stays stored",
        todo="look at the device, its cable and the kernel's log; where something lacks in the end, do it again when"
        " the drive answers, or from another drive",
    )


def unanswered(drive: str, seconds: float, at: tuple[str | None, int] | None, folder: Path) -> DriveFault:
    """What is told of a drive that had not answered yet when nobody wanted its answer any more."""
    what = "it" if drive else f"the folder {folder}"
    return DriveFault(f"{what} had not answered for {seconds:.1f} s", place=_place(drive, at))


def _place(drive: str, at: tuple[str | None, int] | None) -> Place:
    volume, position = at or (None, None)
    return Place(drive=drive or None, volume=volume, position=position)
