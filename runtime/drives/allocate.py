"""Keeping room on a disk ahead of what is written, so that a volume's index still fits when the disk is full.

Python's ``os.posix_fallocate`` makes the file longer, which would look like a torn tail after a crash; Linux's
``fallocate`` with FALLOC_FL_KEEP_SIZE does not.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Any, Final

_FALLOC_FL_KEEP_SIZE: Final = 1
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM})


@cache
def _fallocate() -> Any:
    try:
        function = ctypes.CDLL(None, use_errno=True).fallocate
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return function


def keep_room(fd: int, start: int, size: int) -> bool:
    """Reserve *size* bytes of disk from *start* of the file without changing its length.

    False where the file system cannot. Raises OSError (ENOSPC, EDQUOT, EFBIG, EIO) where it has no room.
    """
    function = _fallocate()
    if function is None or ctypes.sizeof(ctypes.c_long) != 8:
        return False
    while function(fd, _FALLOC_FL_KEEP_SIZE, start, size) != 0:
        error = ctypes.get_errno()
        if error == errno.EINTR:
            continue
        if error in _UNSUPPORTED:
            return False
        raise OSError(error, os.strerror(error))
    return True
