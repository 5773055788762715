"""Child processes of a run: each in a session of its own, its messages collected, killed as a group, always reaped.

One thread for the run reads the children's standard errors, so that no child ever blocks on it; what is kept of them is
bounded by the sink. The thread starts with the first child and ends with :meth:`Children.close`.
"""

from __future__ import annotations

import _socket  # `socket` takes longer to load than all the rest here
import fcntl
import os
import select
import signal
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Protocol

from .base import Called, Cancel

if TYPE_CHECKING:  # a run that starts no process does not pay for it
    import subprocess

#: Pipes are enlarged to this where the system lets us (tar.md: 0.4 to 0.75 of the default's time).
PIPE_BYTES = 1 << 20
#: What a stream socket holds at most on its way: Linux's own default, so that it is the same everywhere.
_STREAM_BYTES = 212_992
#: A read from a stream socket waits for all that it has room for, but no longer than this.
_GATHER_SECONDS = 0.05
#: How long messages of a child that has ended are waited for (a process of its own making may hold them open).
_DRAIN_SECONDS = 2.0
#: So long a child that was killed is waited for: one that the kernel holds (a dead disk) ends when the device answers.
_REAP_SECONDS = 2.0
#: ``selectors.EVENT_READ``
_READABLE = 1


class Sink(Protocol):
    """Takes the bytes of one child's standard error, in bounded memory."""

    def feed(self, data: bytes) -> None:
        """Some more bytes; empty at the end."""


class Tail:
    """A sink that keeps the last ``limit`` bytes."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._data = b""

    def feed(self, data: bytes) -> None:
        """Keep the end."""
        self._data = (self._data + data)[-self._limit :]

    @property
    def text(self) -> str:
        """The kept end as text, without white space around it."""
        return self._data.decode("utf-8", "backslashreplace").strip()


def make_pipe() -> tuple[int, int, bool]:
    """A pipe's two ends, and whether it could be enlarged to ``PIPE_BYTES``."""
    read_end, write_end = os.pipe()
    return read_end, write_end, enlarge(read_end)


def enlarge(fd: int) -> bool:
    """Enlarge the pipe *fd*; False where it is no pipe or the system does not let us."""
    try:
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES
    except (OSError, AttributeError):
        return False


def make_stream() -> tuple[int, int]:
    """The two ends of a stream, to read and to write, as a pipe; for a child that writes to what it was given.

    It is a pair of sockets, because a read from one can wait for all that it has room for: a whole record comes with
    one system call, where a pipe gives some 200 KiB at a time; and each byte costs less than in a pipe that is larger
    than a processor's cache (docs/performance.md). A read that gets less than it has room for within
    ``_GATHER_SECONDS`` returns what there is, and raises BlockingIOError where that is nothing: ``poll`` comes first.
    A child that opens ``/dev/stdout`` cannot do so with a socket: commands of a plan have pipes.
    """
    reading, writing = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM, 0)
    writing.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, _STREAM_BYTES)
    reading.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVLOWAT, 1 << 30)
    seconds, rest = divmod(_GATHER_SECONDS, 1)
    reading.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, struct.pack("@ll", int(seconds), int(rest * 1e6)))
    return reading.detach(), writing.detach()


class _Collector:
    """The thread that reads standard errors."""

    def __init__(self) -> None:
        import selectors

        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector.register(self._wake, _READABLE)
        self._lock = threading.Lock()
        self._todo: list[Callable[[], None]] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="messages of child processes")
        self._thread.start()

    def add(self, fd: int, sink: Sink) -> threading.Event:
        """Read *fd*, which is ours from now on, to its end; the event is set then."""
        done = threading.Event()
        self._do(lambda: self._selector.register(fd, _READABLE, (sink, done)) and None)
        return done

    def drop(self, fd: int, done: threading.Event) -> None:
        """Do not wait for the end of *fd* any longer. Blocks until it is closed."""
        self._do(lambda: None if done.is_set() else self._end(fd))
        done.wait()

    def close(self) -> None:
        """End the thread. Blocks."""
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()

    def _do(self, action: Callable[[], None]) -> None:
        with self._lock:
            self._todo.append(action)
        os.eventfd_write(self._wake, 1)

    def _end(self, fd: int) -> None:
        sink, done = self._selector.get_key(fd).data
        self._selector.unregister(fd)
        os.close(fd)
        sink.feed(b"")
        done.set()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.fd == self._wake:
                    os.eventfd_read(self._wake)
                    continue
                data = os.read(key.fd, 65536)
                if data:
                    key.data[0].feed(data)
                else:
                    self._end(key.fd)
            with self._lock:
                todo, self._todo = self._todo, []
            for action in todo:
                action()
        for key in list(self._selector.get_map().values()):
            if key.fd != self._wake:
                self._end(key.fd)
        self._selector.close()
        os.close(self._wake)


