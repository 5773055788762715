"""From records to a sink: the payloads in their order, or only those parts of them that are wanted.

Offsets are those of the object's payload taken together. Every record but the last has the same size, so that a record
which is lost leaves a gap of a known size at a known place: a sink that can go on behind it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..catalog.queries import CatalogObject
from ..faults import Place, RestoreFault
from ..media.record import HEADER_BYTES, FirstWords
from ..members.packing import Member
from .fitting import FACTS
from .gaps import Thread
from .reading import ObjectReader, RecordLost
from .sinks import GapSink


def agree(item: CatalogObject, words: FirstWords) -> None:
    """The object's first record must say what is known of it: it is restored by that. Raises RestoreFault."""
    for name in FACTS:
        said, true = getattr(item, name), getattr(words, name)
        if said != true:
            raise RestoreFault(
                f"its {name} is {said} as far as is known, and {true} as its first record says",
                place=Place(source=item.source, object_id=item.id),
                safe="nothing of it was restored; the volumes are unchanged",
                todo="remake the catalog from the volumes (`tcc catalog rebuild FOLDER…`), which asks the records, too",
            )


#: Losses, and members lost with them, that are named one by one.
NAMED_MAX = 100


@dataclass(slots=True)
class Pumped:
    """What was read and what was lost. ``cut``: nothing behind some place could be used."""

    payload_bytes: int = 0
    records: int = 0
    losses: list[str] = field(default_factory=list)
    left_out: int = 0
    lost_members: list[bytes] = field(default_factory=list)
    lost_count: int = 0
    searched: bool = False
    cut: bool = False


class Pump:
    """One object's way into one sink.

    *ranges*: the parts of the payload that are wanted, ascending, or None for all of it. *thread*: makes what finds the
    members behind a loss, when there is one, from the payload's bytes a record; *listed*: it knows their names, too.
    """

    def __init__(
        self,
        item: CatalogObject,
        reader: ObjectReader,
        sink: GapSink,
        *,
        ranges: Sequence[tuple[int, int]] | None = None,
        thread: Callable[[int], Thread] | None = None,
        listed: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._item = item
        self._reader = reader
        self._sink = sink
        self._ranges = ranges
        self._make_thread = thread
        self._listed = listed
        self._thread: Thread | None = None
        self._progress = progress
        self._payload: int | None = None
        self._pending: list[RecordLost] = []
        self._from = 0  # what lies before is dropped
        self._named = -1  # offset of the last member that was named as lost
        self._range = 0
        self._wanted = True
        self.result = Pumped()

    def run(self) -> Pumped:
        """Read what is wanted and hand it on. Raises RestoreFault where the sink cannot take it."""
        for sequence in self._sequences():
            try:
                header, into = self._reader.take(sequence)
            except RecordLost as loss:
                if loss.words is not None:
                    agree(self._item, loss.words)
                self._pending.append(loss)
                if self._payload is not None and not self._mind_the_gaps():
                    break
                if sequence + 1 >= self._item.records:
                    break
                continue
            if header.first is not None:
                agree(self._item, header.first)
            if self._payload is None:
                self._payload = self._full(sequence, header.payload_bytes, header.last)
            if self._pending and not self._mind_the_gaps():
                break
            offset = sequence * self._payload if sequence else 0
            if not header.last and header.payload_bytes != self._payload:
                raise RestoreFault(f"its record {sequence} has another size than the others: it was not made by tcc")
            self._take(offset, into[HEADER_BYTES : HEADER_BYTES + header.payload_bytes])
            self.result.payload_bytes += header.payload_bytes
            self.result.records += 1
            if self._progress is not None:
                self._progress(self.result.payload_bytes)
            if header.last or (not self._wanted and (self._ranges is not None or not self._sink.can_go_on())):
                break
        if self._pending and not self.result.cut:
            alone = self._item.bytes if self._item.records == 1 else None
            self._payload = self._payload or self._reader.full_payload() or alone
            self._mind_the_gaps()
        return self.result

    def _sequences(self) -> Iterator[int]:
        if self._ranges is None:
            sequence = 0
            while True:
                yield sequence
                sequence += 1
        if self._item.records > 1:
            self._payload = self._reader.full_payload()
            if self._payload is None:
                # Nobody says how large records are: from the first on, until one does.
                yield from range(self._item.records)
                return
        size = self._payload or max(self._item.bytes, 1)
        last = -1
        for start, end in self._ranges or ():
            for sequence in range(max(last + 1, start // size), min((end - 1) // size + 1, self._item.records)):
                last = sequence
                yield sequence

    def _full(self, sequence: int, payload_bytes: int, last: bool) -> int:
        """Payload bytes of a full record, from the first one that was read."""
        if not last:
            return payload_bytes
        return max(1, (self._item.bytes - payload_bytes) // sequence if sequence else payload_bytes)

    # ------------------------------------------------------------ what is there

    def _take(self, offset: int, payload: memoryview) -> None:
        for start, end in self._wanted_parts(offset, offset + len(payload)):
            if self._wanted:
                self._wanted = self._sink.write(payload[start - offset : end - offset])

    def _wanted_parts(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """What of the bytes *start* to *end* is wanted."""
        start = max(start, self._from)
        if self._ranges is None:
            if start < end:
                yield start, end
            return
        while self._range < len(self._ranges):
            low, high = self._ranges[self._range]
            if low >= end:
                return
            if max(low, start) < min(high, end):
                yield max(low, start), min(high, end)
            if high > end:
                return
            self._range += 1

    # ------------------------------------------------------------ what is not

    def _mind_the_gaps(self) -> bool:
        """Tell the sink of every loss that waits; whether there is sense in going on."""
        pending, self._pending = self._pending, []
        for loss in pending:
            if len(self.result.losses) < NAMED_MAX:
                self.result.losses.append(str(loss))
            else:
                self.result.left_out += 1
        if self._payload is None or not self._wanted:
            self.result.cut = True
            return False
        for loss in pending:
            start = loss.sequence * self._payload
            end = min(start + self._payload, max(self._item.bytes, start + 1))
            if loss.sequence + 1 < self._item.records:
                end = start + self._payload
            if not self._gap(start, end):
                self.result.cut = True
                return False
        return True

    def _gap(self, start: int, end: int) -> bool:
        """Bytes *start* to *end* are lost; whether the sink can go on behind them."""
        if not self._sink.can_go_on():
            return False
        for low, high in list(self._wanted_parts(start, end)):
            self._sink.gap(high - low)
        if self._sink.in_step() and not self._listed:
            return True
        if self._make_thread is None:
            return self._sink.in_step()
        if self._thread is None:
            assert self._payload is not None
            self._thread = self._make_thread(self._payload)
        self.result.searched |= not self._listed
        touched, behind = self._thread.behind(start, end)
        self._name(touched, start)
        if self._sink.in_step():
            return True
        if behind is None:
            return False
        self._from = max(self._from, behind)
        self._sink.resume([m.name for m in touched])
        return True

    def _name(self, touched: Sequence[Member], start: int) -> None:
        """Remember the members whose headers are lost; those that only lack content are the sink's to name."""
        for member in touched:
            # Two lost records behind one another may both touch the headers of one member.
            if member.data <= start or member.offset <= self._named or not self._is_wanted(member):
                continue
            self._named = member.offset
            self.result.lost_count += 1
            if len(self.result.lost_members) < NAMED_MAX:
                self.result.lost_members.append(member.name)

    def _is_wanted(self, member: Member) -> bool:
        return self._ranges is None or any(low <= member.offset < high for low, high in self._ranges)
