"""Going on behind a lost record: where the next member of a ``files`` object begins.

The archive says only where the member behind this one begins; when headers are lost, so is the thread. With the
object's member list the place is known, and so are the names of what is lost. Without it the place is searched for: a
header is taken for one of the archive's own, and not of an archive that is a file in it, when the headers from it on
lead, one after the other, to the archive's very end, and when its name comes behind the last one that was read: GNU tar
sorts them (``--sort=name``). What does not is left out: a member too few is better than wrong data under a right name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from ..members.packing import Member
from .headers import BLOCK, Unsound, checked, decimal, normal, odd_size, read_pax

_X, _LONG_NAME, _LONG_LINK = 0x78, 0x4C, 0x4B
_EXTENDED: Final = frozenset({_X, _LONG_NAME, _LONG_LINK})
_CONTENT: Final = frozenset(b"0\x007")
_NO_CONTENT: Final = frozenset(b"123456")
_ZEROS: Final = bytes(BLOCK)
_PAX_RECORD: Final = re.compile(rb"[0-9]{1,6} [A-Za-z][A-Za-z.]*=")
#: Trails that are followed at a time: as many archives within archives.
_TRAILS_MAX: Final = 64
#: Times that the rest of an object is searched through; behind that many losses the rest counts as lost.
SEARCHES_MAX: Final = 8


class Fetch(Protocol):
    """Gives the payload of a record, or None where it is lost, too; asked with rising sequences."""

    def __call__(self, sequence: int, /) -> bytes | None:
        """The payload of record *sequence*."""
        ...

    def close(self) -> None:
        """Nothing more is asked."""
        ...


class Thread(Protocol):
    """Finds the members again behind each loss; asked with rising offsets."""

    def behind(self, start: int, end: int) -> tuple[list[Member], int | None]:
        """Bytes *start* to *end* of the archive are lost.

        Returns the members that they are part of, as far as they are known, and the offset of the first header behind;
        None where it cannot be told.
        """
        ...


class ListedThread:
    """By the object's member list."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._members: Iterator[Member] = iter(members)
        self._at = next(self._members, None)
        self._end = 0

    def behind(self, start: int, end: int) -> tuple[list[Member], int | None]:
        """See :class:`Thread`; always knows."""
        touched = []
        while self._at is not None and self._at.offset < end:
            if self._at.end > start:
                touched.append(self._at)
            self._end = self._at.end
            if self._at.end > end:
                return touched, self._at.end
            self._at = next(self._members, None)
        return touched, self._end if self._at is None else self._at.offset


class SearchedThread:
    """By the headers themselves. *payload*: bytes of each record but the last; *last*: the last name that was read."""

    def __init__(self, fetch: Callable[[], Fetch], payload: int, records: int, last: Callable[[], bytes]) -> None:
        self._open = fetch
        self._payload = payload
        self._records = records
        self._last = last
        self._left = SEARCHES_MAX

    def behind(self, start: int, end: int) -> tuple[list[Member], int | None]:
        """See :class:`Thread`; knows no names."""
        if self._left == 0:
            return [], None
        self._left -= 1
        fetch = self._open()
        try:
            return [], search(fetch, self._payload, self._records, end, self._last())
        finally:
            fetch.close()


@dataclass(slots=True)
class _Trail:
    """Headers that lead from one to the next. ``size``: what an extended header says of the next member's."""

    start: int
    size: int | None = None
    path: bytes | None = None
    #: the name of its first member
    first: bytes | None = None


def search(fetch: Fetch, payload: int, records: int, begin: int, last: bytes) -> int | None:
    """The offset of the first header from *begin* (a record's beginning) on that is the archive's own, or None.

    *last*: the name of the last member that was read, empty where there was none.
    """
    trails: dict[int, _Trail] = {}  # the offset at which each expects a header
    ended: list[_Trail] = []
    previous = b""
    for sequence in range(begin // payload, records):
        data, base = fetch(sequence), sequence * payload
        if data is None:
            # Trails that lead over the gap go on; what leads into it leads nowhere.
            for offset in [o for o in trails if o < base + payload]:
                del trails[offset]
            ended.clear()
            previous = b""
            continue
        if ended and data.count(0) != len(data):
            ended.clear()
        _follow(data, base, begin, previous, trails, ended)
        previous = data[-BLOCK:]
    return min((t.start for t in ended if t.first is not None and _comes_behind(t.first, last)), default=None)


def _comes_behind(name: bytes, last: bytes) -> bool:
    """Whether a sorted archive can hold *name* behind *last*. Its roots are in the order in which the plan has them."""
    parts, before = normal(name).split(b"/"), normal(last).split(b"/")
    return parts[0] != before[0] or parts > before


def _follow(  # noqa: PLR0917 - one step of one loop
    data: bytes,
    base: int,
    begin: int,
    previous: bytes,
    trails: dict[int, _Trail],
    ended: list[_Trail],
) -> None:
    """Go through one record's headers."""
    at = data.find(b"ustar")
    while at >= 0:
        block = at - 257
        if block >= 0 and block % BLOCK == 0 and checked(data[block : block + BLOCK]):
            offset = base + block
            trail = trails.pop(offset, None)
            if trail is None and len(trails) < _TRAILS_MAX:
                before = data[block - BLOCK : block] if block else previous
                if data[block + 156] in _EXTENDED or (offset != begin and not _PAX_RECORD.search(before)):
                    trail = _Trail(offset)
            if trail is not None:
                expected = _step(data, block, base, trail)
                if expected is not None and (expected not in trails or trails[expected].start > trail.start):
                    trails[expected] = trail
        at = data.find(b"ustar", at + 1)
    for offset in [o for o in trails if o < base + len(data)]:
        trail, block = trails.pop(offset), offset - base
        # What does not end with zeros up to the end of all was another archive.
        if data[block : block + BLOCK] == _ZEROS and data.count(0, block) == len(data) - block:
            ended.append(trail)


def _step(data: bytes, block: int, base: int, trail: _Trail) -> int | None:
    """Where the header behind the one at *block* is expected, or None where the trail ends."""
    header = data[block : block + BLOCK]
    kind = header[156]
    try:
        content = odd_size(header[124:136])
        if kind in _EXTENDED:
            body = data[block + BLOCK : block + BLOCK + content]
            if kind == _X and len(body) == content:
                found: dict[bytes, list[bytes]] = {}
                read_pax(body, found)
                if b"size" in found:
                    trail.size = decimal(found[b"size"][-1])
                if b"path" in found:
                    trail.path = found[b"path"][-1]
        else:
            if kind in _NO_CONTENT:
                content = 0
            elif kind not in _CONTENT:
                return None
            elif trail.size is not None:
                content = trail.size
            if trail.first is None:
                trail.first = trail.path if trail.path is not None else header[:100].partition(b"\0")[0]
            trail.size = trail.path = None
    except Unsound:
        return None
    return base + block + BLOCK + (content + 511 & -512)
