"""Batches of members, packed: what a frame of a member list holds (its file: see :mod:`.lists`).

A packed batch is zlib's work over: the heads (157 bytes each), the counts of header blocks (one byte each), and JSON of
what is odd (see :class:`~.walk.Batch`), with bytes as text where each byte is one character. In version 2 the JSON's
size (u32) stands before it, and behind it the list of each folder that bears one: its number in the batch (u32), its
size (u32), the list as tar wrote it (``GNU.dumpdir``). Objects of the level ``incremental`` have such lists: what was
deleted since their parent follows from them. All numbers are little-endian.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

from ..frozen import frozen
from ..restore.headers import BLOCK, Unsound, odd_size
from .walk import HEAD_BYTES, Batch

_LISTED: Final = struct.Struct("<II")
_JSON: Final = struct.Struct("<I")
#: Largest batch, packed or unpacked, that is taken from a file. One is at most what a record of 16 MiB holds, and the
#: list of one folder (at most 256 MiB: see ``walk``).
BATCH_BYTES_MAX: Final = 320 << 20
#: Fast, and only a tenth larger than the default (measured on /usr: 19 and 17 bytes a member).
_LEVEL: Final = 1

_KINDS: Final = {0x30: "file", 0: "file", 0x37: "file", 0x31: "hardlink", 0x32: "symlink", 0x33: "char"} | {
    0x34: "block", 0x35: "folder", 0x36: "fifo",
}  # fmt: skip


class BadList(Exception):
    """A list that cannot be believed; ``str()`` says why. It is made anew from the object."""


@frozen
class Member:
    """One member of an archive.

    ``name`` and ``link`` as the archive has them (bytes, relative to ``/``); ``size`` in bytes of the file as it is
    restored; ``offset`` of its first header in the archive, ``data`` of its content, ``end`` of the next member;
    ``mtime`` in whole seconds since 1970. ``listed``: what a folder of an incremental archive held, as tar wrote it,
    where the list keeps that; else None.
    """

    name: bytes
    kind: str
    size: int
    mode: int
    mtime: int
    link: bytes
    offset: int
    data: int
    end: int
    listed: bytes | None = None


def pack(batch: Batch, *, folders: bool = False) -> bytes:
    """A batch as a file holds it; with *folders*, as one of version 2 does."""
    odd = {
        str(n): {k: v.decode("latin-1") if isinstance(v, bytes) else v for k, v in what.items()}
        for n, what in batch.odd.items()
    }
    tail = json.dumps(odd, separators=(",", ":")).encode() if odd else b""
    parts: list[bytes | bytearray] = [*batch.heads, batch.blocks]
    if folders:
        parts += [_JSON.pack(len(tail)), tail]
        for n, listed in batch.listed.items():
            parts += [_LISTED.pack(n, len(listed)), listed]
    else:
        parts.append(tail)
    return zlib.compress(b"".join(parts), _LEVEL)


def unpack(packed: bytes, members: int, start: int, *, folders: bool = False) -> Iterator[Member]:
    """The members of a packed batch; *folders*: of a list of version 2. Raises BadList."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, BATCH_BYTES_MAX)
        if not unpacker.eof or members > len(data) // (HEAD_BYTES + 1):
            raise BadList("a batch is not what it claims to be")
        heads = members * HEAD_BYTES
        at, end, listed = heads + members, len(data), {}
        if folders:
            (size,) = _JSON.unpack_from(data, at)
            at, end = at + _JSON.size, at + _JSON.size + size
            listed = _listed(data, end, members)
        odd: dict[str, Any] = json.loads(data[at:end]) if end > at else {}
        for n in range(members):
            head = data[n * HEAD_BYTES : (n + 1) * HEAD_BYTES]
            what = odd.get(str(n)) if odd else None
            member = _member(head, data[heads + n], what, start, listed.get(n) if listed else None)
            yield member
            start = member.end
    except (zlib.error, struct.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadList(f"a batch cannot be read: {error}") from None
    except Unsound as error:
        raise BadList(f"a batch cannot be read: {error}") from None


def _listed(data: bytes, at: int, members: int) -> dict[int, bytes]:
    """Number in the batch → the folder's list, in order. Raises BadList."""
    found: dict[int, bytes] = {}
    last = -1
    while at < len(data):
        n, size = _LISTED.unpack_from(data, at)
        if not last < n < members:
            raise BadList("a batch lists the same folder twice, or one that it has not")
        last = n
        at += _LISTED.size
        found[n] = data[at : at + size]
        at += size
    if at != len(data):
        raise BadList("a batch is not what it claims to be")
    return found


def _member(head: bytes, blocks: int, odd: dict[str, Any] | None, start: int, listed: bytes | None) -> Member:
    size = odd_size(head[124:136])
    when = _time(head[136:148])
    name, link, real = head[:100].partition(b"\0")[0], b"", None
    if odd:
        blocks = _whole(odd.get("blocks", blocks))
        size = _whole(odd.get("size", size))
        real = _whole(odd["real"]) if "real" in odd else None
        if "path" in odd:
            name = odd["path"].encode("latin-1")
        link = odd.get("link", "").encode("latin-1")
        when = _whole(odd.get("mtime", when), -(1 << 63))
    data = start + blocks * BLOCK
    return Member(
        name=name,
        kind=_KINDS[head[156]],
        size=size if real is None else real,
        mode=odd_size(head[100:108].rjust(12, b"0")) & 0o7777,
        mtime=when,
        link=link,
        offset=start,
        data=data,
        end=data + (size + 511 & -512),
        listed=listed,
    )


def _whole(value: object, low: int = 0) -> int:
    if type(value) is not int or not low <= value < 1 << 63:
        raise ValueError(f"{value!r:.40} is no such number")
    return value


def _time(field: bytes) -> int:
    """Seconds; negative ones (before 1970) are in base 256."""
    if field[0] == 0xFF:
        return int.from_bytes(field, "big", signed=True)
    try:
        return odd_size(field)
    except Unsound:
        return 0
