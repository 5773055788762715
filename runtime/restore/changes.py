"""What an incremental took away: deletions and renames of folders, applied to the folder that a chain is restored to.

Every folder of an incremental archive bears a list of what it held (see ``listed``). GNU tar 1.34 fails on a rename on
to a folder that exists and loses what both held, and it follows links on its way; so what is gone is removed here, with
descriptors and without following any link, before tar sees the members that come instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from .folder import OF_THE_FILE_SYSTEM, TargetFolder
from .headers import Unsound, normal
from .listed import ENTRIES, FOLDER, RENAMED_FROM, RENAMED_TO, STORED, Awaited, items

#: Problems that are told one by one.
NAMED_MAX: Final = 100
_TEMPORARY: Final = b".tcc-moved"
#: Access control lists, of which tar takes off what it has not; labels, which the system gives.
_OF_THE_SYSTEM: Final = ("system.", "security.")


class Changes:
    """Applies the folder lists of one archive to *folder*, in which everything was put by the chain that is restored.

    ``removed`` counts entries; ``problems`` say what could not be done. *complete*: the archive lacks nothing that
    could not be read when it was made, so that what its lists call stored without a member was no file.
    """

    def __init__(self, folder: TargetFolder, *, complete: bool = False) -> None:
        self.removed = 0
        self.problems: list[str] = []
        self._folder = folder
        self._awaited = Awaited() if complete else None
        self._count = 0

    def apply(self, name: bytes, listed: bytes, *, renames: bool) -> None:
        """Make the folder *name* (relative, without ``..``) hold nothing beyond *listed*.

        *renames*: whether folders may be moved: not any more once links of this archive were seen. Raises Unsound.
        """
        kinds = {entry: kind for kind, entry in _moves_first(listed, self, renames=renames)}
        self._purge(normal(name), kinds)

    def came(self, name: bytes) -> None:
        """The archive holds the member *name*, no folder."""
        if self._awaited is not None:
            self._awaited.came(name)

    def lacks(self) -> None:
        """Something of the archive is lost: what did not come may have been a file."""
        self._awaited = None

    def finish(self) -> None:
        """All members are in their places: what was to come and did not (a socket, a file that was removed meanwhile)
        leaves nothing of before under its name.
        """
        awaited, self._awaited = self._awaited, None
        for folder, names in awaited.left() if awaited is not None else ():
            try:
                fd = self._open(folder)
            except OSError:
                continue  # not there: nothing to remove
            try:
                there = set(map(os.fsencode, os.listdir(fd)))  # noqa: PTH208 - by descriptor
                for name in names:
                    if name in there and not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                        os.unlink(name, dir_fd=fd)
                        self.removed += 1
            except OSError as error:
                self._problem(f"{os.fsdecode(folder)}: what was deleted since cannot be removed: {error.strerror}")
            finally:
                os.close(fd)

    # ---------------------------------------------------------------- deletions

    def _purge(self, name: bytes, kinds: dict[bytes, int]) -> None:
        try:
            fd = self._open(name)
        except OSError:
            return  # not there: nothing to remove
        try:
            self._strip(fd, name)
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            older = False
            if mode & 0o700 != 0o700:
                os.fchmod(fd, mode | 0o700)  # tar sets it right when all is done
            for entry in os.listdir(fd):  # noqa: PTH208 - by descriptor
                raw = os.fsencode(entry)
                if not name and entry in OF_THE_FILE_SYSTEM:
                    continue
                found = os.stat(raw, dir_fd=fd, follow_symlinks=False)
                kind = kinds.get(raw)
                if kind is None or (kind == FOLDER) != stat.S_ISDIR(found.st_mode):
                    self._remove(fd, raw)
                older |= kind == STORED
            if older and self._awaited is not None:
                self._awaited.add(name, [entry for entry, kind in kinds.items() if kind == STORED])
        except OSError as error:
            self._problem(f"{os.fsdecode(name)}: what was deleted since cannot be removed: {error.strerror}")
        finally:
            os.close(fd)

    def _strip(self, fd: int, name: bytes) -> None:
        """Take the attributes of the sessions before off a folder: tar sets those that it has, and removes none."""
        try:
            for attribute in os.listxattr(fd):
                if not attribute.startswith(_OF_THE_SYSTEM):
                    os.removexattr(fd, attribute)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                self._problem(f"{os.fsdecode(name)}: attributes of before cannot be removed: {error.strerror}")

    def _remove(self, at: int, name: bytes) -> None:
        """Remove *name* in the folder *at* and all that it holds, however deep: folders are moved up, not descended."""
        waiting = [name]
        while waiting:
            one = waiting[-1]
            if not stat.S_ISDIR(os.stat(one, dir_fd=at, follow_symlinks=False).st_mode):
                os.unlink(one, dir_fd=at)
                self.removed += 1
                waiting.pop()
                continue
            fd = os.open(one, _DIRECTORY, dir_fd=at)
            below = len(waiting)
            try:
                os.fchmod(fd, 0o700)
                for entry in os.listdir(fd):  # noqa: PTH208 - by descriptor
                    raw = os.fsencode(entry)
                    if stat.S_ISDIR(os.stat(raw, dir_fd=fd, follow_symlinks=False).st_mode):
                        moved = self._unused(at)
                        os.rename(raw, moved, src_dir_fd=fd, dst_dir_fd=at)
                        waiting.append(moved)
                    else:
                        os.unlink(raw, dir_fd=fd)
                        self.removed += 1
            finally:
                os.close(fd)
            if len(waiting) == below:
                os.rmdir(one, dir_fd=at)
                self.removed += 1
                waiting.pop()

    def _unused(self, at: int) -> bytes:
        while True:
            self._count += 1
            name = b"%b-%d" % (_TEMPORARY, self._count)
            try:
                os.stat(name, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                return name

    # ---------------------------------------------------------------- renames

    def move(self, old: bytes, new: bytes) -> None:
        """Move the folder *old* to *new*; what lies at *new* is gone. Empty names mean the temporary place."""
        old, new = (_place(name) if name else _TEMPORARY for name in (old, new))
        if old == new or old.startswith(new + b"/") or new.startswith(old + b"/"):
            raise Unsound("a folder is to be moved into itself")
        try:
            source = self._open(old.rpartition(b"/")[0])
            try:
                last = old.rpartition(b"/")[2]
                if not stat.S_ISDIR(os.stat(last, dir_fd=source, follow_symlinks=False).st_mode):
                    raise NotADirectoryError(20, "it is no folder")
                target = self._open(new.rpartition(b"/")[0], make=True)
                try:
                    place = new.rpartition(b"/")[2]
                    try:
                        self._remove(target, place)
                    except FileNotFoundError:
                        pass
                    os.rename(last, place, src_dir_fd=source, dst_dir_fd=target)
                finally:
                    os.close(target)
            finally:
                os.close(source)
        except OSError as error:
            self._problem(
                f"{os.fsdecode(old)} was renamed to {os.fsdecode(new)}, which cannot be done: {error.strerror}"
            )

    def _problem(self, text: str) -> None:
        if len(self.problems) < NAMED_MAX:
            self.problems.append(text)

    # ---------------------------------------------------------------- folders, without following links

    def _open(self, name: bytes, *, make: bool = False) -> int:
        """A descriptor of the folder *name*; *make*: made, with those above it, where it is not there."""
        at = os.dup(self._folder.fd)
        try:
            for part in name.split(b"/") if name else ():
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=at)
                below = os.open(part, _DIRECTORY, dir_fd=at)
                os.close(at)
                at = below
        except BaseException:
            os.close(at)
            raise
        return at


_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _moves_first(listed: bytes, changes: Changes, *, renames: bool) -> Iterator[tuple[int, bytes]]:
    """Do the renames of a list; yield its other entries. Raises Unsound."""
    old: bytes | None = None
    for kind, name in items(listed):
        if kind in ENTRIES:
            yield kind, name
        elif kind == RENAMED_FROM:
            old = name
        elif kind == RENAMED_TO:
            if old is None:
                raise Unsound("a folder's list has an entry of a kind that no backup makes")
            if not renames:
                raise Unsound("a folder is to be moved behind links of the same archive")
            changes.move(old, name)
            old = None


def _place(name: bytes) -> bytes:
    if name[:1] == b"/" or b".." in name.split(b"/") or not normal(name):
        raise Unsound("a folder is to be moved to or from a place outside")
    return normal(name)
