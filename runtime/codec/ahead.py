"""Reading ahead of a compressor: it blocks while all of its threads have work, and the source must not wait for that.

A thread fills buffers from a descriptor; whoever compresses takes them. Between the two are :data:`BUFFERS` buffers,
never more, so that a source waits when the compressor is the slower one.
"""

from __future__ import annotations

import os
import select
import threading
from queue import SimpleQueue
from typing import Final

#: Buffers, and bytes of each.
BUFFERS: Final = 12
PIECE_BYTES: Final = 1 << 20


class Ahead:
    """Reads *fd* to its end. ``fileno`` is readable while a piece (or the end) waits; only one thread takes them."""

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self._free: SimpleQueue[memoryview | None] = SimpleQueue()
        self._filled: SimpleQueue[tuple[memoryview, int, OSError | None]] = SimpleQueue()
        self._news = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_SEMAPHORE | os.EFD_NONBLOCK)
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        for _ in range(BUFFERS):
            self._free.put(memoryview(bytearray(PIECE_BYTES)))
        self._thread = threading.Thread(target=self._run, name=f"ahead of {name}")
        self._thread.start()

    def fileno(self) -> int:
        """For ``poll``."""
        return self._news

    def take(self) -> memoryview:
        """The next piece, empty at the end; only when ``fileno`` is readable. Raises OSError where reading failed."""
        os.eventfd_read(self._news)
        buffer, count, error = self._filled.get()
        if error is not None:
            raise error
        return buffer[:count]

    def give(self, piece: memoryview) -> None:
        """Give a piece's buffer back: nobody uses it any more."""
        assert isinstance(piece.obj, bytearray)
        self._free.put(memoryview(piece.obj))

    def close(self) -> None:
        """End the thread, wherever it waits. Idempotent; the descriptor that was read stays open."""
        if self._news < 0:
            return
        os.eventfd_write(self._stop, 1)
        self._free.put(None)
        self._thread.join()
        os.close(self._news)
        os.close(self._stop)
        self._news = -1

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        while (buffer := self._free.get()) is not None:
            count, error = -1, None
            while count < 0:
                if any(ready == self._stop for ready, _ in poll.poll()):
                    return
                try:
                    count = os.readv(self._fd, [buffer])
                except BlockingIOError:
                    continue
                except OSError as failure:
                    count, error = 0, failure
            self._filled.put((buffer, count, error))
            os.eventfd_write(self._news, 1)
            if count == 0:
                return
