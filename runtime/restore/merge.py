"""Moving a tree to its places in a folder that holds something already, without following any link there."""

from __future__ import annotations

import os
import stat
from typing import Final

from .folder import TargetFolder

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def merge(source: TargetFolder, target: TargetFolder) -> tuple[str, ...]:
    """Move all that *source* holds into *target*; both lie on one file system. Returns what could not be moved.

    Files take the place of files and links of the same name; a folder that is there already keeps its owner, mode and
    times, and what it holds beside; nothing is moved through a link, nor to where a folder is and a file is to be.
    """
    problems: list[str] = []
    waiting = [b""]
    emptied: list[bytes] = []
    while waiting:
        name = waiting.pop()
        one = _open(source.fd, name)
        other = _open(target.fd, name)
        try:
            for entry in os.listdir(one):  # noqa: PTH208 - by descriptor
                raw = os.fsencode(entry)
                path = name + b"/" + raw if name else raw
                try:
                    if _move(one, other, raw):
                        waiting.append(path)
                        emptied.append(path)
                except OSError as error:
                    problems.append(f"{os.fsdecode(path)} was not restored: {error.strerror}")
        finally:
            os.close(one)
            os.close(other)
    for name in reversed(emptied):
        try:
            os.rmdir(name, dir_fd=source.fd)
        except OSError:
            pass  # something in it could not be moved, and that was said
    return tuple(problems)


def _move(source: int, target: int, name: bytes) -> bool:
    """Move one entry; True when both are folders, so that what it holds is to be moved. Raises OSError."""
    is_folder = stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode)
    try:
        there = os.stat(name, dir_fd=target, follow_symlinks=False).st_mode
    except FileNotFoundError:
        there = None
    if there is not None and is_folder and stat.S_ISDIR(there):
        return True
    if there is not None and is_folder:
        raise OSError(20, "a file or a symbolic link is where a folder is to be")
    if there is not None and stat.S_ISDIR(there):
        raise OSError(21, "a folder is where a file is to be")
    os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    return False


def _open(at: int, name: bytes) -> int:
    """A folder that was seen to be one, by descriptors alone."""
    fd = os.dup(at)
    for part in name.split(b"/") if name else ():
        below = os.open(part, _DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    return fd
