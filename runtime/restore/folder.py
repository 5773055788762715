"""The folder that a restore writes to, held by a descriptor: nothing below it is reached through a symbolic link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from ..faults import RestoreFault

#: What a new file system holds of itself.
OF_THE_FILE_SYSTEM = frozenset({"lost+found"})


class TargetFolder:
    """An open target. ``fresh``: it held nothing when it was opened, so that no link in it can lead away."""

    def __init__(self, path: Path, fd: int, *, fresh: bool) -> None:
        self.path = path
        self.fd = fd
        self.fresh = fresh

    def __enter__(self) -> TargetFolder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    @property
    def gives_acls(self) -> bool:
        """Whether what is made in it gets an access control list from it."""
        try:
            return bool(os.getxattr(self.fd, "system.posix_acl_default"))
        except OSError:
            return False

    def leads_away(self, name: bytes) -> bool:
        """Whether *name* (relative, without ``..``) is, or lies below, a symbolic link that is there now."""
        at = os.dup(self.fd)
        try:
            for part in name.split(b"/"):
                try:
                    below = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                except OSError:
                    # Not there (tar will make it), or out of reach (tar will say so).
                    return False
                os.close(at)
                at = below
                if stat.S_ISLNK(os.fstat(at).st_mode):
                    return True
            return False
        finally:
            os.close(at)

    def remove_file(self, name: bytes) -> bool:
        """Remove the regular file *name*, without following any link; whether one was there."""
        return self._with_file(name, lambda last, at: os.unlink(last, dir_fd=at))

    def rename_file(self, name: bytes, to: bytes) -> bool:
        """Rename the regular file *name* within its folder, to a name that is free; whether that was done."""
        last = to.rpartition(b"/")[2]

        def rename(old: bytes, at: int) -> None:
            os.link(old, last, src_dir_fd=at, dst_dir_fd=at, follow_symlinks=False)
            os.unlink(old, dir_fd=at)

        return self._with_file(name, rename)

    def open_file(self, name: bytes) -> int | None:
        """A descriptor to read the regular file *name* with, reached without following any link; None without one."""
        found: list[int] = []
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        self._with_file(name, lambda last, at: found.append(os.open(last, flags, dir_fd=at)))
        return found[0] if found else None

    def _with_file(self, name: bytes, do: Callable[[bytes, int], None]) -> bool:
        if self.leads_away(name):
            return False
        *folders, last = [part for part in name.split(b"/") if part not in {b"", b"."}]
        at = os.dup(self.fd)
        try:
            for part in folders:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                os.close(at)
                at = below
            if not stat.S_ISREG(os.stat(last, dir_fd=at, follow_symlinks=False).st_mode):
                return False
            do(last, at)
        except OSError:
            return False
        finally:
            os.close(at)
        return True


def open_target(path: Path, *, overwrite: bool) -> TargetFolder:
    """Open the folder *path*, making it (readable by its owner alone) where it is not there.

    A folder of one's own keeps what a restore makes in it, setuid programs say, out of others' reach until it is opened
    to them. Raises RestoreFault: it is no folder, cannot be written, or is not empty and *overwrite* was not given.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            pass
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RestoreFault(f"the folder {path} cannot be used: {error.strerror}", safe="nothing was written") from None
    try:
        held = set(os.listdir(fd))  # noqa: PTH208 - by descriptor
        if not os.access(path, os.W_OK | os.X_OK):
            raise RestoreFault(f"the folder {path} cannot be written", safe="nothing was written")
        if held - OF_THE_FILE_SYSTEM and not overwrite:
            raise RestoreFault(
                f"the folder {path} is not empty",
                safe="nothing was written",
                todo="name an empty folder, or give --overwrite to write over what it holds",
            )
    except OSError as error:
        os.close(fd)
        raise RestoreFault(f"the folder {path} cannot be read: {error.strerror}", safe="nothing was written") from None
    except BaseException:
        os.close(fd)
        raise
    return TargetFolder(path, fd, fresh=not held)
