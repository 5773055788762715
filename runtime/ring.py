"""Rings: buffer memories with one writer, many readers, whole records, fixed memory and backpressure.

A ring is ``depth`` slots of ``record`` bytes in one anonymous mapping, made before the run starts and never
enlarged. It carries the records of one object, or of many, one after another or among each other: each slot says of
which object its record is, and the endings of objects travel in their order with the records. The *writer* (the thread
that reads a source or a medium) fills slots in order; each *reader* (a drive's writer thread, a target's) takes every
record at its own pace; a slot is free again when the slowest reader that has not left has passed it.

Ownership
    A slot belongs to the writer from :meth:`Ring.claim` to :meth:`Ring.publish`, then to all readers alike, which only
    read it, until each has called :meth:`RingReader.release` for it or has left. A view that :meth:`RingReader.peek`
    returned must not be kept beyond ``release``. ``published`` and ``_claimed`` are written by the writer's thread
    only, ``RingReader.taken`` by its reader's only. They are plain integers that everyone reads without a lock: the
    interpreter's lock gives all threads one order of loads and stores.

Sleeping
    A thread that has nothing to do sleeps on a :class:`Doorbell`: its own, whatever number of rings it waits for. It
    *arms* the bell before it looks for the last time; whoever changes a counter looks at ``armed`` afterwards.
    Either the sleeper sees the change or the other sees the armed bell, so that no wake-up is lost. A writer that
    found the ring full is woken only when a good part of it is free (:attr:`Ring.enough`), which saves most context
    switches. A reader that sleeps *patiently* is woken only when as many records wait for it, or by the object's end;
    it must not sleep so for long, since a slow source may take hours to fill that much.

Lock order
    ``Ring._lock`` (attach, leave, end) before ``Doorbell._guard``; nothing is called while a guard is held.
    ``publish``, ``peek``, ``release`` and a ``claim`` that need not wait take no lock at all.

Life cycle
    created → readers attach → the writer claims and publishes, and finishes each object with its
    :class:`~.model.Ending`; readers peek and release, and see the endings → the writer ends the ring exactly once →
    readers drain it and leave → closed, when no thread uses it any more. An object begins with its first record, or
    with its ending when it has none. A reader may leave at any time (its drive failed): its slots are free at once.
    When no *essential* reader is left the ring is *abandoned*: ``claim`` returns None, and the writer has only to
    finish and to end. ``cancel`` has the same effect, from any thread; what is published by then is still drained.
"""

from __future__ import annotations

import mmap
import threading
from typing import Final

from .model import Ending, ObjectFacts, Session

#: A run of records is at most this large: longer ones gain nothing, and a drive that is slow must be heard of.
RUN_BYTES: Final = 4 * 1024 * 1024

#: So much is worth a context switch; of a ring that holds less than twice as much, half of it. In a deeper ring a
#: quarter is: whoever sleeps for more of it leaves a core idle while the others catch up (docs/performance.md).
WAKE_BYTES: Final = 2 * 1024 * 1024


