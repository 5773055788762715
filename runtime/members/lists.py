"""Member lists as files: written while an object is read, kept beside the catalog, remade from the object when lost.

A list belongs to an object, which never changes, so that it is never out of date: it is there, whole, or it is not. It
is a cache in all but the name, and everything that it says is checked against the archive itself before a byte of it
is used. Layout, all numbers little-endian:

    ``tapechain members 1\\n``; with ``2`` the lists of folders are kept, too
    frames         packed bytes (u32), members (u32), offset of the first one in the archive (u64), the packed batch
    last frame     1 where a member has an access control list, else 0; 0; offset of the archive's end
    end            members (u64), XXH3-128 of all that comes before the digest (16 bytes)

A packed batch is zlib's work over: the heads (157 bytes each), the counts of header blocks (one byte each), and JSON of
what is odd (see :class:`~.walk.Batch`), with bytes as text where each byte is one character. In version 2 the JSON's
size (u32) stands before it, and behind it the list of each folder that bears one: its number in the batch (u32), its
size (u32), the list as tar wrote it (``GNU.dumpdir``). Objects of the level ``incremental`` have such lists: what was
deleted since their parent follows from them. A tree's list takes 15 to 25 bytes a member, so that ten million files
need about 200 MB on the disk, and less than 1 MiB of memory at a time (beyond what one folder's own list takes).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from ..faults import RestoreFault
from ..frozen import frozen
from ..media.ids import is_id
from ..plain_files import open_plain
from ..restore.headers import BLOCK, Unsound, odd_size
from .walk import HEAD_BYTES, Batch, MemberTap

MAGIC: Final = b"tapechain members 1\n"
#: As long as the other one.
MAGIC_FOLDERS: Final = b"tapechain members 2\n"
_LISTED: Final = struct.Struct("<II")
_JSON: Final = struct.Struct("<I")
_FRAME: Final = struct.Struct("<IIQ")
_COUNT: Final = struct.Struct("<Q")
_END: Final = struct.Struct("<Q16s")
#: Largest batch that is taken from a file, packed and unpacked. One batch is at most what a record of 16 MiB holds, and
#: the list of one folder (at most 256 MiB: see ``walk``).
_PACKED_MAX: Final = 320 << 20
_UNPACKED_MAX: Final = 320 << 20
#: Fast, and only a tenth larger than the default (measured on /usr: 19 and 17 bytes a member).
_LEVEL: Final = 1
_CHUNK: Final = 1 << 20

_KINDS: Final = {0x30: "file", 0: "file", 0x37: "file", 0x31: "hardlink", 0x32: "symlink", 0x33: "char"} | {
    0x34: "block", 0x35: "folder", 0x36: "fifo",
}  # fmt: skip


class BadList(Exception):
    """A list that cannot be believed; ``str()`` says why. It is made anew from the object."""


def _lies(path: Path, why: object) -> RestoreFault:
    """What is said of a list whose digest is right although it contradicts itself: nobody of ours wrote it."""
    return RestoreFault(
        f"the list of members {path} contradicts itself: {why}",
        safe="the object itself is not touched by this",
        todo="remove that file and say it again: the list is made anew from the object",
    )


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


class ListWriter:
    """Writes the list of one object aside; :meth:`keep` brings it under its name, :meth:`drop` forgets it.

    :meth:`feed` is the tap: it takes the archive's bytes in pieces of any length. What goes wrong on the way (a full
    disk) ends the list and nothing else: ``why`` then says what. *folders*: the lists that folders bear are kept, too.
    """

    def __init__(self, path: Path, *, folders: bool = False) -> None:
        from xxhash import xxh3_128

        self.path = path
        self.why: str | None = None
        self._folders = folders
        self._tap = MemberTap(self._batch, folders=folders)
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        self._digest = xxh3_128()
        self._file: BinaryIO | None = None
        self._members = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Names of others' files: for the owner alone.
            self._file = os.fdopen(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            self._write(MAGIC_FOLDERS if folders else MAGIC)
        except OSError as error:
            self._give_up(error)

    def feed(self, data: memoryview) -> None:
        """The next bytes of the archive. Never raises."""
        if self.why is None:
            try:
                self._tap.feed(data)
            except OSError as error:
                self._give_up(error)

    def jump(self, offset: int) -> None:
        """What lies before *offset* is lost, and a member begins there. Never raises."""
        if self.why is None:
            try:
                self._tap.jump(offset)
            except OSError as error:
                self._give_up(error)

    def skip(self, size: int) -> bool:
        """The next *size* bytes are lost: whether all of them are content, so that nothing of the list is."""
        return self.why is None and self._tap.skip(size)

    def ended(self) -> None:
        """The archive's end is lost: what was seen is all that there is. Never raises."""
        self.feed(memoryview(bytes(2 * BLOCK)))

    def keep(self) -> bool:
        """The archive is complete: whether the list is, and stands under its name now."""
        if self.why is None:
            try:
                if not self._tap.finish():
                    self._give_up(self._tap.broken or "")
                else:
                    self._write(_FRAME.pack(self._tap.acls, 0, self._tap.offset))
                    count = _COUNT.pack(self._members)
                    self._digest.update(count)
                    self._write(count + self._digest.digest())
                    assert self._file is not None
                    self._file.close()
                    self._partial.replace(self.path)
                    self._file = None
            except OSError as error:
                self._give_up(error)
        return self.why is None

    def drop(self) -> None:
        """Forget what was written. Safe after anything."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._partial.unlink(missing_ok=True)
        if self.why is None:
            self.why = "the object is not whole"

    def _batch(self, batch: Batch) -> None:
        packed = pack(batch, folders=self._folders)
        self._write(_FRAME.pack(len(packed), len(batch.heads), batch.start))
        self._write(packed)
        self._members += len(batch.heads)

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._digest.update(data)

    def _give_up(self, error: OSError | str) -> None:
        self.why = error if isinstance(error, str) else error.strerror or str(error)
        try:
            self.drop()
        except OSError:
            pass  # the partial file stays; the next run's cleaning takes it


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
        data = unpacker.decompress(packed, _UNPACKED_MAX)
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


class MemberList:
    """A whole list, opened for reading; a context manager. Its digest was checked when it was opened.

    ``members`` is their count, ``acls`` whether any of them has an access control list, ``end`` the offset of the
    archive's end (behind its last byte), ``folders`` whether the lists of folders are kept.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError, and BadList where it is not a whole list."""
        from xxhash import xxh3_128

        self._path = path
        self._file = open_plain(path)
        try:
            size = os.fstat(self._file.fileno()).st_size
            left = size - _END.size
            if left < len(MAGIC) + _FRAME.size:
                raise BadList("it is cut off")
            digest = xxh3_128()
            while left:
                chunk = self._file.read(min(left, _CHUNK))
                if not chunk:
                    raise BadList("it is cut off")
                digest.update(chunk)
                left -= len(chunk)
            self.members, told = _END.unpack(self._file.read(_END.size))
            digest.update(_COUNT.pack(self.members))
            self._file.seek(size - _END.size - _FRAME.size)
            acls, none, self.end = _FRAME.unpack(self._file.read(_FRAME.size))
            self._file.seek(0)
            self.acls = bool(acls)
            magic = self._file.read(len(MAGIC))
            self.folders = magic == MAGIC_FOLDERS
            if told != digest.digest() or acls > 1 or none or magic not in {MAGIC, MAGIC_FOLDERS}:
                raise BadList("its digest is wrong, or it is no list of this version")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> MemberList:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Member]:
        """All members, in the order of the archive. Raises RestoreFault where it contradicts itself."""
        at = len(MAGIC)
        while True:
            self._file.seek(at)  # several may walk it at a time
            frame = self._file.read(_FRAME.size)
            if len(frame) < _FRAME.size:
                raise _lies(self._path, "it has no end")
            packed_bytes, members, start = _FRAME.unpack(frame)
            if not members:
                return
            if packed_bytes > _PACKED_MAX:
                raise _lies(self._path, "a batch is larger than any that is written")
            packed = self._file.read(packed_bytes)
            at += _FRAME.size + packed_bytes
            try:
                yield from unpack(packed, members, start, folders=self.folders)
            except BadList as bad:
                raise _lies(self._path, bad) from None


