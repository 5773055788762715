"""GNU tar's snapshot files (format 2): what ``--listed-incremental`` knows of the folders that it has seen.

``GNU tar-VERSION-2\\n``, the time of the run (seconds, nanoseconds), then for each folder: whether it lies on NFS, its
mtime (seconds, nanoseconds), device, inode, name relative to ``/``, and its entries: a letter (``Y`` dumped, ``N`` not,
``D`` a folder) and a name. All fields end with a zero byte, the entries with one more, a folder with yet one more.
The tar manual describes it under "Format of the Incremental Snapshot Files".
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Final

_HEAD: Final = re.compile(rb"GNU tar-[^\n]{1,40}-2\n([0-9]{1,18})\0([0-9]{1,9})\0")
#: How far a snapshot's time is set back. Some file systems keep whole or even seconds, and the kernel stamps files with
#: a clock some milliseconds old: a file that was changed right after tar read it may look older than tar's start.
SET_BACK_SECONDS: Final = 2


class BadSnapshot(Exception):
    """The bytes are no snapshot of format 2."""


def time_of(data: bytes) -> int:
    """The time of the run, in nanoseconds since 1970. Raises :class:`BadSnapshot`."""
    match = _head(data)
    return int(match[1]) * 10**9 + int(match[2])


def _head(data: bytes) -> re.Match[bytes]:
    match = _HEAD.match(data)
    if match is None:
        raise BadSnapshot("it does not begin as a snapshot of format 2")
    return match


def folders(data: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Each folder's first byte, the byte behind it, its name, its inode. Raises :class:`BadSnapshot`."""
    at, size = _head(data).end(), len(data)
    try:
        while at < size:
            start = at
            fields = []
            for _ in range(6):
                end = data.index(b"\0", at)
                fields.append(data[at:end])
                at = end + 1
            at = at + 1 if data[at] == 0 else data.index(b"\0\0", at) + 2
            if data[at] != 0 or not fields[5]:
                raise BadSnapshot(f"the folder at byte {start} does not end")
            at += 1
            yield start, at, fields[5], int(fields[4])
    except (ValueError, IndexError):
        raise BadSnapshot(f"it is cut off behind byte {at}") from None


def _mtime_ns(folder: bytes) -> int:
    """The mtime that the entry of a folder notes, in nanoseconds. Raises ValueError."""
    _, seconds, nanoseconds, _ = folder.split(b"\0", 3)
    return int(seconds) * 10**9 + int(nanoseconds)


def with_times(data: bytes) -> bytes:
    """The snapshot that tar has just written, with the mtimes that folders have.

    GNU tar 1.34 leaves the mtime of the run before where files were removed from a folder, and nothing else was done to
    it: by :func:`still_there` that would look as if it had changed unseen. Only folders that have not changed since
    tar began are looked up. Raises :class:`BadSnapshot`.
    """
    taken = time_of(data) - SET_BACK_SECONDS * 10**9
    parts, done = [], 0
    for start, end, name, inode in folders(data):
        nfs, _, _, rest = data[start:end].split(b"\0", 3)
        try:
            found = os.lstat(b"/" + name)
        except OSError:
            continue
        same = (
            stat.S_ISDIR(found.st_mode) and found.st_ino == inode and max(found.st_mtime_ns, found.st_ctime_ns) < taken
        )
        if same and found.st_mtime_ns != _mtime_ns(data[start:end]):
            parts += [data[done:start], b"%s\0%d\0%d\0" % (nfs, *divmod(found.st_mtime_ns, 10**9)), rest]
            done = end
    return b"".join([*parts, data[done:]])


def checked(data: bytes) -> bytes:
    """A whole snapshot as it is kept: set back by :data:`SET_BACK_SECONDS`. Raises :class:`BadSnapshot`."""
    for _ in folders(data):
        pass
    return set_back(data, SET_BACK_SECONDS)


def set_back(data: bytes, seconds: int) -> bytes:
    """The snapshot as of so many *seconds* earlier. Raises :class:`BadSnapshot`."""
    match = _head(data)
    earlier = b"%d" % max(0, int(match[1]) - seconds)
    return data[: match.start(1)] + earlier + data[match.end(1) :]


def still_there(data: bytes) -> tuple[bytes, bytes | None]:
    """The snapshot without the folders that are no more what they were at their names; a folder that changed unseen.

    tar would take a new folder with the inode of one that is gone for the old one, renamed, and store nothing of
    what it believes unchanged. Extracting a rename on to a folder that exists fails in GNU tar 1.34, and loses what
    both held. Without these entries a renamed folder is simply new, and stored whole.

    A folder whose mtime is another one than the last run found, though by mtime and ctime it changed before that run,
    changed when the clock that stamps it stood behind: set back, and forward again; or another state of it was put in
    its place. Files that changed then look older than the last run, too. Raises :class:`BadSnapshot`.
    """
    kept = [data[: _head(data).end()]]
    taken = time_of(data)
    unseen: bytes | None = None
    for start, end, name, inode in folders(data):
        try:
            found = os.lstat(b"/" + name)
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_ino == inode:
            kept.append(data[start:end])
            changed_before = found.st_mtime_ns < taken > found.st_ctime_ns
            if unseen is None and changed_before and found.st_mtime_ns != _mtime_ns(data[start:end]):
                unseen = name
    return b"".join(kept), unseen


def of_nothing(data: bytes) -> bytes:
    """The snapshot as of a time before all others: tar stores every file anew. Raises :class:`BadSnapshot`."""
    return set_back(data, time_of(data) // 10**9)
