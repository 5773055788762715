"""A magazine: the folder of one virtual tape drive, its lock, its volumes by number, and how a new one is made."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path
from typing import Final

from .. import kinds
from ..faults import DriveBusyFault, DriveFault, DriveFullFault, Place
from ..media.label import volume_name

NUMBER_MAX: Final = 999_999
_MODE: Final = 0o600
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


_ROOM: Final = (
    "make room on the drive's disk (`tcc volumes --plan FILE` shows what has expired, `tcc volume recycle` frees it),"
    " or give the drive another folder"
)
#: error → what mends it
_MENDS: Final = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: "have the quota of the drive's user raised, or " + _ROOM,
    errno.EFBIG: "give the drive a `capacity` below the largest file that its disk, or `ulimit -f`, allows",
    errno.EROFS: "see in the kernel's log (`dmesg`) why the disk is read-only (after an error the kernel makes it so),"
    " and make it writable",
    errno.EACCES: "let this user write the drive's folder",
    errno.EPERM: "let this user write the drive's folder (see `lsattr`, too)",
    errno.EIO: "see what the kernel's log (`dmesg`) says of the disk; one that fails is replaced before it is trusted"
    " again",
    errno.ENODEV: "bring the device back",
    errno.ENXIO: "bring the device back",
    errno.ENOENT: "see whether the drive's disk is mounted",
    errno.ENOTDIR: "take away what lies where the drive's folder belongs, and is none",
    errno.EEXIST: "take away what lies where the drive's folder belongs, and is none",
    errno.ESTALE: "mount the drive's file system again",
}


def mend_of(error: OSError) -> str:
    """What an administrator does about the error of a drive's folder; what is to be copied then, the run says."""
    return _MENDS.get(error.errno or 0, "check the disk and the permissions of the drive's folder")


def fault_of(error: OSError, what: str, place: Place, *, safe: str = "", todo: str = "") -> DriveFault:
    """The drive's fault for an operating system's error: full, or failed."""
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return DriveFullFault(
            f"{what}: {reason}",
            place=place,
            safe=safe or "all sessions before this one",
            todo=todo or mend_of(error),
        )
    return DriveFault(
        f"{what}: {reason}",
        place=place,
        safe=safe or "all sessions before this one",
        todo=todo or mend_of(error),
    )


class Magazine:
    """An open and locked folder. ``fd`` is the folder's descriptor; closing it gives the lock back (W8)."""

    def __init__(self, path: Path, drive: str) -> None:
        self.path = path
        self.drive = drive
        self._pattern = re.compile(re.escape(kinds.encode_name(drive)) + r"-([0-9]{6})\.tar", re.ASCII)
        self.fd = -1

    def open(self) -> None:
        """Make the folder (and its parents) where it lacks, and lock it. Raises DriveFault or DriveBusyFault."""
        place = Place(drive=self.drive)
        try:
            self._make()
            self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise fault_of(error, f"the folder {self.path} cannot be used", place) from None
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise DriveBusyFault(
                    f"another run holds the folder {self.path}",
                    place=place,
                    safe="nothing was written to it",
                    todo="wait until that run has ended",
                ) from None
            raise fault_of(error, f"the folder {self.path} cannot be locked", place) from None

    def close(self) -> None:
        """Give the folder back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def removed(self) -> bool:
        """Whether the open folder has been removed: what is made in it is nowhere."""
        try:
            return self.fd >= 0 and os.fstat(self.fd).st_nlink == 0
        except OSError:
            return False  # a device that fails: its own error says more

    def _make(self) -> None:
        missing = []
        folder = self.path
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            try:
                folder.mkdir(mode=0o700 if folder == self.path else 0o777)
            except FileExistsError:
                continue
            _sync_folder(folder.parent)

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all names that are those of this drive's volumes, whatever lies there, in order."""
        try:
            names = os.listdir(self.fd)  # noqa: PTH208 - the open, locked folder, not a path
        except OSError as error:
            raise fault_of(error, f"the folder {self.path} cannot be read", Place(drive=self.drive)) from None
        matches = (self._pattern.fullmatch(name) for name in names)
        return tuple(sorted(int(match[1]) for match in matches if match))

    def next_number(self) -> int:
        """The number above every existing one. Raises DriveFullFault behind 999,999."""
        number = max(self.numbers(), default=0) + 1
        if number > NUMBER_MAX:
            raise DriveFullFault(
                "its folder has a volume with the last number, 999999",
                place=Place(drive=self.drive),
                safe="all sessions before this one",
                todo="give the drive another folder",
            )
        return number

    def file_of(self, number: int) -> Path:
        """Where the volume *number* lies."""
        return self.path / f"{volume_name(self.drive, number)}.tar"

    def create(self, number: int, content: bytes) -> int | None:
        """A new file with *content*, on the medium, then under its name (W1, W2); its descriptor, open for writing.

        None where the name came to exist meanwhile: it is left alone. Raises OSError where the disk fails.
        """
        name = self.file_of(number).name
        fd, temporary = self._nameless(name)
        linked = False
        try:
            done = 0
            while done < len(content):
                done += os.pwrite(fd, content[done:], done)
            os.fsync(fd)
            if temporary is None:
                os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=self.fd, follow_symlinks=True)
            else:
                os.link(temporary, name, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)
            linked = True
            os.fsync(self.fd)
        except FileExistsError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            if linked:
                # It is ours, new and unconfirmed: without it the next run begins where this one did.
                os.unlink(name, dir_fd=self.fd)
            raise
        finally:
            if temporary is not None:
                os.unlink(temporary, dir_fd=self.fd)
        return fd

    def _nameless(self, name: str) -> tuple[int, str | None]:
        """A new file without a name; where the file system has none such, one with a name of its own."""
        flags = os.O_RDWR | os.O_CLOEXEC
        if Path("/proc/self/fd").exists():
            try:
                return os.open(".", flags | os.O_TMPFILE, _MODE, dir_fd=self.fd), None
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
                    raise
        temporary = f".{name}.{os.urandom(8).hex()}.new"
        return os.open(temporary, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE, dir_fd=self.fd), temporary


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