class Child:
    """One running process. ``fd`` is the read end of its standard output."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int, messages: int, done: threading.Event, run: Children):
        self._process = process
        self._messages = messages
        self._done = done
        self._run = run
        self._left = False  # killed, and held by the kernel
        self.fd = fd

    def wait(self, cancel: Cancel) -> int:
        """Block until it ends; its return code (negative: the signal). Raises :class:`Called` when called off."""
        if self._process.returncode is None:
            pidfd = os.pidfd_open(self._process.pid)
            try:
                poll = select.poll()
                poll.register(pidfd, select.POLLIN)
                poll.register(cancel.fileno(), select.POLLIN)
                if not any(ready == pidfd for ready, _ in poll.poll()):
                    raise Called
            finally:
                os.close(pidfd)
            self._reap()
        assert self._process.returncode is not None
        return self._process.returncode

    def kill(self) -> None:
        """From any thread: kill it and its group; whoever waits for it sees it end."""
        if self._process.returncode is None:
            self._kill()

    def close(self) -> None:
        """Kill it and whatever it started in its group, reap it, close its output. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self._reap()

    def _reap(self) -> None:
        """The group is killed before its leader is reaped: until then nobody else can bear its number."""
        if self._process.returncode is None and not self._left:
            self._kill()
            self._left = not self._ends()
            if not self._left:
                self._process.wait()
                self._run.forget(self._process.pid)
        if not self._done.wait(_DRAIN_SECONDS):
            self._run.drop(self._messages, self._done)

    def _ends(self) -> bool:
        pidfd = os.pidfd_open(self._process.pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            return bool(poll.poll(_REAP_SECONDS * 1000))
        finally:
            os.close(pidfd)

    def _kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Children:
    """All child processes of a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collector: _Collector | None = None
        self._alive: set[int] = set()

    def start(
        self,
        argv: Sequence[str | bytes],
        *,
        cwd: str,
        sink: Sink,
        pipe: tuple[int, int],
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] | None = None,
    ) -> Child:
        """Start *argv* (no shell) with the write end of *pipe* as its output. Both ends are ours from now on.

        Without *stdin* it has nothing to read. Raises OSError when it cannot be started.
        """
        import subprocess

        read_end, write_end = pipe
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=write_end,
                stderr=subprocess.PIPE,
                env=env,
                start_new_session=True,
                bufsize=0,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        assert process.stderr is not None
        messages = os.dup(process.stderr.fileno())
        process.stderr.close()
        with self._lock:
            self._alive.add(process.pid)
            if self._collector is None:
                self._collector = _Collector()
        return Child(process, read_end, messages, self._collector.add(messages, sink), self)

    def drop(self, fd: int, done: threading.Event) -> None:
        """Stop reading the messages *fd* of a child that has ended."""
        assert self._collector is not None
        self._collector.drop(fd, done)

    def forget(self, pid: int) -> None:
        """*pid* has been reaped."""
        with self._lock:
            self._alive.discard(pid)

    def kill_all(self) -> None:
        """Kill every group at once, without a lock: for the end at once that a second signal asks for."""
        for pid in tuple(self._alive):
            try:
                os.killpg(pid, signal.SIGKILL)
            except OSError:
                pass

    def close(self) -> None:
        """End the collecting thread. All children have been closed."""
        if self._collector is not None:
            self._collector.close()
            self._collector = None


def signal_name(number: int) -> str:
    """``SIGTERM`` for 15."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