class Doorbell:
    """Where one thread sleeps until another has news. Arm, look again, then either wait or disarm."""

    __slots__ = ("_guard", "_sleep", "armed", "patient")

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._sleep = threading.Lock()  # released exactly once for each armed bell that was rung
        self._sleep.acquire()
        self.armed = False
        self.patient = False

    def arm(self, *, patient: bool = False) -> None:
        """Say "I am about to sleep". Only the bell's own thread arms it; it must look again afterwards."""
        with self._guard:
            self.patient = patient
            self.armed = True

    def disarm(self) -> None:
        """Take :meth:`arm` back: there is news already."""
        with self._guard:
            if self.armed:
                self.armed = False
                return
        self._sleep.acquire()  # it was rung meanwhile: use that up, so that the next wait really waits

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Block until the armed bell is rung; False when the time has run out (the bell is disarmed then)."""
        if self._sleep.acquire(timeout=-1 if timeout_seconds is None else timeout_seconds):
            return True
        self.disarm()
        return False

    def ring(self) -> None:
        """Wake the thread that armed the bell, if one did. Never blocks."""
        with self._guard:
            if self.armed:
                self.armed = False
                self._sleep.release()


#: Stands in slots that were never published.
_NOTHING = ObjectFacts("", "", "stream", Session("", 0, "", "", ""))


class RingReader:
    """One reader's position in a ring. All methods but :attr:`taken` belong to the reader's own thread."""

    __slots__ = ("_ring", "_seen", "bell", "essential", "left", "taken")

    def __init__(self, ring: Ring, bell: Doorbell, essential: bool) -> None:
        self._ring = ring
        self.bell = bell
        self.essential = essential
        self.left = False
        self.taken = 0
        self._seen = 0

    @property
    def available(self) -> int:
        """Records that are published and not yet taken."""
        return self._ring.published - self.taken

    def worth_waking(self, *, patient: bool) -> bool:
        """Whether there is enough to do: :attr:`Ring.enough` for a *patient* reader, else one; or an ending."""
        ring = self._ring
        return (
            ring.published - self.taken >= (ring.enough if patient else 1)
            or self._seen < len(ring.endings)
            or ring.ended
        )

    def ended(self) -> tuple[ObjectFacts, Ending] | None:
        """The next object whose ending is due: all records before it are taken. Each is returned once."""
        endings = self._ring.endings
        if self._seen < len(endings):
            position, item, ending = endings[self._seen]
            if position <= self.taken:
                self._seen += 1
                return item, ending
        return None

    @property
    def over(self) -> bool:
        """Whether nothing will come any more: the ring has ended, its records are taken, its endings seen."""
        ring = self._ring
        # `ended` is looked at first: neither record nor ending follows it.
        return ring.ended and self.taken == ring.published and self._seen == len(ring.endings)

    def peek(self) -> tuple[memoryview, ObjectFacts, int, int]:
        """The oldest record that is not taken: its bytes, object, sequence, payload's size. Needs ``available``."""
        ring = self._ring
        slot = self.taken % ring.depth
        return ring.slots[slot][: ring.totals[slot]], ring.items[slot], ring.sequences[slot], ring.payloads[slot]

    def run(self) -> int:
        """How many records from the oldest on are one run, ``longest_run`` at most; needs ``available``.

        A run is full records of one object with as much payload each, in sequence, behind one another in memory, and no
        object ends within it. What ends sooner is a run of one.
        """
        ring = self._ring
        first = self.taken % ring.depth
        most = min(ring.published - self.taken, ring.longest_run, ring.depth - first)
        if self._seen < len(ring.endings):
            most = min(most, ring.endings[self._seen][0] - self.taken)
        count = 1
        if ring.totals[first] == ring.record_bytes:
            item, payload_bytes, sequence = ring.items[first], ring.payloads[first], ring.sequences[first]
            while (
                count < most
                and ring.items[first + count] is item
                and ring.totals[first + count] == ring.record_bytes
                and ring.payloads[first + count] == payload_bytes
                and ring.sequences[first + count] == sequence + count
            ):
                count += 1
        return count

    def peek_run(self, count: int) -> memoryview:
        """The bytes of the *count* oldest records, as many as :meth:`run` says."""
        ring = self._ring
        start = self.taken % ring.depth * ring.record_bytes
        return ring.whole[start : start + count * ring.record_bytes]

    def release(self, count: int = 1) -> None:
        """Done with the *count* oldest records: wake the writer if it sleeps and enough of the ring is free."""
        self.taken += count
        ring = self._ring
        if ring.space.armed and ring.free >= ring.enough:
            ring.space.ring()

    def leave(self) -> None:
        """Leave the ring; what this reader had not taken is free as far as it is concerned. Idempotent."""
        self._ring.remove(self)


