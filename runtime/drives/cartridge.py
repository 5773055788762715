"""One volume of a virtual tape while it is written.

Bytes before ``position`` are whole members; behind it may lie what a write left half done. On a disk that
runs full, room for index, pointer and end is kept allocated ahead of ``position``, so that what was written can still
be confirmed (W6). Once an fsync has failed nothing on the volume is confirmed any more: the kernel may have dropped
what it could not write (W9).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
from pathlib import Path
from typing import Final

from ..faults import DriveFault, Place
from ..media import index as index_format
from ..media import ustar
from ..media.index import Index
from ..media.label import VolumeLabel
from .magazine import fault_of

END: Final = len(ustar.END)
#: How far ahead of the records disk room is taken, bytes.
_AHEAD: Final = 16 * 1024 * 1024
#: A disk with this much free needs no room taken ahead: it costs a twentieth of a write to memory (measured) ...
_PLENTY: Final = 4 * 1024 * 1024 * 1024
#: ... when one looks again after so many bytes, long before other writers can have filled it.
_LOOK_AGAIN: Final = 64 * 1024 * 1024
_SAFE: Final = "earlier sessions on this volume, and what the report calls stored"


class Cartridge:
    """An open volume file, owned, and where it is written next.

    ``first`` is where this session's records begin, ``previous`` the position of the index before them. ``dirty``: the
    file may hold something behind ``position`` other than the archive's end. ``unsure``: an fsync failed.
    """

    def __init__(self, fd: int, label: VolumeLabel, path: Path, position: int, previous: int | None) -> None:
        self.label = label
        self.path = path
        self.position = self.first = position
        self.previous = previous
        self.dirty = False
        self.unsure = False
        self._fd = fd
        self._allocated = 0
        self._can_allocate = True
        self._plenty_until = 0

    def append(self, records: memoryview, room: int, object_id: str, sequence: int, *, each: int) -> None:
        """Write records of *each* bytes, of which *sequence* is the first, with *room* bytes kept behind them.

        Raises DriveFault, DriveFullFault; :attr:`position` is then behind the last one that was written whole.
        """
        place = Place(None, self.label.drive, self.label.name, object_id, sequence, self.position)
        self._keep_room(len(records) + room, place)
        self._put(records, place, each)

    def append_index(self, index: Index) -> Index:
        """Write index, pointer and end; they are on the medium when this returns the index with its position."""
        data = index_format.encode(index, self.position)
        self._put(memoryview(data + ustar.END), self._place())
        self._cut(self.position + len(data) + END)
        self.sync("its index")
        self._see_it_there()
        self.previous = self.position
        self.position += len(data)
        self.first = self.position
        self.dirty = False
        return dataclasses.replace(index, position=self.previous)

    def restore_end(self) -> None:
        """Make the volume end where its last whole member ends, on the medium."""
        self._cut(self.position)
        self._put(memoryview(ustar.END), self._place())
        self.sync("its end")
        self.dirty = False

    def sync(self, what: str) -> None:
        """Wait until the medium has all that was written. Raises DriveFault where it does not confirm."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            self.unsure = True
            raise fault_of(error, f"the medium does not confirm {what}", self._place(), safe=_SAFE) from None

    def _see_it_there(self) -> None:
        """What was removed while it was open still takes bytes, and fsync confirms them to nobody."""
        try:
            own = os.fstat(self._fd)
            found = self.path.lstat()
        except FileNotFoundError:
            found = None
        except OSError as error:
            self.unsure = True
            raise fault_of(error, f"its file {self.path} cannot be looked up", self._place(), safe=_SAFE) from None
        if found is None or (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino):
            self.unsure = True
            raise DriveFault(
                f"its file {self.path} was {'replaced' if found else 'removed'} while it was written",
                place=self._place(),
                safe="other drives' copies",
                todo="see who removes files there (is the medium still mounted?)",
            )

    def close(self) -> None:
        """Give the file back. What was confirmed was confirmed by fsync; what was not is not claimed."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _place(self) -> Place:
        return Place(drive=self.label.drive, volume=self.label.name, position=self.position)

    def _keep_room(self, size: int, place: Place) -> None:
        needed = self.position + size
        if needed <= max(self._allocated, self._plenty_until) or not self._can_allocate:
            return
        if self._has_plenty():
            self._plenty_until = needed + _LOOK_AGAIN
            return
        from .allocate import keep_room  # it loads ctypes, which a disk with plenty of room never needs

        ends = [needed + _AHEAD, needed]
        if self.label.capacity is not None:
            ends[0] = max(needed, min(ends[0], self.label.capacity))
        start = max(self._allocated, self.position)
        for end in ends:
            try:
                self._can_allocate = keep_room(self._fd, start, end - start)
            except OSError as error:
                if end == needed:
                    raise fault_of(error, "there is no room for the next record", place, safe=_SAFE) from None
            else:
                self._allocated = end
                return

    def _has_plenty(self) -> bool:
        if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
            return False
        try:
            disk = os.fstatvfs(self._fd)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize >= _PLENTY

    def _put(self, data: memoryview, place: Place, each: int = 0) -> None:
        """Write *data* at :attr:`position`, which moves behind those of its parts of *each* bytes that got there."""
        done = 0
        self.dirty = True
        try:
            while done < len(data):
                try:
                    got = os.pwrite(self._fd, data[done:] if done else data, self.position + done)
                except OSError as error:
                    raise fault_of(error, "writing failed", _part(place, done, each), safe=_SAFE) from None
                if got == 0:
                    raise DriveFault("the medium takes no more bytes", place=_part(place, done, each), safe=_SAFE)
                done += got
        finally:
            if each:
                self.position += done - done % each

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise fault_of(error, "it cannot be cut to its end", self._place(), safe=_SAFE) from None
        self._allocated = 0


def _part(place: Place, done: int, each: int) -> Place:
    """Where the part of *each* bytes lies that was being written, *done* bytes behind *place*."""
    if not each or place.sequence is None or place.position is None:
        return place
    whole = done // each
    return dataclasses.replace(place, sequence=place.sequence + whole, position=place.position + whole * each)
