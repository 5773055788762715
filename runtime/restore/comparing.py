"""Sinks that compare: what comes is held against what another reading has restored, byte for byte.

The archive is read by Python's ``tarfile``, not by GNU tar: two programs that agree about every member are worth more
than one that agrees with itself.
"""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..kinds import MIB, encode_name
from .folder import TargetFolder
from .headers import normal
from .sinks import EndsAtLoss, Outcome

#: Differences that are told one by one.
NAMED_MAX = 50
_CHUNK = MIB


class _Comparing(EndsAtLoss):
    """What both sinks have in common."""

    def __init__(self) -> None:
        #: members (or streams) that are as they were stored, and the bytes of their contents
        self.same = 0
        self.same_bytes = 0
        self.different: list[str] = []
        self.different_count = 0

    def differs(self, what: str) -> None:
        """Something is not as it was stored."""
        self.different_count += 1
        if len(self.different) < NAMED_MAX:
            self.different.append(what)


class StreamComparer(_Comparing):
    """Compares a stream with the restored file ``folder/SOURCE``; to the first loss, as a restore goes no further."""

    def __init__(self, folder: TargetFolder, source: str) -> None:
        super().__init__()
        self._name = encode_name(source)
        fd = folder.open_file(self._name.encode())
        self._file: IO[bytes] | None = None if fd is None else os.fdopen(fd, "rb")
        self._good = self._file is not None
        if self._file is None:
            self.differs(f"{self._name} was not restored")

    def write(self, payload: memoryview) -> bool:
        """The next bytes."""
        if self._good and self._file is not None:
            if self._file.read(len(payload)) != payload:
                self._good = False
                self.differs(f"{self._name} differs behind byte {self.same_bytes}")
            self.same_bytes += len(payload)
        return self._good

    def finish(self) -> Outcome:
        """All came: nothing more must be there."""
        if self._good and self._file is not None and self._file.read(1):
            self._good = False
            self.differs(f"{self._name} is longer than what is stored")
        self.same += self._good
        self.abandon()
        return Outcome(True)

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """The other copy ended early."""
        self.abandon()
        return Outcome(True, tuple(why))

    def abandon(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class TreeComparer(_Comparing):
    """Compares each member of an archive with what lies below the folder. Works on a thread of its own.

    Behind a loss it goes on with the next member, as the restore does: with another thread, since ``tarfile`` knows no
    way there.
    """

    def __init__(self, folder: TargetFolder) -> None:
        super().__init__()
        self._folder = folder
        self._root = os.geteuid() == 0
        self._error: str | None = None
        self._begin()

    # ------------------------------------------------------------ the caller's thread

    def _begin(self) -> None:
        read_end, self._pipe = os.pipe()
        self._thread = threading.Thread(target=self._compare, args=(read_end,), name="comparison")
        self._thread.start()

    def can_go_on(self) -> bool:
        """With the next member that is there as a whole."""
        return True

    def gap(self, size: int) -> None:
        """The member that is read now cannot be compared."""
        self.abandon()
        self._error = None

    def in_step(self) -> bool:
        """Not between a loss and the next member."""
        return self._pipe >= 0

    def resume(self, lost: Sequence[bytes]) -> None:
        """The next byte begins a member."""
        self._begin()

    def write(self, payload: memoryview) -> bool:
        """The next bytes of the archive."""
        try:
            while payload:
                payload = payload[os.write(self._pipe, payload) :]
        except BrokenPipeError:
            return False
        return True

    def finish(self) -> Outcome:
        """All came."""
        self.abandon()
        return Outcome(True) if self._error is None else Outcome(True, (self._error,))

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """The other copy ended early."""
        self.abandon()
        return Outcome(True, tuple(why))

    def abandon(self) -> None:
        """End the thread."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        self._thread.join()

    # ------------------------------------------------------------ the thread that compares

    def _compare(self, read_end: int) -> None:
        try:
            with (
                open(read_end, "rb", buffering=MIB) as coming,
                tarfile.open(fileobj=coming, mode="r|", bufsize=MIB, errors="surrogateescape") as archive,
            ):
                while (member := archive.next()) is not None:
                    self._one(archive, member)
                    archive.members = []  # type: ignore[attr-defined]  # it would keep all that it has seen
                while coming.read(_CHUNK):
                    pass
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            self._error = f"the archive cannot be compared: {error}"

    def _one(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        # A sparse file has a name of tar's making, too, which tarfile prefers where neither is short and plain.
        name = os.fsencode(member.pax_headers.get("GNU.sparse.name", member.name))
        member.size = int(member.pax_headers.get("GNU.sparse.realsize", member.size))
        plain = normal(name)
        shown = os.fsdecode(plain)
        parent = plain.rpartition(b"/")[0]
        away = not plain or plain.startswith(b"/") or b".." in plain.split(b"/")
        if away or (parent and self._folder.leads_away(parent)):
            self.differs(f"{shown}: its name leads away, so that it was not restored")
            return
        try:
            found = os.stat(plain, dir_fd=self._folder.fd, follow_symlinks=False)
        except OSError as error:
            if member.isdev() and not self._root and not member.isfifo():
                return  # only root can make it
            self.differs(f"{shown} is not there: {error.strerror}")
            return
        why = self._unlike(archive, member, plain, found)
        if why is None:
            self.same += 1
        else:
            self.differs(f"{shown}: {why}")

    def _unlike(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: bytes, found: os.stat_result
    ) -> str | None:
        kind = stat.S_IFMT(found.st_mode)
        if member.issym():
            if kind != stat.S_IFLNK:
                return "it is no symbolic link"
            return (
                None if os.readlink(name, dir_fd=self._folder.fd) == os.fsencode(member.linkname) else "leads elsewhere"
            )
        if member.islnk():
            try:
                target = os.stat(normal(os.fsencode(member.linkname)), dir_fd=self._folder.fd, follow_symlinks=False)
            except OSError:
                return "the file that it is another name of is not there"
            return None if (target.st_dev, target.st_ino) == (found.st_dev, found.st_ino) else "it is a file of its own"
        wanted = (
            stat.S_IFDIR if member.isdir()
            else stat.S_IFREG if member.isreg()
            else stat.S_IFIFO if member.isfifo()
            else stat.S_IFCHR if member.ischr()
            else stat.S_IFBLK
        )  # fmt: skip
        if kind != wanted:
            return "it is of another kind"
        bits = 0o7777 if self._root else 0o777
        if (found.st_mode ^ member.mode) & bits:
            return f"its mode is {found.st_mode & bits:04o}, not {member.mode & bits:04o}"
        if self._root and (found.st_uid, found.st_gid) != (member.uid, member.gid):
            return f"it belongs to {found.st_uid}:{found.st_gid}, not {member.uid}:{member.gid}"
        if not member.isreg():
            return None
        if found.st_size != member.size:
            return f"it has {found.st_size} bytes, not {member.size}"
        why = self._content(archive, member, name)
        if why is None and abs(found.st_mtime - float(member.mtime)) > 1:
            why = "its time is another"
        return why

    def _content(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: bytes) -> str | None:
        fd = self._folder.open_file(name)
        if fd is None:
            return "it cannot be read"
        stored = archive.extractfile(member)
        assert stored is not None
        with open(fd, "rb", buffering=0) as mine:
            done = 0
            while chunk := stored.read(_CHUNK):
                there = b""
                while len(there) < len(chunk):
                    more = mine.read(len(chunk) - len(there))
                    if not more:
                        break
                    there += more
                if there != chunk:
                    return f"its content differs behind byte {done}"
                done += len(chunk)
        self.same_bytes += done
        return None


def free_bytes(folder: Path) -> int:
    """Bytes that the file system of *folder* has free for us."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
