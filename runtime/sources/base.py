"""What a reader thread needs of a source: a descriptor, how it ended, and how it is called off."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..faults import Place, SourceFault
from ..model import Ending
from ..plan import Source


class Cancel:
    """Calls one source off, from any thread; a descriptor makes it visible to ``poll``. The first reason counts."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Readable once the source is called off."""
        return self._fd

    def set(self, reason: str) -> None:
        """Call the source off because of *reason*."""
        if self.reason is None and self._fd >= 0:
            self.reason = reason
            os.eventfd_write(self._fd, 1)

    def close(self) -> None:
        """Give the descriptor back; no thread may use it any more."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


#: Sees every plain byte of a source once, in order, before it is compressed. The view is valid only during the call.
Tap = Callable[[memoryview], None]


class Called(Exception):
    """Raised inside a source that waits when it is called off."""


class OpenSource(Protocol):
    """A source that is being read."""

    @property
    def title(self) -> str:
        """What is read, for messages."""

    @property
    def fd(self) -> int:
        """Descriptor to read the object's bytes from, to its end."""

    @property
    def waits(self) -> bool:
        """Whether reading may block (a pipe, a FIFO, a terminal), so that ``poll`` comes first."""

    @property
    def size(self) -> int | None:
        """Bytes that are expected, where that is known."""

    def finish(self) -> Ending:
        """After the end of the bytes: how it ended. May wait for a process; raises :class:`Called` when called off."""

    def close(self) -> None:
        """Stop what still runs, reap it, close what is open. Idempotent, after success and failure alike."""


class ReadableSource(OpenSource, Protocol):
    """A source as a reader's thread has it: its bytes as they go into records."""

    def read(self, view: memoryview) -> int:
        """Fill the beginning of *view*; 0 at the end. Blocks; raises :class:`Called` when called off, or a Fault."""


class PlainSource:
    """An open source whose bytes go into the records as they are."""

    def __init__(self, inner: OpenSource, *, cancel: Cancel, tap: Tap | None = None) -> None:
        self.waits = inner.waits
        self.size = inner.size
        self.title = inner.title
        self._inner = inner
        self._cancel = cancel
        self._tap = tap
        self._poll = select.poll()
        if inner.waits:
            self._poll.register(inner.fd, select.POLLIN)
            self._poll.register(cancel.fileno(), select.POLLIN)

    @property
    def fd(self) -> int:
        """The descriptor that is read."""
        return self._inner.fd

    def read(self, view: memoryview) -> int:
        """As :meth:`EncodedSource.read`: straight into *view*."""
        while True:
            if self.waits:
                if any(ready == self._cancel.fileno() for ready, _ in self._poll.poll()):
                    raise Called
            elif self._cancel.reason is not None:
                raise Called
            try:
                count = os.readv(self._inner.fd, [view])
            except BlockingIOError:
                continue
            except OSError as error:
                raise unreadable(self._inner, error) from None
            if count and self._tap is not None:
                self._tap(view[:count])
            return count

    def finish(self) -> Ending:
        """As the source's own."""
        return self._inner.finish()

    def close(self) -> None:
        """As the source's own."""
        self._inner.close()


def fault(source: Source, message: str, *, todo: str = "") -> SourceFault:
    """A :class:`SourceFault` of this source, in one form."""
    return SourceFault(message, place=Place(source=source.name), todo=todo)


def unreadable(opened: OpenSource, error: OSError) -> SourceFault:
    """What became of reading *opened*: a file, and where in it, or whatever it is."""
    at = "" if opened.waits else f" at byte {os.lseek(opened.fd, 0, os.SEEK_CUR)}"
    return SourceFault(f"{opened.title} cannot be read{at}: {error.strerror or error}")


def place_of(path: str, base: Path) -> str:
    """*path* of a plan as an absolute path: relative ones are relative to *base*, the plan's folder."""
    return os.path.join(os.path.abspath(base), path)  # noqa: PTH100, PTH118 - text, not resolved, odd bytes kept
