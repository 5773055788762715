"""Taking records from rings: the loop that a drive's writer and a target share, on the thread that owns it.

A feed is one buffer: a reader of a ring, and which objects of that ring are passed over. Objects begin with their first
record; what comes is handed to a :class:`Consumer` in the order in which the ring brings it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from .kinds import Order
from .model import Ending, ObjectFacts
from .ring import Doorbell, Ring, RingReader

#: How long a drive's thread waits for a good part of a ring (``Ring.enough``) before one record is enough to wake it.
#: To wake a thread costs its waker tens of microseconds, as much as all of a record's Python (docs/performance.md).
PATIENCE_SECONDS: Final = 0.01

#: Turns of the buffers that have records before the others are looked at again.
TURNS: Final = 8


class Consumer(Protocol):
    """Who takes records. All methods are called on one thread; what they raise ends the taking."""

    def begin(self, facts: ObjectFacts) -> None:
        """Records of this object will come, or its end."""

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        """One whole record. The view is valid only during the call."""

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        """*count* records in sequence, as large as each other, each with *payload_bytes*, behind one another."""

    def end(self, object_id: str, ending: Ending) -> None:
        """No record of that object follows."""


@dataclass(slots=True, eq=False)
class Feed:
    """One buffer. ``without``: objects (identifiers) that are passed over; ``item``: the last record's object."""

    reader: RingReader
    without: frozenset[str] = frozenset()
    item: ObjectFacts | None = None
    wanted: bool = False


class Taking:
    """The feeds of one thread and the bell that it sleeps on."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._bell = Doorbell()
        self._feeds: list[Feed] = []
        self._begun: set[str] = set()

    def attach(self, ring: Ring, *, essential: bool, without: frozenset[str] = frozenset()) -> None:
        """One more buffer, in the order of their declaration; before any record is published."""
        self._feeds.append(Feed(ring.attach(self._bell, essential=essential), without))

    def leave(self) -> None:
        """Leave all rings at once, from the thread that takes. Idempotent."""
        for feed in self._feeds:
            feed.reader.leave()

    def take_all(self, order: Order) -> None:
        """Take what comes until every ring has ended; blocks. With *order* ``object`` one buffer after another."""
        if order == "object":
            for feed in self._feeds:
                self._drain([feed])
        else:
            self._drain(list(self._feeds))

    def _drain(self, feeds: list[Feed]) -> None:
        """Take records from *feeds*, one from each in turn, until all of them are over.

        Those that have nothing are looked at again only after some turns of the others: of many buffers most may be
        idle, and to look at each of them for each record of another one would cost more than all the rest.
        """
        while feeds:
            ready = [feed for feed in feeds if feed.reader.worth_waking(patient=False)]
            if not ready:
                self._sleep(feeds)
                continue
            # Several buffers take turns record by record; a single one hands over what there is at once.
            alone = len(feeds) == 1
            turns = 0
            while ready and (alone or turns < TURNS):
                ready = [feed for feed in ready if self._turn(feed, alone=alone)]
                turns += 1
            feeds = [feed for feed in feeds if not feed.reader.left]

    def _turn(self, feed: Feed, *, alone: bool) -> bool:
        """One record of a buffer (*alone*: a run of them) and the endings before it; whether it may have more."""
        reader = feed.reader
        moved = False
        # Looked at first: the endings before a record are there when it is, and those of one that comes now are not.
        available = reader.available
        while (ended := reader.ended()) is not None:
            self._end(feed, *ended)
            moved = True
        if available:
            count = reader.run() if alone else 1
            if count > 1:
                self._take_run(feed, count)
            else:
                self._take(feed)
            return True
        if reader.over:
            reader.leave()
            return False
        return moved

    def _sleep(self, feeds: list[Feed]) -> None:
        """Block until there is a record or an ending: a moment for a good part of a ring, then for any record."""
        bell = self._bell
        for patient, seconds in ((True, PATIENCE_SECONDS), (False, None)):
            bell.arm(patient=patient)
            if any(feed.reader.worth_waking(patient=patient) for feed in feeds):
                bell.disarm()
                return
            if bell.wait(seconds):
                return

    def _take(self, feed: Feed) -> None:
        record, item, sequence, payload_bytes = feed.reader.peek()
        try:
            if item is not feed.item:
                self._turn_to(feed, item)
            if feed.wanted:
                self._consumer.write(record, item.id, sequence, payload_bytes)
        finally:
            record.release()
        feed.reader.release()

    def _take_run(self, feed: Feed, count: int) -> None:
        record, item, sequence, payload_bytes = feed.reader.peek()
        record.release()
        if item is not feed.item:
            self._turn_to(feed, item)
        if feed.wanted:
            with feed.reader.peek_run(count) as records:
                self._consumer.write_run(records, item.id, sequence, payload_bytes, count)
        feed.reader.release(count)

    def _turn_to(self, feed: Feed, item: ObjectFacts) -> None:
        feed.item = item
        feed.wanted = item.id not in feed.without
        if feed.wanted and item.id not in self._begun:
            self._begun.add(item.id)
            self._consumer.begin(item)

    def _end(self, feed: Feed, item: ObjectFacts, ending: Ending) -> None:
        self._turn_to(feed, item)
        if feed.wanted:
            self._consumer.end(item.id, ending)
