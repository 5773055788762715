"""Reading a volume member by member, trusting nothing (docs/format.md, "What a reader checks", R1, R2, R4, R6).

A payload may itself hold volumes (somebody backs up a magazine), so after damage it is not enough that a record is
sound: it must be a record of *this* volume. A place is believed again when

- the members that follow it reach, without a gap, an index that this volume's pointer proves, or the archive's end, or
- they reach further than any one record does, so that they cannot all lie in one payload, or
- its record continues an object that was seen before on this volume, or
- its record is sound and of the one object that is wanted: its digest covers object, sequence and payload, so that it
  is the right data wherever it lies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from .. import kinds
from ..faults import MediaFault, Place
from ..frozen import frozen
from . import index, ustar
from .bad_blocks import BadBlocks, GivenUp
from .checks import AHEAD, Checks
from .index import Index
from .record import HEADER_BYTES, BadRecord, RecordHeader, likely_totals, parse, verify
from .scanned import Damage, ScannedIndex, ScannedRecord

_CHUNK: Final = kinds.MIB


@frozen
class _Lost:
    """No member can be read here; ``guesses``: where the next one may be, by what is left of this one, or is usual."""

    reason: str
    guesses: tuple[int, ...]
    #: since the medium does not give it: nobody knows what there is
    unread: bool = False


@dataclass(slots=True)
class Scanner:
    """Walks the members of one volume. ``read`` fills a view from a position and returns the bytes that it got.

    ``record_bytes`` is the size of a full record that is expected; it follows what is seen.
    """

    read: Callable[[memoryview, int], int]
    volume_id: str
    volume: str
    record_bytes: int
    #: the largest full record seen
    largest_bytes: int = 0
    #: the object whose records are believed wherever they are sound
    wanted: str | None = None
    #: objects whose records are checked, where not all are
    only: Collection[str] | None = None
    #: where the last member begins that is of interest
    until: int | None = None
    #: told of a record that cannot be read, where the walk is to go on behind it; headers that cannot are damage then
    failed: Callable[[MediaFault], None] | None = None
    #: object → its highest sequence seen
    seen: dict[str, int] = field(default_factory=dict)
    _buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(HEADER_BYTES)))
    _bad: BadBlocks | None = None

    def members(
        self, start: int, stop: int, *, checks: Checks | None = None
    ) -> Iterator[ScannedRecord | ScannedIndex | Damage]:
        """All that lies between two positions, in order.

        With *checks* each payload is read and its digest checked; records of objects that are not asked for are passed
        over. Ends at the zero blocks of the archive's end when only zeros follow up to *stop*. Raises MediaFault where
        the medium cannot be read, when all that lies before was told; where ``failed`` is there to hear of it, only
        where it gives nothing any more.
        """
        if self.failed is not None:
            self.go_on()
        position = start
        while position < stop and (self.until is None or position <= self.until):
            item: ScannedRecord | ScannedIndex | Damage | _Lost | None
            try:
                item = self._member(position, stop)
            except MediaFault as fault:
                yield from self._checked(checks, 0)
                if not self._passes_over(fault):
                    raise
                item = _Lost(f"a member's header: {fault.message}", (position + self.record_bytes,), unread=True)
            if isinstance(item, ScannedRecord):
                position = item.end
                if checks is None:
                    self._saw(item.header)
                    yield item
                elif self.only is None or item.header.object_id in self.only:
                    checks.put(item.position, item.header, item.head)
                    yield from self._checked(checks, AHEAD)
                else:
                    self._saw(item.header)
                continue
            yield from self._checked(checks, 0)
            if item is None:
                return
            if isinstance(item, _Lost):
                after = self._resume(item.guesses, position, stop)
                item = Damage(self.volume, position, after, item.reason, torn=after == stop and not item.unread)
            yield item
            position = item.end
        yield from self._checked(checks, 0)

    def go_on(self) -> None:
        """From now on what cannot be read is passed over, as far as the medium gives anything at all."""
        if self._bad is None:
            self._bad = BadBlocks(self.read)
            self.read = self._bad.read

    def _checked(self, checks: Checks | None, leave: int) -> Iterator[ScannedRecord | Damage]:
        """The records that are being checked, in their order, until *leave* are left."""
        while checks is not None and len(checks) > leave:
            try:
                check = checks.take()
            except MediaFault as fault:
                if self.failed is None:
                    raise
                self.failed(fault)
                continue
            header = check.header
            if check.wrong is None:
                self._saw(header)
                yield ScannedRecord(check.position, header, check.head)
            else:
                after = check.position + header.total_bytes
                yield Damage(self.volume, check.position, after, check.wrong, header.object_id, header.sequence)

    def _saw(self, header: RecordHeader) -> None:
        self.seen[header.object_id] = max(header.sequence, self.seen.get(header.object_id, -1))

    def _member(self, position: int, stop: int) -> ScannedRecord | ScannedIndex | Damage | _Lost | None:
        head = bytes(self._head(position, stop))
        if len(head) < ustar.BLOCK:
            return Damage(self.volume, position, stop, "the volume ends within a header", torn=True)
        block = head[: ustar.BLOCK]
        if block == ustar.ZERO_BLOCK and self._only_zeros(position, stop):
            return None
        size = index.index_size(block)
        if size is not None:
            return self._index(position, stop, size)
        try:
            header = parse(head)
        except BadRecord as bad:
            if len(head) < HEADER_BYTES:
                return Damage(self.volume, position, stop, "the volume ends within a record's header", torn=True)
            return _Lost(str(bad), tuple(position + total for total in (*likely_totals(head), self.record_bytes)))
        if position + header.total_bytes > stop:
            where = (header.object_id, header.sequence)
            return Damage(self.volume, position, stop, "the volume ends within a record", *where, torn=True)
        if not header.last:
            self.record_bytes = header.total_bytes
            self.largest_bytes = max(self.largest_bytes, header.total_bytes)
        return ScannedRecord(position, header, head)

    def _index(self, position: int, stop: int, size: int) -> ScannedIndex | Damage | _Lost:
        after = position + ustar.BLOCK + ustar.padded(size)
        end = after + index.POINTER_BYTES
        if end > stop:
            return Damage(self.volume, position, stop, "the volume ends within an index", torn=True)
        try:
            found = self.index_at(position, size)
        except MediaFault as fault:
            return _Lost(fault.message, (end,))
        return ScannedIndex(position, found, end)

    def index_at(self, position: int, size: int) -> Index:
        """The proved index of *size* bytes at *position*. Raises :class:`MediaFault`."""
        after = position + ustar.BLOCK + ustar.padded(size)
        pointer = bytes(self._fill(after, index.POINTER_BYTES))
        proof = index.decode_pointer(pointer)
        if proof is None or proof.size != size:
            raise MediaFault(
                "an index has no pointer behind it that proves it", place=Place(volume=self.volume, position=position)
            )
        member = bytes(self._fill(position, after - position))
        return index.decode(member, pointer, position, volume_id=self.volume_id, volume=self.volume)

    def sound_within(self, start: int, stop: int) -> int | None:
        """The first block of *start*…*stop* at which a sound record begins, whoever's it is; None where there is none.

        For those who would cut it off: it may lie in the payload of a record that is lost, and then it may not.
        """
        for position in self._candidates(start, stop):
            try:
                header = parse(self._head(position, stop))
            except BadRecord:
                continue
            if position + header.total_bytes <= stop and self._sound(header, position):
                return position
        return None

    # ------------------------------------------------------------ after damage

    def _resume(self, guesses: tuple[int, ...], bad: int, stop: int) -> int:
        """The next position behind *bad* that is a member of this volume again; *stop* where there is none."""
        tried: set[int] = set()
        for guess in guesses:
            if guess < stop and self._believable(guess, stop, tried, fresh=True):
                # The damaged member may have been shorter, and what lay behind it end where the guess hit by chance.
                between = (p for p in self._candidates(bad + ustar.BLOCK, guess) if self._leads_to(p, guess))
                return next(between, guess)
        for position in self._candidates(bad + ustar.BLOCK, stop):
            if self._believable(position, stop, tried, fresh=False):
                return position
        return stop

    def headers(self, start: int, stop: int) -> Iterator[tuple[int, RecordHeader]]:
        """Every block between two positions that holds a record's headers, whoever's: for who checks what it reads."""
        for position in self._candidates(start, stop):
            try:
                yield position, parse(self._look(position, position + HEADER_BYTES))
            except BadRecord:
                continue

    def _candidates(self, start: int, stop: int) -> Iterator[int]:
        """Positions of blocks that have the look of a header of ours."""
        view = memoryview(bytearray(_CHUNK))
        for base, data in self._pieces(view, start, stop):
            at = data.find(b"ustar\x0000")
            while at >= 0:
                block = at - 257
                if block % ustar.BLOCK == 0 and block >= 0:
                    yield base + block
                at = data.find(b"ustar\x0000", at + 1)

    def _believable(self, position: int, stop: int, tried: set[int], *, fresh: bool) -> bool:
        """Whether a member of this volume lies at *position* (see the module); *fresh* lets a first record pass.

        *tried* are places from which the members lead nowhere: what leads there leads nowhere too.
        """
        at = position
        beyond = position + max(self.largest_bytes, kinds.RECORD_BYTES_DEFAULT)
        first: RecordHeader | None = None
        while at < stop and not (first is not None and at in tried):
            head = bytes(self._look(at, stop))
            block = head[: ustar.BLOCK]
            if block == ustar.ZERO_BLOCK and self._zeros(at, stop):
                return first is not None
            size = index.index_size(block) if len(block) == ustar.BLOCK else None
            if size is not None:
                try:
                    self.index_at(at, size)
                except MediaFault:
                    break
                return True
            try:
                header = parse(head)
            except BadRecord:
                break
            if at + header.total_bytes > stop:
                break
            if header.object_id == self.wanted and first is None and self._sound(header, at):
                return True
            first = first or header
            tried.add(at)
            beyond = max(beyond, position + header.total_bytes)
            at += header.total_bytes
            if at > beyond:
                return True
        if first is None:
            return False
        if at == stop:
            return True
        known = self.seen.get(first.object_id)
        return first.sequence > known if known is not None else fresh and first.sequence == 0

    def _leads_to(self, position: int, goal: int) -> bool:
        """Whether members from *position* on reach exactly *goal*, the first of an object seen before or wanted."""
        at = position
        while at < goal:
            head = bytes(self._look(at, goal))
            size = index.index_size(head[: ustar.BLOCK]) if len(head) >= ustar.BLOCK else None
            if size is not None:
                try:
                    self.index_at(at, size)
                except MediaFault:
                    return False
                return True
            try:
                header = parse(head)
            except BadRecord:
                return False
            if at == position:
                if header.object_id == self.wanted and self._sound(header, at):
                    return True
                known = self.seen.get(header.object_id)
                if known is None or header.sequence <= known:
                    return False
            at += header.total_bytes
        return at == goal

    def _sound(self, header: RecordHeader, position: int) -> bool:
        try:
            verify(header, self._fill(position + HEADER_BYTES, header.total_bytes - HEADER_BYTES))
        except BadRecord:
            return False
        except MediaFault as fault:
            if not self._passes_over(fault):
                raise
            return False
        return True

    def _passes_over(self, fault: MediaFault) -> bool:
        return self._bad is not None and not isinstance(fault, GivenUp)

    def _look(self, position: int, stop: int) -> memoryview:
        """As :meth:`_head`; nothing where the medium does not give it, and that is passed over."""
        try:
            return self._head(position, stop)
        except MediaFault as fault:
            if not self._passes_over(fault):
                raise
            return memoryview(b"")

    def _zeros(self, position: int, stop: int) -> bool:
        """As :meth:`_only_zeros`; not where the medium does not give it, and that is passed over."""
        try:
            return self._only_zeros(position, stop)
        except MediaFault as fault:
            if not self._passes_over(fault):
                raise
            return False

    # ------------------------------------------------------------ bytes

    def _pieces(self, view: memoryview, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """All between two positions, as far as *view* holds at a time; what is passed over lacks."""
        if self._bad is not None:
            yield from self._bad.pieces(view, start, stop)
            return
        for base in range(start, stop, len(view)):
            got = self.read(view[: min(len(view), stop - base)], base)
            yield base, bytes(view[:got])

    def _head(self, position: int, stop: int) -> memoryview:
        return self._fill(position, min(HEADER_BYTES, stop - position))

    def _fill(self, position: int, size: int) -> memoryview:
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(size))
        view = self._buffer[:size]
        return view[: self.read(view, position)]

    def _only_zeros(self, position: int, stop: int) -> bool:
        for base in range(position, stop, _CHUNK):
            view = self._fill(base, min(_CHUNK, stop - base))
            data = bytes(view)
            if data.count(0) != len(data):
                return False
        return True


def reader_of(fd: int) -> Callable[[memoryview, int], int]:
    """A function that fills a view from a position of the file *fd*; fewer bytes only at the file's end."""

    def read(view: memoryview, position: int) -> int:
        done = 0
        while done < len(view):
            got = os.preadv(fd, [view[done:]], position + done)
            if got == 0:
                break
            done += got
        return done

    return read
