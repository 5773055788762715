"""Opening what must be a plain file: a FIFO under its name would be waited for, a device read for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_plain(path: Path) -> BinaryIO:
    """*path* open for reading, never blocking. Raises OSError (EINVAL where it is neither a file nor leads to one)."""
    # Opening a FIFO that nobody writes would wait; of a file the flag changes nothing.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
    except BaseException:
        os.close(fd)
        raise
    return open(fd, "rb")
