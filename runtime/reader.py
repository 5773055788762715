"""Source readers: one thread a source that turns bytes into records, straight in the ring.

The payload is read into the slot behind the room for the label; then the record is sealed in place. The last record
must say ``last=1``, and only once the source has ended well: so a record is held back until there is a byte behind
it or the source has ended. A source that fails or is cut off never gets a last record; what was held back is
published as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from .events import Event, SourceDone, SourceSample, SourceState
from .faults import Fault, unforeseen
from .media.record import HEADER_BYTES, seal
from .model import Ending, ObjectFacts
from .ring import Ring
from .sources.base import Called, Cancel, ReadableSource

#: ``open`` of a reader: begins to read the source, raises a SourceFault.
Opener = Callable[[Cancel], ReadableSource]


class SourceReader:
    """Reads one source into one ring. Its counters may be read at any time by any thread.

    ``bytes`` are payload bytes published, ``records`` records published; ``ending`` is set when the thread is done.
    """

    def __init__(self, facts: ObjectFacts, ring: Ring, opener: Opener, events: SimpleQueue[Event]) -> None:
        # A thread that hangs in the kernel must not hold the end of the process, too.
        self.thread = threading.Thread(target=self._run, name=f"source {facts.source}", daemon=True)
        self.facts = facts
        self.ring = ring
        self.bytes = 0
        self.records = 0
        self.taken = 0  # bytes that the source has given
        self.size: int | None = None
        self.state: SourceState = "waiting"
        self.ending: Ending | None = None
        self._open = opener
        self._events = events
        self._cancel = Cancel()
        self._called = False
        self._outside = False  # with the source itself: opening, reading, ending, closing it
        self._ours: bool | None = None  # whether its thread ends the ring, once that has to be settled
        self._settling = threading.Lock()
        self._held: tuple[memoryview, int] | None = None

    @property
    def name(self) -> str:
        """How notes call it."""
        return f"source {self.facts.source}"

    @property
    def abandoned(self) -> bool:
        """No drive that stores is left on its ring."""
        return self.ring.abandoned

    def samples(self) -> tuple[SourceSample, ...]:
        """How it stands."""
        return (SourceSample(self.facts.source, self.bytes, self.records, self.size, self.state),)

    def prepare(self) -> None:
        """A source is opened by its own thread."""

    def cancel(self, reason: str) -> None:
        """Call the source off, from any thread: it stops at once, its object is cut off. What is published stays."""
        self._called = True
        self._cancel.set(reason)
        self.ring.cancel()

    @property
    def forsaken(self) -> bool:
        """Its thread hangs in the kernel, and may still write to the ring's memory."""
        return self._ours is False

    @property
    def waits(self) -> bool:
        """Whether its thread waits for the source itself: to open, to give bytes, to end."""
        return self._outside and self.ending is None

    def forsake(self) -> None:
        """From the control's thread, long after :meth:`cancel`: end the object without its thread, which hangs.

        Nothing happens where the thread is about to end by itself. What is published stays.
        """
        with self._settling:
            if not self._called or not self._outside or self._ours is not None:
                return
            self._ours = False
        ending = self._called_off()
        self._end(Ending("cut-off", error=f"{ending.error}; what reads it hangs, and was left"))

    def skip(self, ending: Ending) -> None:
        """Instead of starting the thread: the source is not read at all, and no drive hears of its object."""
        self.ending = ending
        self.state = ending.status
        self.ring.end()

    def close(self) -> None:
        """After the thread's end (or instead of its start): give descriptors back."""
        self._cancel.close()

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        """Read to the end; whatever happens, the ring ends and the control is told."""
        self.state = "reading"
        try:
            ending = self._read()
        except Called:
            ending = self._called_off()
        except Fault as fault:
            ending = Ending("failed", error=fault.message)
        except OSError as error:
            ending = Ending("failed", error=f"reading failed: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the run must hear of it and end
            ending = Ending("failed", error=unforeseen(error))
        if not self._settle():
            return
        if ending.status != "whole" and self._held is not None:
            self._publish(last=False)
        self._end(ending)

    def _settle(self) -> bool:
        """Whether the ring's end is this thread's: not where it was forsaken."""
        with self._settling:
            if self._ours is None:
                self._ours = True
            return self._ours

    def _end(self, ending: Ending) -> None:
        self.ring.finish(self.facts, ending)
        self.ring.end()
        self.state = ending.status
        self.ending = ending
        self._events.put(SourceDone(self.facts.source, ending))

    def _read(self) -> Ending:
        self._outside = True
        source = self._open(self._cancel)
        try:
            self._inside()
            self.size = source.size
            return self._copy(source)
        finally:
            self._outside = True
            source.close()

    def _inside(self) -> None:
        """Back from the source: nobody takes the ring from this thread now. Raises Called where somebody has."""
        self._outside = False
        if self._called:
            with self._settling:
                if self._ours is False:
                    raise Called

    def _copy(self, source: ReadableSource) -> Ending:
        room = self.ring.record_bytes - HEADER_BYTES
        while True:
            slot = self.ring.claim()
            if slot is None:
                raise Called
            count = self._fill(source.read, slot)
            if count == room:
                self._held = (slot, count)
                continue
            self._outside = True
            ending = source.finish()
            self._inside()
            if ending.status == "whole":
                if count or self._held is None:
                    self._held = (slot, count)
                self._publish(last=True)
            return ending

    def _fill(self, read: Callable[[memoryview], int], slot: memoryview) -> int:
        """Read until the slot is full or the source ends; publish the record held back at the first byte behind it."""
        count = 0
        view = slot[HEADER_BYTES:]
        while len(view):
            self._outside = True
            got = read(view)
            self._inside()
            if got == 0:
                break
            self.taken += got
            if self._held is not None:
                self._publish(last=False)
            count += got
            view = view[got:]
        return count

    def _publish(self, *, last: bool) -> None:
        assert self._held is not None
        slot, count = self._held
        self._held = None
        total = seal(slot, self.facts, self.records, count, last=last)
        self.ring.publish(self.facts, self.records, total, count)
        self.records += 1
        self.bytes += count

    def _called_off(self) -> Ending:
        reason = self._cancel.reason
        return Ending("cut-off", error=reason or "no drive is left that stores it")
