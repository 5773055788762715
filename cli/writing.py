"""Files that a command makes: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ..runtime.faults import UsageFault


def write_whole(path: Path, content: bytes) -> None:
    """Write *path* by way of a temporary file beside it: a reader sees the old file or the new one, never a part.

    Missing folders are made. A device or FIFO is written as it is, and a symbolic link stays: the file that it leads to
    is written. Raises :class:`UsageFault`.
    """
    name = path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        mask = os.umask(0)
        os.umask(mask)
        put_in_place(Path(os.path.realpath(path)), content, lambda fd: os.fchmod(fd, 0o666 & ~mask))
    except OSError as error:
        raise UsageFault(f"{name} cannot be written: {error.strerror or error}") from None


def put_in_place(path: Path, content: bytes, dress: Callable[[int], None]) -> None:
    """Make a file of *content* beside *path*, let *dress* give its descriptor mode and owner, and move it to *path*.

    It is on the disk before it takes the name. Raises OSError, and then *path* is as it was.
    """
    # The library's temporary files load a generator of random numbers and all digests first.
    beside = path.parent / f".{path.name[:60]}.{os.urandom(8).hex()}"
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


def _own(name: str, flags: int) -> int:
    """Opens a file that nobody else may read until it is dressed."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
