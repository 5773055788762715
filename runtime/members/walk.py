"""A small walker over an archive in flight: which members there are, and where each begins.

It sees the bytes of a pax archive that GNU tar makes, in pieces of any length, looks at headers only and skips contents
unseen. What nearly every member of a tree looks like (a plain file or folder with at most a time in its extended
header) costs about 1.5 µs; it keeps the head of the header as it is, since taking it apart can wait until somebody
asks. Everything else takes the long way. It must never harm the backup that it watches: an archive that it does not
understand ends the list (``broken``), nothing else.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ..restore.headers import BLOCK, TIME_ONLY, Unsound, checked, decimal, odd_size, pax_records

#: The part of a ustar header that a list keeps: name, mode, owner, size, mtime, checksum, kind.
HEAD_BYTES: Final = 157
#: Members that are handed on at a time.
BATCH: Final = 4096
#: Bytes of folders' lists that are handed on at a time.
LISTED_BYTES: Final = 1 << 20
#: Extended headers of one member that are kept whole while they are read, as the restore's walker does: those of an
#: incremental source hold the names of all that a folder holds.
_HEADERS_BYTES_MAX: Final = 256 << 20

_X, _LONG_NAME, _LONG_LINK, _FOLDER = 0x78, 0x4C, 0x4B, 0x35
_WITH_CONTENT: Final = frozenset(b"0\x007")
_WITHOUT_CONTENT: Final = frozenset(b"123456")
_ZEROS: Final = bytes(BLOCK)

#: An extended header of one block, and the ustar header behind it: size, kind, the body's beginning, the head, the
#: name's prefix.
_TRIPLE: Final = struct.Struct(f"124x12s20xc355x16s496x{HEAD_BYTES}s188xc")
_TRIPLE_BYTES: Final = 3 * BLOCK
#: A header alone: the head, the name's prefix.
_SINGLE: Final = struct.Struct(f"{HEAD_BYTES}s188xc")
_PLAIN: Final = frozenset(b"05")
#: A size field → the bytes that such a content takes; filled as fields are met.
_STEPS: Final[dict[bytes, int]] = {}
_STEPS_MAX: Final = 1 << 14


@dataclass(slots=True)
class Batch:
    """Consecutive members: their heads, the blocks of headers that each has, and what is odd about some of them.

    ``start`` is the offset of the first one's first header in the archive. ``odd``: number in the batch → what differs
    from its head: ``path``, ``link``, ``size`` (of the content as stored), ``real`` (of a sparse file), ``mtime``
    (before 1970), ``blocks``. ``listed``: number in the batch → what a folder of an incremental archive held
    (``GNU.dumpdir``), ``listed_bytes`` in all.
    """

    start: int
    heads: list[bytes] = field(default_factory=list)
    blocks: bytearray = field(default_factory=bytearray)
    odd: dict[int, dict[str, bytes | int]] = field(default_factory=dict)
    listed: dict[int, bytes] = field(default_factory=dict)
    listed_bytes: int = 0


class MemberTap:
    """Watches one archive; *emit* takes each batch of members when it is full. For one thread.

    *folders*: folders' lists are kept.
    """

    def __init__(self, emit: Callable[[Batch], None], *, folders: bool = False) -> None:
        #: why the list ended before the archive did, or None
        self.broken: str | None = None
        #: the two zero blocks were reached
        self.ended = False
        #: a member has an access control list
        self.acls = False
        #: offset of what comes next
        self.offset = 0
        self._emit = emit
        self._folders = folders
        self._skip = 0
        self._carry = b""
        self._more: list[bytes] = []
        self._lack = 0
        self._batch = Batch(0)
        self._emitted = 0

    @property
    def members(self) -> int:
        """Members seen so far."""
        return self._emitted + len(self._batch.heads)

    def feed(self, data: memoryview) -> None:
        """The next bytes of the archive. Never raises for what they hold; what *emit* raises goes through."""
        size = len(data)
        if self._skip >= size:
            self._skip -= size
            self.offset += size
            return
        if self.ended or self.broken is not None:
            self.offset += size
            return
        if self._carry and size < self._lack:
            # Within long headers: kept aside until they are complete, so that nothing is copied twice.
            self._more.append(bytes(data))
            self._lack -= size
            self.offset += size
            return
        try:
            self._walk(data, size)
        except (Unsound, ValueError) as error:
            self.broken = str(error) or type(error).__name__

    def skip(self, size: int) -> bool:
        """The next *size* bytes are not there: whether that harms nothing, since all of them are content."""
        if self._skip < size and not self.ended:
            return False
        self._skip = max(0, self._skip - size)
        self.offset += size
        return True

    def jump(self, offset: int) -> None:
        """What lies before *offset* is lost, and a member begins there: go on with the bytes from there."""
        if self._batch.heads:
            self._emitted += len(self._batch.heads)
            self._emit(self._batch)
        self._batch, self.offset, self._skip, self._carry = Batch(offset), offset, 0, b""
        self._more.clear()

    def finish(self) -> bool:
        """The archive is complete: hand on the last members; whether the list is complete, too."""
        if self.broken is None and not self.ended:
            self.broken = "the archive has no end"
        if self._batch.heads and self.broken is None:
            self._emit(self._batch)
        return self.broken is None

    # ------------------------------------------------------------ one piece

    def _walk(self, data: memoryview, size: int) -> None:
        at, base = self._skip, self.offset
        self._skip = 0
        if self._carry:
            at = self._complete(data, size)
        triple, single, times, steps = _TRIPLE.unpack_from, _SINGLE.unpack_from, TIME_ONLY.get, _STEPS.get
        add, add_blocks = self._batch.heads.append, self._batch.blocks.append
        last = size - _TRIPLE_BYTES
        while 0 <= at <= last and not self.ended:
            length, kind, body, head, prefix = triple(data, at)
            if kind == b"x":
                if not body.startswith(times(length, ())) or head[156] not in _PLAIN or prefix != b"\0":
                    at = self._odd(data, at, base)
                    continue
                at += _TRIPLE_BYTES
                add_blocks(3)
            elif kind in b"05":
                head, prefix = single(data, at)
                if prefix != b"\0":
                    at = self._odd(data, at, base)
                    continue
                at += BLOCK
                add_blocks(1)
            else:
                at = self._odd(data, at, base)
                continue
            add(head)
            field = head[124:136]
            step = steps(field)
            at += _step(field) if step is None else step
        # What is left of this piece: behind the last header, within one, or nothing at all.
        while 0 <= at < size and not self.ended:
            at = self._odd(data, at, base)
        if not self.ended and at >= size:
            self._skip = at - size
        self.offset = base + size
        if len(self._batch.heads) >= BATCH or self._batch.listed_bytes >= LISTED_BYTES:
            full, self._batch = self._batch, Batch(self.offset + self._skip - len(self._carry))
            self._emitted += len(full.heads)
            self._emit(full)

    def _complete(self, data: memoryview, size: int) -> int:
        """The member whose headers began in the pieces before: the position behind it in *data*, or -1 as `_odd`.

        No more of *data* is copied than its headers need.
        """
        whole = b"".join((self._carry, *self._more))
        self._more.clear()
        at, used = -1, 0
        while at < 0 and not self.ended:
            more = bytes(data[used : used + self._lack])
            used += len(more)
            self._lack -= len(more)
            whole += more
            self._carry = whole
            if self._lack:
                return -1
            self._carry = b""
            at = self._odd(memoryview(whole), 0, self.offset + used - len(whole))
        return at - len(whole) + used

    # ------------------------------------------------------------ one member, the long way

    def _odd(self, data: memoryview, start: int, base: int) -> int:
        """Add the member at *start*; the position behind its content, or -1 where the piece ends within its headers."""
        at, size = start, len(data)
        records: dict[bytes, bytes] = {}
        while True:
            if size - at < BLOCK:
                return self._hold(data, start, at + BLOCK)
            header = bytes(data[at : at + BLOCK])
            if not checked(header):
                if header == _ZEROS and at == start:
                    self.ended = True
                    return -1
                raise Unsound(f"no member's header lies at byte {base + at}")
            kind = header[156]
            content = odd_size(header[124:136])
            if kind not in (_X, _LONG_NAME, _LONG_LINK):
                break
            behind = at + BLOCK + (content + 511 & -512)
            if behind - start > _HEADERS_BYTES_MAX:
                raise Unsound("a member's extended headers are larger than any that a backup makes")
            if behind > size:
                return self._hold(data, start, behind + BLOCK)
            body = bytes(data[at + BLOCK : at + BLOCK + content])
            if kind == _X:
                records.update(pax_records(body))
                self.acls = self.acls or b"SCHILY.acl." in body
            else:
                records[b"path" if kind == _LONG_NAME else b"linkpath"] = body.partition(b"\0")[0]
            at = behind
        self._add(header, kind, content, records, (at - start) // BLOCK + 1)
        if b"size" in records:
            content = decimal(records[b"size"])
        return at + BLOCK + (content + 511 & -512)

    def _hold(self, data: memoryview, start: int, want: int) -> int:
        """Keep what there is of headers that need the bytes up to *want*."""
        self._carry = bytes(data[start:])
        self._lack = want - len(data)
        return -1

    def _add(self, header: bytes, kind: int, content: int, records: dict[bytes, bytes], blocks: int) -> None:
        if kind in _WITHOUT_CONTENT:
            if content:
                raise Unsound("a member without content claims to have some")
        elif kind not in _WITH_CONTENT:
            raise Unsound(f"a member of a kind that no backup makes ({kind:#04x})")
        odd: dict[str, bytes | int] = {}
        path = records.get(b"GNU.sparse.name", records.get(b"path"))
        if path is not None:
            odd["path"] = path
        elif header[345]:
            odd["path"] = header[345:500].partition(b"\0")[0] + b"/" + header[:100].partition(b"\0")[0]
        if kind in b"12":
            odd["link"] = records.get(b"linkpath", header[157:257].partition(b"\0")[0])
        if records.get(b"mtime", b"")[:1] == b"-":
            # The ustar header cannot say a time before 1970; tar rounds towards the past.
            odd["mtime"] = math.floor(float(records[b"mtime"]))
        if b"size" in records:
            odd["size"] = decimal(records[b"size"])
        for key in (b"GNU.sparse.realsize", b"GNU.sparse.size"):
            if key in records:
                odd["real"] = decimal(records[key])
        if blocks > 255:
            odd["blocks"] = blocks
        if self._folders and kind == _FOLDER and b"GNU.dumpdir" in records:
            listed = records[b"GNU.dumpdir"]
            self._batch.listed[len(self._batch.heads)] = listed
            self._batch.listed_bytes += len(listed)
        if odd:
            self._batch.odd[len(self._batch.heads)] = odd
        self._batch.heads.append(header[:HEAD_BYTES])
        self._batch.blocks.append(min(blocks, 255))


def _step(field: bytes) -> int:
    """The bytes that a content takes whose size is in *field*, whole blocks. Raises Unsound."""
    step = (int(field[:11], 8) if field[11] == 0 and field[:11].isdigit() else odd_size(field)) + 511 & -512
    if len(_STEPS) >= _STEPS_MAX:
        _STEPS.clear()
    _STEPS[field] = step
    return step