class ListFolder:
    """Where the lists of a catalog's objects lie: one file an object, in a folder beside the catalog."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, object_id: str) -> Path:
        """The file of an object's list. Raises ValueError where *object_id* is no identifier."""
        if not is_id(object_id):
            raise ValueError(f"{object_id!r} is no object's identifier")
        return self.folder / f"{object_id}.members"

    def begin(self, object_id: str, *, folders: bool = False) -> ListWriter:
        """A writer for the list of an object; *folders*: see :class:`ListWriter`."""
        return ListWriter(self.path(object_id), folders=folders)

    def open(self, object_id: str) -> MemberList | None:
        """The object's list, or None where there is none, or none that can be believed."""
        try:
            return MemberList(self.path(object_id))
        except (OSError, BadList):
            return None

    def take(self, made: Path, object_id: str) -> None:
        """Keep a copy of the list *made* elsewhere, if the folder can be written."""
        target = self.path(object_id)
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            import shutil  # rarely needed, and slow to load

            shutil.copyfile(made, partial)
            partial.replace(target)
        except OSError:
            try:
                partial.unlink(missing_ok=True)
            except OSError:
                pass  # a folder that is not ours to write

    def forget(self, object_id: str) -> None:
        """Remove an object's list (the object is gone)."""
        self.path(object_id).unlink(missing_ok=True)
