"""Medium readers: one thread a drive that reads its volumes and splits the records by object into rings.

The volumes are read in the order of the medium; of records that nobody wants only the headers are read. A record is
checked and handed on as it is, byte for byte. Where one is damaged or lacks it is taken from any other copy of its
object; where no copy has it sound the object is cut off there, and the others go on.

A call that never returns keeps its thread, and nobody can end that. So the control puts another thread in its place,
which goes on where the records stand and asks nothing of the folder that does not answer any more: for it each record
there is one that lacks.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue

from ..catalog.queries import CatalogCopy
from ..events import Event, MediumDone, Noted, SourceSample
from ..faults import DriveFault, Fault, MediaFault, Place, unforeseen
from ..hang import Forsaken, Watch, hanging_medium
from ..media.record import RecordHeader
from ..media.scanned import Damage, ScannedRecord
from ..media.volume import VolumeReader
from ..model import Ending, ObjectFacts
from ..restore.reading import NAMED_MAX, ObjectReader, RecordLost, preferred
from ..restore.shelf import Shelf, open_as
from ..ring import Ring
from .holdings import Held
from .passes import Leg, Want
from .progress import Feed, Progress, Unsettled, legs_in, stretches
from .work import DriveWork, lock_to_read


class _CalledOff(Exception):
    pass


class MediumReader:
    """Reads one drive into the rings of its buffers. Its counters may be read at any time by any thread.

    Life: constructed → :meth:`prepare` (locks the drive) → its thread is started, or :meth:`skip` is called → every
    ring has ended, ``MediumDone`` is posted → :meth:`close`.
    """

    def __init__(
        self,
        work: DriveWork,
        facts: Mapping[str, ObjectFacts],
        rings: Mapping[int, Ring],
        events: SimpleQueue[Event],
    ) -> None:
        self.name = f"drive {work.drive}"
        self.work = work
        self.ending: Ending | None = None
        #: folders that do not answer, and what is said of each
        self.hanging: dict[Path, DriveFault] = {}
        self._events = events
        self._reason: str | None = None
        self._lock = -1
        self._notes = 0
        self._healing = False
        self._renew()
        self._feeds: dict[int, Feed] = {}
        wanted: dict[int, dict[str, Held]] = {}
        for leg in legs_in(work.passes):
            for want in leg.wants:
                wanted.setdefault(want.ring, {})[want.held.item.id] = want.held
        for buffer in work.buffers:
            number = buffer.buffer.ring
            mine = wanted.get(number, {}).values()
            self._feeds[number] = Feed(
                buffer.name,
                rings[number],
                sum(held.item.bytes for held in mine),
                {held.item.id: Progress(number, held, facts[held.item.id]) for held in mine},
            )

    def _renew(self) -> None:
        """A thread, what watches it, and where it finds volumes: all but those in a folder that hangs."""
        # A thread that hangs in the kernel must not hold the end of the process, too.
        self.thread = threading.Thread(target=self._run, name=f"medium {self.work.drive}", daemon=True)
        self.watch = Watch()
        closed = {
            v.id: self.hanging[folder].message
            for v in self.work.known
            if v.location is not None and (folder := Path(v.location).parent) in self.hanging
        }
        self._shelf = Shelf(self.work.known, answered=self.watch.beat, closed=closed)

    # ---------------------------------------------------------------- the control's side

    @property
    def abandoned(self) -> bool:
        """Nobody takes anything any more."""
        return all(feed.ring.abandoned for feed in self._feeds.values())

    def progress(self) -> Iterator[Progress]:
        """All objects on their way, ring by ring; meant for when the thread has ended."""
        for feed in self._feeds.values():
            yield from feed.progress.values()

    def samples(self) -> Iterator[SourceSample]:
        """How each buffer stands."""
        for feed in self._feeds.values():
            yield SourceSample(feed.name, feed.bytes, feed.records, feed.size, feed.state)

    def prepare(self) -> None:
        """Lock the drive's folder for reading: nobody writes or recycles its volumes meanwhile. Raises DriveFault."""
        self._lock = lock_to_read(self.work.drive, self.work.folder)

    def cancel(self, reason: str) -> None:
        """Call the reading off, from any thread: what is published stays, objects on their way are cut off."""
        self._reason = self._reason or reason
        for feed in self._feeds.values():
            feed.ring.cancel()

    @property
    def hung(self) -> bool:
        """Whether a thread of this reader is still in a call that it was left in: the rings' memory must stay."""
        return self.watch.forsaken or bool(self.hanging)

    def leave(self, lasted_seconds: float) -> DriveFault:
        """From the control's thread, when :attr:`watch` was given up: go on without the folder that does not answer.

        The thread that hangs touches no ring any more; it may still write into the slots that it had claimed last,
        which are none of the rings' from now on. Where nothing can go on every ring is ended. Returns what to tell.
        """
        drive, folder = self._asked()
        fault = hanging_medium(drive, lasted_seconds, self.watch.at)
        known = folder in self.hanging
        self.hanging[folder] = fault
        for feed in self._feeds.values():
            for one in feed.progress.values():
                one.healer = None  # perhaps in use, for ever
        try:
            if known:
                raise OSError  # what was asked is not there at all
            for feed in self._feeds.values():
                if feed.spare is not None:
                    feed.spare = feed.ring.renew()
            self._healing = False
            self._renew()
            self.thread.start()
        except (OSError, RuntimeError):  # no memory, no thread
            self._forsake(fault)
        return fault

    def _asked(self) -> tuple[str, Path]:
        """Whose volume the present call asks for, and in which folder."""
        asked = self._shelf.asked if self._healing else None
        for volume in self.work.known:
            if volume.id == asked and volume.location is not None:
                return volume.drive, Path(volume.location).parent
        return self.work.drive, self._own_folder()

    def _own_folder(self) -> Path:
        return next((leg.volume.path.parent for leg in legs_in(self.work.passes)), self.work.folder)

    def _forsake(self, fault: Fault) -> None:
        """End every ring in place of the reader's thread."""
        ending = Ending("cut-off", error=str(fault))
        for feed in self._feeds.values():
            for one in feed.progress.values():
                if one.ending is None:
                    one.ending = ending
                    if one.next_sequence:
                        feed.ring.finish(one.facts, ending)
            feed.state = "cut-off"
            feed.ring.end()
        self.ending = ending

    def skip(self, ending: Ending) -> None:
        """Instead of starting the thread: nothing is read, and nobody hears of the objects."""
        for feed in self._feeds.values():
            feed.state = ending.status
            feed.ring.end()
            for one in feed.progress.values():
                one.ending = ending
        self.ending = ending

    def close(self) -> None:
        """Give the drive back; the thread has ended or was never started. A folder that hangs is not touched."""
        if self.watch.forsaken or self._own_folder() in self.hanging:
            return
        fd, self._lock = self._lock, -1
        if fd >= 0:
            os.close(fd)

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        """Read to the end; whatever happens, every ring ends and the control is told."""
        for feed in self._feeds.values():
            feed.state = "reading"
        why = Ending("whole")
        try:
            for legs in self.work.passes:
                for leg in legs:
                    self._read_leg(leg)
        except Forsaken:
            return
        except _CalledOff:
            why = Ending("cut-off", error=self._reason or "nobody is left who takes it")
        except Fault as fault:
            why = Ending("cut-off", error=str(fault))
        except OSError as error:
            why = Ending("cut-off", error=f"reading failed: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the run must hear of it and end
            why = Ending("cut-off", error=unforeseen(error))
        ended = [self._end_ring(feed, why) for feed in self._feeds.values()]
        lost = next((ending for ending in ended if ending is not None), None)
        self.ending = lost or why
        self._events.put(MediumDone(self.work.drive, self.ending))

    def _end_ring(self, feed: Feed, why: Ending) -> Ending | None:
        """End one ring; the first ending of an object that is not whole."""
        found: Ending | None = None
        for one in feed.progress.values():
            one.heal_no_more()
            if one.ending is None:
                one.ending = why if why.status != "whole" else Ending("cut-off", error="nobody is left who takes it")
                if one.next_sequence:
                    feed.ring.finish(one.facts, one.ending)
            if one.ending.status != "whole":
                found = found or one.ending
        feed.state = "whole" if found is None else "cut-off"
        feed.ring.end()
        return found

    def _read_leg(self, leg: Leg) -> None:
        """Read one volume from its first wanted record to its last."""
        left = Unsettled(leg.wants)
        if leg.volume.path.parent not in self.hanging:
            self._read_volume(leg, left)
        for want in left.left(left.wants):
            self._settle(left, want)

    def _read_volume(self, leg: Leg, left: Unsettled) -> None:
        try:
            with self.watch:
                opened = open_as(leg.volume.path, leg.volume.id)
            opened.answered = self.watch.beat
            with opened as reader:
                if reader.doubt:
                    self._note(f"volume {leg.volume.name}: {reader.doubt}")
                for wants in stretches(leg.wants):
                    self._walk(reader, left, wants)
        except MediaFault as fault:
            self._note(f"volume {leg.volume.name}: {fault.message}")

    def _walk(self, reader: VolumeReader, leg: Unsettled, stretch: Sequence[Want]) -> None:
        """Read from the first wanted record of *stretch* to its last."""
        by_object: dict[str, list[Want]] = {}
        for want in stretch:
            by_object.setdefault(want.held.item.id, []).append(want)
        high = max(want.segment.last for want in stretch)
        # A header that the medium does not give is damage: what lies behind it is read from here all the same.
        scanner = reader.members(stretch[0].segment.first, reader.size, check=False, failed=lambda fault: None)
        while True:
            with self.watch:
                member = next(scanner, None)
            if member is None or member.position > high:
                break
            if self._reason is not None:
                raise _CalledOff
            if isinstance(member, Damage):
                self._note(str(member))
            elif isinstance(member, ScannedRecord) and (wants := by_object.get(member.header.object_id)):
                self._record(reader, leg, wants, member)
        for want in leg.left(stretch):
            self._settle(leg, want)

    def _record(self, reader: VolumeReader, leg: Unsettled, wants: Sequence[Want], found: ScannedRecord) -> None:
        """Hand one record to every ring that wants it; it is read once."""
        sequence = found.header.sequence
        source: memoryview | None = None
        for want in wants:
            feed, one = self._feeds[want.ring], self._progress(want)
            segment = want.segment
            here = segment.first <= found.position <= segment.last
            if feed.gone or one.ending is not None or not here or sequence < one.next_sequence:
                continue
            self._settle_before(leg, want)
            if not self._heal(one, sequence):
                continue
            slot = self._claim(feed)
            if slot is None:
                continue
            if source is None:
                try:
                    with self.watch:
                        reader.fetch(found, slot)
                    if (why := one.fitting.why_not(found.header)) is not None:
                        raise MediaFault(why, place=Place(volume=reader.path.stem, position=found.position))
                except MediaFault as fault:
                    self._note(str(fault))
                    self._heal(one, sequence + 1)
                    continue
                source = slot
            else:
                slot[: found.header.total_bytes] = source[: found.header.total_bytes]
            self._publish(feed, one, found.header)

    # ---------------------------------------------------------------- objects

    def _progress(self, want: Want) -> Progress:
        return self._feeds[want.ring].progress[want.held.item.id]

    def _settle_before(self, leg: Unsettled, want: Want) -> None:
        """What should have come into this ring before *want* will not come from this medium any more."""
        while (earlier := leg.first(want.ring)) is not None:
            if earlier is want or earlier.segment.last > want.segment.first:
                return
            self._settle(leg, earlier)

    def _settle(self, leg: Unsettled, want: Want) -> None:
        """The part is passed: what of it did not come is taken from other copies."""
        leg.settle(want)
        one = self._progress(want)
        if one.ending is not None or self._feeds[want.ring].gone:
            return
        self._heal(one, want.segment.first_sequence + want.segment.records)
        while want.last and one.ending is None and not self._feeds[want.ring].gone:
            if not self._heal(one, one.next_sequence + 1):
                return

    def _heal(self, one: Progress, until: int) -> bool:
        """Take the records before *until* that lack from other copies; whether the object can go on."""
        feed = self._feeds[one.ring]
        while one.next_sequence < until and one.ending is None:
            slot = self._claim(feed)
            if slot is None:
                return False
            self._healing = True  # only here other volumes than the drive's own are asked
            if one.healer is None:
                with self.watch:
                    healer = ObjectReader(one.held.item, self._copies(one.held), self._shelf, one.fitting)
                one.healer = healer
            count = len(one.healer.mended.notes)
            try:
                with self.watch:
                    header = one.healer.fetch(one.next_sequence, slot)
            except RecordLost as loss:
                hanging = "".join(f"; {fault}" for fault in self.hanging.values())
                self._healing = False
                self._finish(feed, one, Ending("cut-off", error=f"{loss}{hanging}"))
                return False
            self._healing = False  # not where this thread was left: another one may be healing then
            for note in one.healer.mended.notes[count:]:
                self._note(f"object {one.facts.id} of {one.facts.source}: {note}")
            self._publish(feed, one, header)
        return one.ending is None

    def _copies(self, held: Held) -> list[CatalogCopy]:
        copies = preferred(dataclasses.replace(held.item, copies=held.copies), self._shelf)
        if not self.hanging:
            return copies
        # What hangs is told once, not with each record that comes from elsewhere.
        return [c for c in copies if not all(self._shelf.find(s.volume_id).closed for s in c.segments)]

    def _claim(self, feed: Feed) -> memoryview | None:
        """An empty slot of the ring; None when nobody takes anything from it any more. Blocks while it is full."""
        if feed.spare is None:
            feed.spare = feed.ring.claim()
        if feed.spare is None:
            if self._reason is not None or self.abandoned:
                raise _CalledOff
            feed.gone = True
        return feed.spare

    def _publish(self, feed: Feed, one: Progress, header: RecordHeader) -> None:
        feed.spare = None
        feed.ring.publish(one.facts, header.sequence, header.total_bytes, header.payload_bytes)
        feed.bytes += header.payload_bytes
        feed.records += 1
        one.bytes += header.payload_bytes
        one.next_sequence = header.sequence + 1
        if header.last:
            item = one.held.item
            self._finish(feed, one, Ending("whole", warnings=item.warnings, unread=item.unread))

    def _finish(self, feed: Feed, one: Progress, ending: Ending) -> None:
        one.ending = ending
        one.heal_no_more()
        if one.next_sequence:  # drives need not know of what never began
            feed.ring.finish(one.facts, ending)
        if ending.status != "whole":
            self._note(f"object {one.facts.id} of {one.facts.source} is cut off: {ending.error}")

    def _note(self, text: str) -> None:
        self._notes += 1
        if self._notes <= NAMED_MAX:
            self._events.put(Noted(f"{self.name}: {text}"))
