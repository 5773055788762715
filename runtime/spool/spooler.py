"""Spoolers: one thread an agent with ``spool`` that empties the agent's rings, however far its drive is behind.

It takes every record that comes. What the drive can take at once goes straight into a small ring of the agent's own,
from which the drive's writer takes; what it cannot waits in the spool's file, and goes the same way later, in its
order: for ``interleave`` the order in which it came; for ``object`` one whole object after another, the agent's buffers
in the order of their declaration. So nobody waits for this drive. A spool that is full, or that fails, is a fault of
the drive: its rings are left at once. So is one whose file does not answer: the control gives its thread up.

A ring is emptied into the spool when a good part of it (``Ring.enough``) waits, or an object ends; before that a drive
that is nearly fast enough may still take it without the disk. The thread sleeps on one bell, which the rings ring for
news and the agent's own ring for room.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue

from ..events import Event, SpoolDone
from ..faults import DriveFault, Fault, Place, unforeseen
from ..hang import Forsaken, Watch
from ..kinds import Order
from ..model import Ending, ObjectFacts
from ..ring import Doorbell, Ring, RingReader
from .lane import Lane
from .room import OWN_DEPTH
from .store import SpoolFile


@dataclass(slots=True, eq=False)
class _Feed:
    """One buffer: its reader, what is passed over, and in object order its objects that wait, the first one first."""

    reader: RingReader
    without: frozenset[str]
    lanes: dict[str, Lane] = field(default_factory=dict)


class Spooler:
    """Between an agent's rings and its drive's writer. ``ring`` is what the writer takes from.

    Life: constructed → attached to the rings → started → every ring has ended and all is handed on → ``ring`` ends.
    ``fault`` is set before ``ring`` ends when the spool failed. :meth:`cut` has what waits forgotten. ``watch`` is
    around every call into its file, by which the control sees that one hangs; :meth:`forsake` then ends the spool.
    """

    def __init__(
        self, drive: str, file: SpoolFile, record_bytes: int, order: Order, events: SimpleQueue[Event]
    ) -> None:
        # A thread that hangs in the kernel must not hold the end of the process, too.
        self.thread = threading.Thread(target=self._run, name=f"spool of {drive}", daemon=True)
        self.watch = Watch()
        self.ring = Ring(OWN_DEPTH, record_bytes)
        self.fault: Fault | None = None
        self.file = file
        self._drive = drive
        self._events = events
        self._by_object = order == "object"
        self._bell = Doorbell()
        self.ring.space = self._bell
        self._feeds: list[_Feed] = []
        self._open: list[_Feed] = []
        self._lane = Lane()
        self._why_cut: str | None = None
        self._is_cut = False
        self._begun: set[str] = set()
        self._dead: set[str] = set()

    def attach(self, ring: Ring, *, essential: bool, without: frozenset[str] = frozenset()) -> None:
        """One more buffer, in the order of their declaration; before any record is published."""
        self._feeds.append(_Feed(ring.attach(self._bell, essential=essential), without))

    def cut(self, reason: str) -> None:
        """From any thread: forget what waits. Its objects are cut off on this drive."""
        self._why_cut = self._why_cut or reason
        self._bell.ring()

    def forsake(self, lasted_seconds: float) -> None:
        """From the control's thread, when :attr:`watch` was given up: end the spool without its thread, which hangs.

        That may still read a ring's memory, and write to that of :attr:`ring`: both must stay.
        """
        if not self.ring.ended:  # else the drive has all of it
            self.fault = self.file.hanging(lasted_seconds)
            self.leave()

    def leave(self) -> None:
        """Instead of starting the thread, or of its end."""
        for feed in self._feeds:
            feed.reader.leave()
        self.ring.end()

    def close(self) -> None:
        """Give file and memory back; the thread has ended, or was never started."""
        self.file.close()
        self.ring.close()

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            self._work()
        except Forsaken:
            self.file.close()  # it woke after all
            return
        except Fault as fault:
            self.fault = fault
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the drive's writer must hear of it
            self.fault = DriveFault(f"its spool: {unforeseen(error)}", place=Place(drive=self._drive))
        for feed in self._feeds:
            feed.reader.leave()
        self.ring.end()
        try:
            with self.watch:
                self.file.close()
        except Forsaken:
            return
        self._events.put(SpoolDone(self._drive))

    def _work(self) -> None:
        self._open = list(self._feeds)
        while not self.ring.abandoned:
            if self._why_cut is not None and not self._is_cut:
                self._forget()
            moved = self._hand_on()
            patient = not self._can_pass()
            for feed in tuple(self._open):
                if feed.reader.worth_waking(patient=patient):
                    self._empty(feed)
                    moved = True
            if not self._open and not self._waiting():
                return
            if not moved:
                self._sleep()

    def _sleep(self) -> None:
        patient = not self._can_pass()
        self._bell.arm(patient=patient)
        if (
            self.ring.abandoned
            or (self._why_cut is not None and not self._is_cut)
            or any(feed.reader.worth_waking(patient=patient) for feed in self._open)
            or self._next_lane_moves()
            or patient != (not self._can_pass())
        ):
            self._bell.disarm()
        else:
            self._bell.wait()

    # ---------------------------------------------------------------- lanes

    def _current(self) -> Lane | None:
        """Whose turn it is at the drive. In object order: the first buffer that is not done, its first object."""
        if not self._by_object:
            return self._lane
        for feed in self._feeds:
            for lane in feed.lanes.values():
                if len(lane) or not feed.reader.left:
                    return lane
            if not feed.reader.left:
                return None
        return None

    def _can_pass(self) -> bool:
        """Whether a record whose turn it is could go straight to the drive's writer."""
        return self.ring.free > 0 and not self._next_lane_moves()

    def _next_lane_moves(self) -> bool:
        lane = self._current()
        return lane is not None and len(lane) > 0 and self.ring.free > 0

    def _waiting(self) -> bool:
        return len(self._lane) > 0 or any(len(lane) for feed in self._feeds for lane in feed.lanes.values())

    def _hand_on(self) -> bool:
        """Move what waited and has its turn to the writer, as far as there is room; whether anything moved.

        No more than the writer's ring holds at a time: the agent's rings must not wait for it.
        """
        moved = False
        for _ in range(OWN_DEPTH):
            if not self._next_lane_moves():
                break
            lane = self._current()
            assert lane is not None
            one = lane.take()
            moved = True
            if one.ending is not None:
                self._pass_ending(one.item, one.ending)
                continue
            slot = self.ring.claim()
            if slot is None:
                return moved
            with self.watch:
                self.file.take(one.place, slot[: one.total_bytes])
            self._begun.add(one.item.id)
            self.ring.publish(one.item, one.sequence, one.total_bytes, one.payload_bytes)
        return moved

    def _pass_ending(self, item: ObjectFacts, ending: Ending) -> None:
        self.ring.finish(item, ending)
        for feed in self._feeds:
            if item.id in feed.lanes:
                del feed.lanes[item.id]
                return

    # ---------------------------------------------------------------- what comes

    def _empty(self, feed: _Feed) -> None:
        """Take all that is there of one buffer: straight to the writer where that is right, else into the spool."""
        reader = feed.reader
        while True:
            # Looked at before the endings: those that belong before a record are there when it is.
            available = reader.available
            while (ended := reader.ended()) is not None:
                self._end(feed, *ended)
            if not available or self.ring.abandoned:  # a drive that left: what comes as fast as it is taken never ends
                break
            record, item, sequence, payload_bytes = reader.peek()
            try:
                if item.id not in feed.without and item.id not in self._dead:
                    self._take(feed, item, record, sequence, payload_bytes)
            finally:
                record.release()
            reader.release()
        if reader.over:
            reader.leave()
            self._open.remove(feed)

    def _lane_of(self, feed: _Feed, item: ObjectFacts) -> tuple[Lane, bool]:
        """Where a record of *item* goes, and whether it is that lane's turn."""
        if not self._by_object:
            return self._lane, True
        lane = feed.lanes.get(item.id)
        if lane is None:
            lane = feed.lanes[item.id] = Lane()
        return lane, self._current() is lane

    def _take(self, feed: _Feed, item: ObjectFacts, record: memoryview, sequence: int, payload_bytes: int) -> None:
        lane, turn = self._lane_of(feed, item)
        if turn and not len(lane) and self.ring.free > 0:
            slot = self.ring.claim()
            if slot is None:
                return
            slot[: len(record)] = record
            self._begun.add(item.id)
            self.ring.publish(item, sequence, len(record), payload_bytes)
        else:
            with self.watch:
                place = self.file.put(record)
            lane.put(item, place, sequence, len(record), payload_bytes)

    def _end(self, feed: _Feed, item: ObjectFacts, ending: Ending) -> None:
        if item.id in feed.without or item.id in self._dead:
            return
        lane, turn = self._lane_of(feed, item)
        if turn and not len(lane):
            self._pass_ending(item, ending)
        else:
            lane.end(item, ending)

    # ---------------------------------------------------------------- when the run is stopped

    def _forget(self) -> None:
        """Drop what waits. An object that the drive has begun is cut off there; of the others it never hears."""
        self._is_cut = True
        for lane in [self._lane, *(lane for feed in self._feeds for lane in feed.lanes.values())]:
            while len(lane):
                one = lane.take()
                if one.ending is None:
                    with self.watch:
                        self.file.drop(one.place)
                elif one.item.id not in self._dead:
                    self.ring.finish(one.item, one.ending)  # all its records are with the writer already
                    continue
                if one.item.id not in self._dead:
                    self._dead.add(one.item.id)
                    if one.item.id in self._begun:
                        self.ring.finish(one.item, Ending("cut-off", error=self._why_cut))
        for feed in self._feeds:
            feed.lanes = {key: lane for key, lane in feed.lanes.items() if key in self._begun - self._dead}
