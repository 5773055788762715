"""The file of one spool: places of one record each, taken and given back. Nothing of it outlives the process.

The file has no name (O_TMPFILE, or unlinked as soon as it is open), so that a crash leaves nothing behind; its mode is
0600. Places that are given back are used again, and when all are back the file is cut to nothing: it never grows beyond
what waited at one time. What waits costs 32 bytes of memory a record beside the disk, 8 of them a digest: no disk says
that it gives back other bytes than it got, and the drive would call them stored.
"""

from __future__ import annotations

import contextlib
import errno
import os
from array import array
from pathlib import Path
from typing import Final

from xxhash import xxh3_64_intdigest

from ..faults import DriveFault, DriveFullFault, Place

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TODO: Final = "give the spool more room (`spool`, `spool_size`), or the drive a faster way"


class SpoolFile:
    """Places of *record_bytes* in a file in *folder*. ``used_bytes`` may be read by any thread.

    *limit_bytes*: None for what the folder has free. The file is made at the first :meth:`put`.
    """

    def __init__(self, folder: Path, record_bytes: int, limit_bytes: int | None, drive: str) -> None:
        self._folder = folder
        self._record_bytes = record_bytes
        self._limit = limit_bytes
        self._place = Place(drive=drive)
        self._fd = -1
        self._free = array("I")
        #: of what lies in each place, or lay there last
        self._digests = array("Q")
        self.used_bytes = 0

    def check(self) -> None:
        """Make the folder where it lacks, and see that a file can be made in it. Raises DriveFault."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(self._nameless())
        except OSError as error:
            raise DriveFault(
                f"its spool {self._folder} cannot be used: {error.strerror}",
                place=self._place,
                safe="nothing was written to it",
                todo="name a folder that may be written, with room for what waits",
            ) from None

    def put(self, record: memoryview) -> int:
        """Keep *record*; the number of its place. Raises DriveFullFault where there is no room, DriveFault."""
        if self._limit is not None and self.used_bytes + self._record_bytes > self._limit:
            raise self._full(f"{self._limit} bytes are its spool_size")
        number = self._free.pop() if self._free else len(self._digests)
        position, done = number * self._record_bytes, 0
        try:
            if self._fd < 0:
                self._fd = self._nameless()
            while done < len(record):
                done += os.pwrite(self._fd, record[done:], position + done)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise self._full(error.strerror or "no room") from None
            raise self._broken("written", error) from None
        digest = xxh3_64_intdigest(record)
        if number == len(self._digests):
            self._digests.append(digest)
        else:
            self._digests[number] = digest
        self.used_bytes += self._record_bytes
        return number

    def take(self, number: int, into: memoryview) -> None:
        """Read the record at place *number* back, all of *into*, and give the place back.

        Raises DriveFault, also where it is not what was put there.
        """
        position, done = number * self._record_bytes, 0
        try:
            while done < len(into):
                got = os.preadv(self._fd, [into[done:]], position + done)
                if got == 0:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                done += got
        except OSError as error:
            raise self._broken("read", error) from None
        if xxh3_64_intdigest(into) != self._digests[number]:
            raise self._fault("gave back other bytes than it was given")
        self.drop(number)

    def drop(self, number: int) -> None:
        """Give the place *number* back unread."""
        self._free.append(number)
        self.used_bytes -= self._record_bytes
        if not self.used_bytes:
            self._free, self._digests = array("I"), array("Q")
            try:
                os.ftruncate(self._fd, 0)
            except OSError as error:
                raise self._broken("cut", error) from None

    def close(self) -> None:
        """Give file and room back. What its disk says to that is of no use: none of it is wanted any more."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def hanging(self, seconds: float) -> DriveFault:
        """What is told of a call that has not returned for so long."""
        return DriveFault(
            f"its spool {self._folder} has not answered for {round(seconds)} s: it hangs",
            place=self._place,
            safe="what the report calls stored; the other copies",
            todo="look at the spool's disk and the kernel's log, or name another folder (`spool`)",
        )

    def _nameless(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(self._folder, flags | os.O_TMPFILE, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
                raise
        name = self._folder / f".tapechain-{os.urandom(8).hex()}.spool"
        fd = os.open(name, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        name.unlink()
        return fd

    def _full(self, why: str) -> DriveFullFault:
        return DriveFullFault(
            f"its spool {self._folder} is full with {self.used_bytes} bytes waiting: {why}",
            place=self._place,
            safe="what the report calls stored; the other copies",
            todo=_TODO,
        )

    def _broken(self, what: str, error: OSError) -> DriveFault:
        return self._fault(f"cannot be {what}: {error.strerror or error}")

    def _fault(self, what: str) -> DriveFault:
        return DriveFault(
            f"its spool {self._folder} {what}",
            place=self._place,
            safe="what the report calls stored; the other copies",
            todo="check the spool's disk",
        )
