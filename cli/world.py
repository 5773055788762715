"""The real world, as the compiler sees it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.world import tape_identity

if TYPE_CHECKING:
    from ..compiler.recorded import Recorded

#: A plan file larger than this is not read: no plan is that long, and a device would never end.
PLAN_BYTES_MAX = 64 * 1024 * 1024

#: Linux' major number of SCSI tapes (Documentation/admin-guide/devices.txt).
_SCSI_TAPE_MAJOR = 9


class RealWorld:
    """Files, symbolic links and device numbers of this machine; a catalog only where one was given.

    Folders are as they were when a path in them was first asked for.
    """

    def __init__(self, catalog: Recorded | None = None) -> None:
        self._catalog = catalog
        self._folders: dict[str, str] = {}

    def recorded(self) -> Recorded | None:
        """What the catalog knows."""
        return self._catalog

    def read(self, path: str) -> bytes:
        """The bytes of *path*, or of standard input for ``-``. Raises OSError, also when it is larger than 64 MiB."""
        if path == "-":
            content = sys.stdin.buffer.read(PLAN_BYTES_MAX + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(PLAN_BYTES_MAX + 1)
        if len(content) > PLAN_BYTES_MAX:
            raise OSError(27, f"larger than {PLAN_BYTES_MAX} bytes, which no plan is", path)
        return content

    def resolve(self, path: str) -> str:
        """The real path; what does not exist is resolved as far as it goes."""
        head, name = os.path.split(path)
        if name in {"", ".", ".."}:
            return os.path.realpath(path)
        # A plan's paths lie in few folders: what these really are is looked up once.
        if head not in self._folders:
            self._folders[head] = os.path.realpath(head)
        whole = f"{self._folders[head].rstrip('/')}/{name}"
        return os.path.realpath(whole) if os.path.islink(whole) else whole  # noqa: PTH114 - called for every path

    def identity(self, path: str) -> str:
        """Device numbers for device nodes (a tape's nodes are one), device and inode for what exists, else the path."""
        real = os.path.realpath(path)
        try:
            status = Path(real).stat()
        except OSError:
            return tape_identity(real) or real
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
            if stat.S_ISCHR(status.st_mode) and major == _SCSI_TAPE_MAJOR:
                # The kernel's TAPE_NR (drivers/scsi/st.h): bits 5 and 6 are the mode, bit 7 says "does not rewind".
                return f"tape {((minor & ~255) >> 3) | (minor & 31)}"
            return f"{'character' if stat.S_ISCHR(status.st_mode) else 'block'} device {major}:{minor}"
        return f"inode {status.st_dev}:{status.st_ino}"


class KnownWorld(RealWorld):
    """The real world, but that the file *path* has been read already: a pipe gives its content once."""

    def __init__(self, path: str, content: bytes) -> None:
        super().__init__()
        self._path, self._content = path, content

    def read(self, path: str) -> bytes:
        """The content of the file that is known, or as the real world has it."""
        return self._content if path == self._path else super().read(path)
