"""A source's bytes on their way into records: read, shown to the tap, compressed, encrypted (in this order).

A thread reads ahead (``ahead``); all else happens when the reader's thread asks for more bytes: it never has more in
hand than the pieces read ahead, what zstd made of one of them, and what the pipes hold. zstd compresses with threads of
its own; age is a child process. Both ends of the child's pipes are watched by one ``poll``, so that neither side can
wait for the other for ever.
"""

from __future__ import annotations

import importlib.util
import os
import select
import sys
from pathlib import Path

from ..model import Ending
from ..plan import Source
from ..sources.base import Called, Cancel, OpenSource, Tap, fault, unreadable
from ..sources.children import Child, Children, Tail, enlarge, make_pipe, signal_name
from . import zstandard
from .ahead import Ahead


class EncodedSource:
    """An open source whose bytes are compressed, encrypted, or both; itself an open source."""

    waits = True

    def __init__(
        self, inner: OpenSource, source: Source, *, children: Children, cancel: Cancel, tap: Tap | None = None
    ) -> None:
        self.size = None  # of the encoded bytes: nobody knows
        self.title = inner.title
        self._inner = inner
        self._source = source
        self._cancel = cancel
        self._tap = tap
        self._ahead: Ahead | None = None
        self._zstd = zstandard.compressor(zstandard.level_of(source.compress)) if source.compress else None
        self._plain_ended = False
        self._waiting = memoryview(b"")
        self._piece: memoryview | None = None  # the buffer of what waits, where that was not compressed
        self._child: Child | None = None
        self._into = -1
        self._messages = Tail()
        self._poll = select.poll()
        self._poll.register(cancel.fileno(), select.POLLIN)
        self._broken = False
        if source.encrypt:
            self._start(children)
        self._ahead = Ahead(inner.fd, source.name)

    @property
    def fd(self) -> int:
        """The plain bytes' descriptor, for :meth:`read` alone."""
        return self._inner.fd

    # ---------------------------------------------------------------- the child that encrypts

    def _start(self, children: Children) -> None:
        found = importlib.util.find_spec("pyrage")
        if found is None or found.origin is None:
            raise fault(self._source, "the library that encrypts (pyrage) is not installed", todo="pip install pyrage")
        script = str(Path(__file__).with_name("age_child.py"))
        argv = [sys.executable, "-I", "-S", script, str(Path(found.origin).parent.parent), *self._source.encrypt]
        read_end, self._into = os.pipe()
        enlarge(read_end)
        os.set_blocking(self._into, False)
        coming, going, _ = make_pipe()
        try:
            self._child = children.start(argv, cwd="/", sink=self._messages, pipe=(coming, going), stdin=read_end)
        except (OSError, ValueError) as error:
            self._close_into()
            what = getattr(error, "strerror", None) or str(error)
            raise fault(self._source, f"what encrypts cannot be started: {what}") from None
        finally:
            os.close(read_end)

    def _close_into(self) -> None:
        if self._into >= 0:
            os.close(self._into)
            self._into = -1

    # ---------------------------------------------------------------- the reader's thread

    def read(self, view: memoryview) -> int:
        """Fill the beginning of *view*; 0 at the end. Blocks; raises :class:`Called` when called off."""
        while True:
            if self._child is None and self._waiting:
                count = min(len(view), len(self._waiting))
                view[:count] = self._waiting[:count]
                self._waiting = self._waiting[count:]
                return count
            if self._child is None and self._plain_ended:
                return 0
            ready = self._ready()
            if self._child is not None and self._child.fd in ready:
                return os.readv(self._child.fd, [view])
            if self._into in ready:
                self._push()
            elif self._ahead is not None and self._ahead.fileno() in ready and not self._waiting:
                self._take()

    def _ready(self) -> set[int]:
        """The descriptors that something can be done with now, of those that make sense now. Blocks."""
        wanted = {}
        if self._child is not None:
            wanted[self._child.fd] = select.POLLIN
        if self._waiting:
            wanted[self._into] = select.POLLOUT
        elif not self._plain_ended and self._ahead is not None:
            wanted[self._ahead.fileno()] = select.POLLIN
        for fd, events in wanted.items():
            self._poll.register(fd, events)
        ready = {fd for fd, _ in self._poll.poll()}
        for fd in wanted:
            self._poll.unregister(fd)
        if self._cancel.fileno() in ready:
            raise Called
        return ready

    def _take(self) -> None:
        """Take a piece of plain bytes, or their end, and compress it."""
        assert self._ahead is not None
        try:
            plain = self._ahead.take()
        except OSError as error:
            raise unreadable(self._inner, error) from None
        if plain and self._tap is not None:
            self._tap(plain)
        self._plain_ended = not plain
        if self._zstd is None:
            self._piece, self._waiting = plain, plain
        else:
            self._waiting = memoryview(self._zstd.compress(plain) if plain else self._zstd.flush())
            self._ahead.give(plain)
        if self._plain_ended and not self._waiting:
            self._close_into()

    def _push(self) -> None:
        """Write to the child what it takes now."""
        try:
            self._waiting = self._waiting[os.write(self._into, self._waiting) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It has died; its output ends, too, and finish() says why.
            self._waiting = memoryview(b"")
            self._plain_ended = self._broken = True
        if not self._waiting and self._piece is not None and self._ahead is not None:
            self._ahead.give(self._piece)
            self._piece = None
        if self._plain_ended and not self._waiting:
            self._close_into()

    def finish(self) -> Ending:
        """How the source ended, and whether all of it was encrypted; see :class:`~..sources.base.OpenSource`."""
        if self._child is not None:
            status = self._child.wait(self._cancel)
            if status or self._broken or not self._plain_ended:
                how = f"exit status {status}" if status >= 0 else signal_name(-status)
                said = f": {self._messages.text.splitlines()[-1]}" if self._messages.text else ""
                return Ending("failed", error=f"the process that encrypts ended with {how}{said}")
        return self._inner.finish()

    def close(self) -> None:
        """Stop, reap and close everything, the source as well."""
        if self._ahead is not None:
            self._ahead.close()
        self._close_into()
        if self._child is not None:
            self._child.close()
        self._inner.close()
