"""Checking records with two hands: the thread that walks a volume, and a helper, each with memory of its own.

A record is read and digested by one thread, piece by piece, so that what the kernel copied is digested while it lies in
that processor's cache. (A thread that reads beside one that digests was tried: each byte then goes from one
processor's cache to the other's, and both together take longer than one thread alone.) The walk puts records in, in
the order of the medium, and takes them out in that order, with what was found; while the oldest is not done it does
one itself. Nothing is taken out before all of its bytes were read and its digest compared.

A helper that cannot be started, or has no memory, is done without. One that hangs in a call into the kernel holds up
the walk as the call itself would; the walk can be interrupted all the same, and then leaves the helper, which has a
descriptor of its own, to end whenever it is answered.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from .. import kinds
from ..hang import reaching
from ..ring import Doorbell
from .record import HEADER_BYTES, BadRecord, PayloadCheck, RecordHeader

#: Memory of each hand. It stays in a processor's cache: 128 and 256 KiB took longer, 1 MiB no less (measured).
PIECE_BYTES: Final = 512 * kinds.KIB
#: Records that are looked at ahead of the oldest one; only their headers are kept.
AHEAD: Final = 8
#: A smaller record costs less than handing it over.
SMALL_BYTES: Final = 256 * kinds.KIB

#: Fills a view from a position and returns the bytes that it got: fewer only at the end. Raises OSError.
Read = Callable[[memoryview, int], int]


class Check:
    """One record: its place, headers, and once ``done`` what was found.

    ``wrong``: why it is not sound, None where it is; ``failure``: what kept it from being read; ``got``: bytes read.
    """

    __slots__ = ("done", "failure", "got", "head", "header", "position", "wrong")

    def __init__(self, position: int, header: RecordHeader, head: bytes) -> None:
        self.position = position
        self.header = header
        self.head = head
        self.wrong: str | None = None
        self.failure: BaseException | None = None
        self.got = 0
        self.done = False

    def run(self, read: Read, piece: memoryview) -> None:
        """Read the payload by way of *piece* and digest it; what is wrong is kept for who takes the record out."""
        try:
            self._digest(read, piece)
        except BadRecord as bad:
            self.wrong = str(bad)
        except OSError as failure:
            self.failure = failure
        self.done = True

    def _digest(self, read: Read, piece: memoryview) -> None:
        payload = PayloadCheck(self.header)
        position, end = self.position + HEADER_BYTES, self.position + self.header.total_bytes
        while position < end:
            view = piece[: end - position]
            got = read(view, position)
            payload.add(view[:got])
            self.got += got
            if got < len(view):
                break
            position += got
        payload.finish()


class Checks:
    """Records between :meth:`put` and :meth:`take`. For one thread, with *hands* - 1 helpers; close it when done.

    *fd*: the volume's file, of which a helper gets a descriptor of its own; *reading* makes a function that reads one;
    *told* is called with each record that is taken out, and raises what kept it from being read.
    """

    def __init__(self, fd: int, reading: Callable[[int], Read], *, hands: int, told: Callable[[Check], None]) -> None:
        self._fd = fd
        self._reading = reading
        self._told = told
        self._read = reading(fd)
        self._piece = memoryview(bytearray(0))
        self._helpers = hands - 1
        self._waiting: deque[Check] = deque()
        self._todo: SimpleQueue[Check | None] = SimpleQueue()
        self._news = Doorbell()
        self._threads: list[threading.Thread] = []

    def __len__(self) -> int:
        """Records that are not taken out."""
        return len(self._waiting)

    def put(self, position: int, header: RecordHeader, head: bytes) -> None:
        """A record whose headers were read; its payload is to be checked."""
        check = Check(position, header, head)
        self._waiting.append(check)
        if header.payload_bytes < SMALL_BYTES or not self._helpers:
            self._own(check)
            return
        self._todo.put(check)
        if len(self._threads) < self._helpers:
            self._help()

    def take(self) -> Check:
        """The oldest record, done. Raises what *told* raises."""
        check = self._waiting.popleft()
        while not check.done:
            try:
                mine = self._todo.get_nowait()
            except Empty:
                self._sleep_until(check)
            else:
                assert mine is not None
                self._own(mine)
        self._told(check)
        return check

    def _sleep_until(self, check: Check) -> None:
        """Or until any other that a helper had is done."""
        reaching(check.position)
        self._news.arm()
        if check.done:
            self._news.disarm()
        else:
            self._news.wait()

    def close(self) -> None:
        """Let the helpers go. They are waited for only where nothing is left that they might still read."""
        idle = not self._waiting
        with suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads if idle else ():
            thread.join()
        self._threads.clear()
        self._helpers = 0

    def _own(self, check: Check) -> None:
        if len(self._piece) < PIECE_BYTES:
            self._piece = memoryview(bytearray(PIECE_BYTES))
        check.run(self._read, self._piece)

    def _help(self) -> None:
        """Start one more helper, or never ask again where there can be none."""
        try:
            fd = os.dup(self._fd)
        except OSError:
            self._helpers = len(self._threads)
            return
        thread = threading.Thread(target=lambda: self._serve(fd), name="checks records", daemon=True)
        self._threads.append(thread)  # before it runs: whoever is interrupted while it starts still lets it go
        try:
            thread.start()
        except RuntimeError:  # the system lets this process have no more threads
            os.close(fd)
            self._threads.remove(thread)
            self._helpers = len(self._threads)

    def _serve(self, fd: int) -> None:
        """A helper's thread. It takes a record only when it has all that it needs, and never keeps one undone."""
        try:
            with suppress(MemoryError):
                read, piece = self._reading(fd), memoryview(bytearray(PIECE_BYTES))
                while (check := self._todo.get()) is not None:
                    try:
                        check.run(read, piece)
                    except BaseException as failure:  # noqa: BLE001 - raised by who takes it out
                        check.failure = failure
                        check.done = True
                    if self._news.armed:
                        self._news.ring()
        finally:
            os.close(fd)
