"""Member lists as files: written while an object is read, kept beside the catalog, remade from the object when lost.

A list belongs to an object, which never changes, so that it is never out of date: it is there, whole, or it is not. It
is a cache in all but the name, and everything that it says is checked against the archive itself before a byte of it
is used. Layout, all numbers little-endian:

    ``tapechain members 1\\n``; with ``2`` the lists of folders are kept, too
    frames         packed bytes (u32), members (u32), offset of the first one in the archive (u64), the packed batch
    last frame     1 where a member has an access control list, else 0; 0; offset of the archive's end
    end            members (u64), XXH3-128 of all that comes before the digest (16 bytes)

What a packed batch is says :mod:`.packing`. A tree's list takes 15 to 25 bytes a member, so that ten million files need
about 200 MB on the disk, and less than 1 MiB of memory at a time (beyond what one folder's own list takes).
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from ..faults import RestoreFault
from ..media.ids import is_id
from ..plain_files import open_plain
from ..restore.headers import BLOCK
from .packing import BATCH_BYTES_MAX, BadList, Member, pack, unpack
from .walk import Batch, MemberTap

MAGIC: Final = b"tapechain members 1\n"
#: As long as the other one.
MAGIC_FOLDERS: Final = b"tapechain members 2\n"
_FRAME: Final = struct.Struct("<IIQ")
_COUNT: Final = struct.Struct("<Q")
_END: Final = struct.Struct("<Q16s")
_CHUNK: Final = 1 << 20
_PARTIAL: Final = re.compile(r"[0-9a-f-]{36}\.members\.[0-9]+\.partial", re.ASCII)


def _lies(path: Path, why: object) -> RestoreFault:
    """What is said of a list whose digest is right although it contradicts itself: nobody of ours wrote it."""
    return RestoreFault(
        f"the list of members {path} contradicts itself: {why}",
        safe="the object itself is not touched by this",
        todo="remove that file and say it again: the list is made anew from the object",
    )


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
            with suppress(OSError):  # a file system without locks: then nobody cleans there, either
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
            pass  # the partial file stays; the next run's cleaning (ListFolder.clean) takes it


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
            if packed_bytes > BATCH_BYTES_MAX:
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

    def clean(self) -> None:
        """Remove what killed runs left half written, and nobody holds locked. Never raises."""
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if _PARTIAL.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(OSError), open_plain(Path(entry.path)) as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        Path(entry.path).unlink()

    def forget(self, object_id: str) -> None:
        """Remove an object's list (the object is gone)."""
        self.path(object_id).unlink(missing_ok=True)
