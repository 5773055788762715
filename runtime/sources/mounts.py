"""File systems that go away while a tree is read: tar finds an empty folder, or files "removed", and ends well.

So the mounted file systems that a source's paths lie on, or hold, are noted before tar starts and looked for once more
behind its end (Linux: ``/proc/self/mountinfo``, proc_pid_mountinfo(5)).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..frozen import frozen

_TABLE: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")
#: Kinds that come and go in a machine's normal life and hold nothing that stays (what lies under a container's overlay
#: is read where it lies).
_PASSING: Final = frozenset(
    b"autofs binfmt_misc cgroup cgroup2 configfs debugfs devpts devtmpfs fusectl hugetlbfs mqueue nsfs overlay proc"
    b" pstore ramfs securityfs squashfs sysfs tmpfs tracefs fuse.portal fuse.gvfsd-fuse".split()
)


@frozen
class Mount:
    """A mounted file system: ``key`` tells it from one that is mounted at the same place later."""

    key: tuple[bytes, bytes]
    point: bytes
    kind: bytes


@frozen
class Lost:
    """What went away: file systems that one of the paths lies on, and such as were mounted below one."""

    own: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


def held_by(paths: Sequence[str], *, one_file_system: bool) -> tuple[Mount, ...]:
    """The file systems that are read with *paths*; none where the system does not tell."""
    table = _table()
    found: dict[tuple[bytes, bytes], Mount] = {}
    for path in paths:
        real = os.path.realpath(os.fsencode(path))
        found |= {mount.key: mount for mount in _holding(real, table)}
        if not one_file_system:
            found |= {m.key: m for m in table if m.kind not in _PASSING and _is_below(m.point, real)}
    return tuple(found.values())


def lost(before: Sequence[Mount], paths: Sequence[str]) -> Lost:
    """Which of *before* are not mounted any more; *paths* as they were given to :func:`held_by`."""
    now = {mount.key for mount in _table()}
    if not now:
        return Lost()
    gone = [mount for mount in before if mount.key not in now]
    if not gone:
        return Lost()
    reals = [os.path.realpath(os.fsencode(path)) for path in paths]
    own = [m for m in gone if any(real == m.point or _is_below(real, m.point) for real in reals)]
    return Lost(tuple(os.fsdecode(m.point) for m in own), tuple(os.fsdecode(m.point) for m in gone if m not in own))


def points(mounted: Sequence[Mount]) -> tuple[str, ...]:
    """Where they are mounted."""
    return tuple(sorted(os.fsdecode(mount.point) for mount in mounted))


def missing(known: Sequence[str]) -> tuple[str, ...]:
    """Of folders where something was mounted those that are still there and where nothing is mounted now."""
    now = {os.fsdecode(mount.point) for mount in _table()}
    return tuple(point for point in known if point not in now and Path(point).is_dir()) if now else ()


def _holding(path: bytes, table: Sequence[Mount]) -> Sequence[Mount]:
    """The mount that *path* lies on: the deepest, and of several at one place the last."""
    above = [m for m in table if path == m.point or _is_below(path, m.point)]
    return [max(reversed(above), key=lambda m: len(m.point))] if above else []


def _is_below(inner: bytes, outer: bytes) -> bool:
    return inner != outer and inner.startswith(outer.rstrip(b"/") + b"/")


def _table() -> list[Mount]:
    """Every mount of this process's view; empty where the system does not tell."""
    try:
        lines = _TABLE.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        words = line.split(b" ")
        try:
            kind = words[words.index(b"-", 6) + 1]
            point = _OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), words[4])
        except (ValueError, IndexError):
            continue
        found.append(Mount((words[0], words[2]), point, kind))
    return found
