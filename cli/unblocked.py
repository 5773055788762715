"""A standard error that nobody reads never holds a run: a thread of its own writes it; too much is left out.

A pipe whose reader sleeps, a terminal that was stopped: whoever writes there waits, and the run's control with it. Data
is worth more than words about it.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TextIO, cast

#: Characters that wait at most; what comes then is left out, and how much is said.
WAITING_MAX = 1 << 18
#: So long the end of the run waits for a reader that takes nothing.
PATIENCE_SECONDS = 3.0


class Unblocked:
    """Looks like the text stream *stream* as far as anybody here asks, and never blocks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fd = stream.fileno()
        self.encoding = stream.encoding
        self.errors = stream.errors
        # Put is re-entrant: a signal's handler may speak, too.
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._taken = 0
        self._given = 0
        self._lost = 0
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Leave *text* to the thread."""
        if self._given - self._taken > WAITING_MAX:
            self._lost += 1
            return len(text)
        if self._lost:
            text = f"({self._lost} lines were left out: nobody read them)\n{text}"
            self._lost = 0
        self._given += len(text)
        self._queue.put(text)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="standard error", daemon=True)
            self._thread.start()
        return len(text)

    def flush(self) -> None:
        """Nothing: the thread writes at once."""

    def isatty(self) -> bool:
        """As the stream."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """As the stream."""
        return self._fd

    def writable(self) -> bool:
        """Yes."""
        return True

    def drain(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until all is written, or nothing was for *patience_seconds*."""
        seen, until = self._taken, time.monotonic() + patience_seconds
        while self._taken < self._given and time.monotonic() < until:
            time.sleep(0.005)
            if self._taken != seen:
                seen, until = self._taken, time.monotonic() + patience_seconds

    def _run(self) -> None:
        gone = False
        while True:
            text = self._queue.get()
            data = text.encode(self.encoding or "utf-8", "backslashreplace")
            while data and not gone:
                try:
                    data = data[os.write(self._fd, data) :]
                except OSError:
                    gone = True  # the reader, or the terminal
            self._taken += len(text)


@contextmanager
def unblocked_stderr() -> Iterator[None]:
    """While this lasts, what is said on a pipe or a terminal blocks nobody."""
    stream = sys.stderr
    if not _may_block(stream):
        yield
        return
    stream.flush()
    unblocked = Unblocked(stream)
    sys.stderr = cast(TextIO, unblocked)
    try:
        yield
    finally:
        unblocked.drain()
        sys.stderr = stream


def last_words(text: str) -> None:
    """Say *text* before the process ends, from a signal's handler perhaps: as long as a moment allows."""
    stream = sys.stderr
    if isinstance(stream, Unblocked):
        stream.write(text)
        stream.drain(0.3)
    else:
        ready = select.poll()
        ready.register(2, select.POLLOUT)
        try:
            if ready.poll(300):
                os.write(2, text.encode())
        except OSError:
            pass


def _may_block(stream: TextIO | None) -> bool:
    try:
        return stream is not None and not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False  # no descriptor: a test's, or closed