class Ring:
    """``depth`` slots of ``record_bytes``; see the module's description.

    ``published`` counts records since the start. ``endings``: objects that ended, each with the count of records
    published before.
    """

    def __init__(self, depth: int, record_bytes: int) -> None:
        if depth < 2:
            raise ValueError("a ring needs two slots: the writer holds the last record back while it fills the next")
        self.depth = depth
        self.record_bytes = record_bytes
        #: free slots at which a sleeping writer is woken, and waiting records at which a patient reader is: a quarter
        #: of the ring or WAKE_BYTES, never more than half; at most depth - 1, since one may be held back
        self.enough = max(1, depth // 4, min(depth // 2, WAKE_BYTES // record_bytes))
        self.longest_run = max(1, min(self.enough, RUN_BYTES // record_bytes))
        self._memory = mmap.mmap(-1, depth * record_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.whole = memoryview(self._memory)
        self.slots = [self.whole[i * record_bytes : (i + 1) * record_bytes] for i in range(depth)]
        self.totals = [0] * depth
        self.payloads = [0] * depth
        self.sequences = [0] * depth
        self.items: list[ObjectFacts] = [_NOTHING] * depth
        self.published = 0
        self.endings: list[tuple[int, ObjectFacts, Ending]] = []
        self.ended = False
        self.space = Doorbell()
        self._claimed = 0
        self._cancelled = False
        self._lock = threading.Lock()
        self._readers: tuple[RingReader, ...] = ()  # replaced as a whole, never changed

    # ---------------------------------------------------------------- any thread

    @property
    def free(self) -> int:
        """Slots that the writer may still claim (``depth`` when nobody reads)."""
        readers = self._readers
        if not readers:
            return self.depth
        return self.depth - (self._claimed - min([reader.taken for reader in readers]))

    @property
    def fill(self) -> int:
        """Published records that the slowest reader has not taken, 0…depth: what a progress display shows."""
        readers = self._readers
        return max(0, self.published - min([reader.taken for reader in readers])) if readers else 0

    @property
    def abandoned(self) -> bool:
        """No essential reader is left: it makes no sense to read the source any further."""
        return not any(reader.essential for reader in self._readers)

    def cancel(self) -> None:
        """Make ``claim`` return None from now on. What is published is still drained."""
        self._cancelled = True
        self.space.ring()

    def attach(self, bell: Doorbell, *, essential: bool = True) -> RingReader:
        """A new reader that sleeps on *bell*; before the first record is published.

        A ring with only readers that are not *essential* (drives that discard) is abandoned.
        """
        with self._lock:
            if self.published or self.endings or self.ended:
                raise RuntimeError("a reader attaches before the first record is published")
            reader = RingReader(self, bell, essential)
            self._readers = (*self._readers, reader)
        return reader

    def remove(self, reader: RingReader) -> None:
        """See :meth:`RingReader.leave`."""
        with self._lock:
            if reader.left:
                return
            reader.left = True
            self._readers = tuple(other for other in self._readers if other is not reader)
        self.space.ring()

    # ---------------------------------------------------------------- the writer's thread

    def claim(self) -> memoryview | None:
        """The next slot, empty; blocks while the ring is full. None when the ring is cancelled or abandoned."""
        while not (self._cancelled or self.abandoned):
            if self.free > 0:
                slot = self.slots[self._claimed % self.depth]
                self._claimed += 1
                return slot
            self.space.arm()
            if self._cancelled or self.abandoned or self.free >= self.enough:
                self.space.disarm()
            else:
                self.space.wait()
        return None

    def renew(self) -> memoryview:
        """Other memory for the oldest claimed slot: what it had a call that hangs may still write to, for ever.

        From then on no record is part of a run: slots do not all lie behind one another. Raises OSError.
        """
        if self.published >= self._claimed:
            raise RuntimeError("only a claimed slot can be renewed")
        slot = memoryview(mmap.mmap(-1, self.record_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        # Before the slot is published: who counts it into a run reads this afterwards (see RingReader.run).
        self.longest_run = 1
        self.slots[self.published % self.depth] = slot
        return slot

    def publish(self, item: ObjectFacts, sequence: int, total_bytes: int, payload_bytes: int) -> None:
        """Give the oldest claimed slot, which holds record *sequence* of *item*, to the readers."""
        if self.published >= self._claimed:
            raise RuntimeError("only a claimed slot can be published")
        slot = self.published % self.depth
        self.totals[slot] = total_bytes
        self.payloads[slot] = payload_bytes
        self.sequences[slot] = sequence
        self.items[slot] = item
        self.published += 1
        for reader in self._readers:
            bell = reader.bell
            if bell.armed and (not bell.patient or self.published - reader.taken >= self.enough):
                bell.ring()

    def finish(self, item: ObjectFacts, ending: Ending) -> None:
        """No record of *item* follows. Once for each object that began; the object may have had no record."""
        self.endings.append((self.published, item, ending))
        self._ring_all()

    def end(self) -> None:
        """Nothing follows. Slots that are claimed but not published are dropped. Exactly once."""
        with self._lock:
            if self.ended:
                raise RuntimeError("a ring ends once")
            self.ended = True
        self._ring_all()

    def _ring_all(self) -> None:
        for reader in self._readers:
            reader.bell.ring()

    # ---------------------------------------------------------------- after all threads

    def close(self) -> None:
        """Give the memory back. No thread may use the ring any more; a view that somebody kept delays it."""
        for slot in (*self.slots, self.whole):
            slot.release()
        try:
            self._memory.close()
        except BufferError:  # a slice of a slot is still held: the mapping goes with it
            pass
