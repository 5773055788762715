"""Files that a command makes: whole, or not at all; and never in the place of what is kept."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import stat
import time
from collections.abc import Callable
from pathlib import Path

from ..runtime.faults import UsageFault
from ..runtime.plain_files import open_plain
from .console import shown
from .kept import no_folder_for, why_not

#: So long somebody may take to open a FIFO, or to go on reading it.
PATIENCE_SECONDS = 10.0
#: Descriptors by name: what is written there goes on behind what is there, and replaces nothing.
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self|proc/thread-self)/(?:fd/([0-9]{1,7})|std(?:out|err))", re.ASCII)
#: Character devices of which nothing is kept: null, zero, full; terminals by their major numbers (Linux's devices.txt).
_NOTHING_KEPT = frozenset({(1, 3), (1, 5), (1, 7)})
_TERMINALS = frozenset({4, 5, *range(136, 144), 204, 229})


def write_whole(path: Path, content: bytes, *, may: frozenset[str] = frozenset()) -> None:
    """Write *path* by way of a temporary file beside it: a reader sees the old file or the new one, never a part.

    Missing folders are made. A terminal, FIFO or descriptor is written as it is, and a symbolic link stays: the file
    that it leads to is written. What is kept (``kept.py``) is spared, but for *may*. Raises :class:`UsageFault`.
    """
    try:
        if (why := no_folder_for(os.path.realpath(path.parent))) is not None:
            raise OSError(errno.EINVAL, why)
        path.parent.mkdir(parents=True, exist_ok=True)
        if descriptor_of(path) is not None or (path.exists() and not path.is_file()):
            _pour(path, content)
            return
        refuse_kept(path, may)
        mask = os.umask(0)
        os.umask(mask)
        put_in_place(Path(os.path.realpath(path)), content, lambda fd: os.fchmod(fd, 0o666 & ~mask))
    except (OSError, ValueError) as error:
        raise UsageFault(f"{shown(path)} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def refuse_kept(path: Path, may: frozenset[str] = frozenset()) -> None:
    """Raise :class:`UsageFault` where what *path* holds is not to be written over."""
    why = why_not(os.fspath(path), may)
    if why is not None:
        raise UsageFault(f"{shown(path)} is not written over: {why}", safe="it is as it was", todo="name another file")


def holds(path: Path, content: bytes) -> bool:
    """Whether the file *path* holds just *content*; False where there is none. Raises :class:`UsageFault`."""
    try:
        with open_plain(path) as file:
            return os.fstat(file.fileno()).st_size == len(content) and file.read(len(content) + 1) == content
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise UsageFault(f"{shown(path)} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def descriptor_of(path: str | Path) -> int | None:
    """The descriptor of this process that *path* names (``/dev/stdout``, ``/dev/fd/3``), None where it names none."""
    found = _DESCRIPTOR.fullmatch(os.fspath(path))
    if found is None:
        return None
    return int(found[1]) if found[1] else 1 + os.fspath(path).endswith("err")


def why_not_poured(path: str | Path) -> str | None:
    """Why what is no file, *path*, is not written to, in words; None where it may be. Raises OSError."""
    facts = os.stat(path)  # noqa: PTH116 - as text too
    mode = facts.st_mode
    if stat.S_ISDIR(mode):
        return "it is a folder"
    if stat.S_ISBLK(mode):
        return "it is a disk"
    if stat.S_ISSOCK(mode):
        return "it is a socket"
    if stat.S_ISCHR(mode):
        major, minor = os.major(facts.st_rdev), os.minor(facts.st_rdev)
        if major not in _TERMINALS and (major, minor) not in _NOTHING_KEPT:
            return "it is a device, a tape perhaps"
    return None


def _pour(path: Path, content: bytes) -> None:
    """Write to what is no file as it is, waiting for its reader no longer than ``PATIENCE_SECONDS``. Raises OSError."""
    named = descriptor_of(path)
    if named is None:
        why = why_not_poured(path)
        if why is not None:
            raise OSError(errno.EINVAL, why)
    fd = os.dup(named) if named is not None else _opened(path)
    try:
        poll, left = select.poll(), memoryview(content)
        poll.register(fd, select.POLLOUT)
        while left:
            if not poll.poll(PATIENCE_SECONDS * 1000):
                raise OSError(errno.ETIMEDOUT, "nobody goes on reading it")
            with contextlib.suppress(BlockingIOError):
                # No more than a pipe takes for sure once it takes anything: one that blocks would wait for the rest.
                left = left[os.write(fd, left[: select.PIPE_BUF]) :]
    finally:
        os.close(fd)


def _opened(path: Path) -> int:
    """A descriptor to write to; a FIFO's reader may come a little later."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(path.stat().st_mode):
                raise
            if time.monotonic() > until:
                raise OSError(errno.ENXIO, "nobody reads it") from None
            time.sleep(0.05)


def put_in_place(path: Path, content: bytes, dress: Callable[[int], None]) -> None:
    """Make a file of *content* beside *path*, let *dress* give its descriptor mode and owner, and move it to *path*.

    It is on the disk before it takes the name. Raises OSError, and then *path* is as it was.
    """
    beside = _beside(path)
    with open(beside, "xb", opener=_own) as out:
        try:
            out.write(content)
            out.flush()
            dress(out.fileno())
            os.fsync(out.fileno())
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise


def try_place(path: Path) -> None:
    """See that :func:`put_in_place` could write *path*: its name, and a file beside it. Raises OSError, ValueError."""
    with contextlib.suppress(FileNotFoundError):
        path.lstat()
    if not path.parent.is_dir():
        path.parent.stat()
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    beside = _beside(path)
    os.close(_own(os.fspath(beside), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    beside.unlink()


def _beside(path: Path) -> Path:
    """A name for a temporary file in the folder of *path*; it fits wherever that one's name does."""
    # The library's temporary files load a generator of random numbers and all digests first.
    begins = os.fsdecode(os.fsencode(path.name)[:60])
    return path.parent / f".{begins}.{os.urandom(8).hex()}"


def _own(name: str, flags: int) -> int:
    """Opens a file that nobody else may read until it is dressed."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
