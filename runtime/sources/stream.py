"""``stream`` sources: the bytes of one file, block device, FIFO, or standard input (``-``)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path

from ..model import Ending
from ..plan import Source
from . import base as sources
from .children import enlarge


class StreamSource:
    """An open file. A file that grows or shrinks while it is read is just the bytes that were read, with a warning."""

    def __init__(self, source: Source, *, base: Path) -> None:
        assert source.stream is not None
        self.size = source.size
        self.title = "standard input"
        if source.stream == "-":
            try:
                self.fd = os.dup(0)
            except OSError as error:
                raise sources.fault(source, f"standard input cannot be read: {error.strerror}") from None
            if fcntl.fcntl(self.fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
                self.close()
                raise sources.fault(
                    source, "standard input was closed, or is open for writing only", todo="pipe the data into the run"
                )
            self._look_at(source)
            return
        self.title = path = sources.place_of(source.stream, base)
        try:
            # Without O_NONBLOCK the opening of a FIFO waits for its writer, and could not be called off.
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.ENXIO:
                raise sources.fault(source, f"{path} is a socket: it cannot be read as a stream") from None
            what = getattr(error, "strerror", None) or str(error)
            raise sources.fault(
                source, f"{path} cannot be opened: {what}", todo="see that it exists and may be read"
            ) from None
        self._look_at(source)

    def _look_at(self, source: Source) -> None:
        try:
            self._look(source)
        except OSError as error:
            self.close()
            raise sources.fault(source, f"{self.title} cannot be read: {error.strerror}") from None

    def _look(self, source: Source) -> None:
        self._before = found = os.fstat(self.fd)
        if stat.S_ISDIR(found.st_mode):
            self.close()
            raise sources.fault(
                source,
                f"{self.title} is a folder: it cannot be read as a stream",
                todo="declare the source with `files = …`",
            )
        self.waits = not stat.S_ISREG(found.st_mode)
        if not self.waits:
            self.size = max(0, found.st_size - os.lseek(self.fd, 0, os.SEEK_CUR))
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        elif stat.S_ISFIFO(found.st_mode):
            enlarge(self.fd)

    def finish(self) -> Ending:
        """The end of the bytes is a good end; a file that changed meanwhile is none of one moment, which is said."""
        if self.waits:
            return Ending("whole")
        try:
            before, now = self._before, os.fstat(self.fd)
            got = os.lseek(self.fd, 0, os.SEEK_CUR)
        except OSError as error:
            raise sources.unreadable(self, error) from None
        if (before.st_size, before.st_mtime_ns) == (now.st_size, now.st_mtime_ns) and got == now.st_size:
            return Ending("whole")
        changed = f"{self.title} changed while it was read: it had {before.st_size} bytes at first, {got} were read"
        return Ending("whole", warnings=(changed,))

    def close(self) -> None:
        """Close it. What was read is read: what its file system says to that is of no use."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)
