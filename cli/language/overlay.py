"""The world as an editor sees it: what is open counts as it is typed, the rest is read from disk, with care.

Nothing that a half-written ``include`` may name can stop or fill the server: only regular files inside of the project's
folders are read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..world import PLAN_BYTES_MAX, RealWorld

#: So many answers about paths are remembered; then all are asked anew.
_REMEMBERED_MAX = 200_000


@dataclass(slots=True)
class Paths:
    """What paths really are, remembered: a plan of thousands of drives is checked at each key that is pressed.

    Forgotten whenever something was saved or the editor says that files have changed.
    """

    resolved: dict[str, str] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)

    def forget(self) -> None:
        """Ask the file system anew from here on."""
        self.resolved.clear()
        self.identities.clear()


@dataclass(frozen=True, slots=True)
class OverlayWorld:
    """Open documents (by the path that they really are, or by their URI where they have none) above the disk.

    *folders* are the project's (real paths); what lies outside of all of them is not read.
    """

    documents: Mapping[str, str]
    folders: tuple[str, ...]
    paths: Paths = field(default_factory=Paths)

    def read(self, path: str) -> bytes:
        """The bytes of *path*. Raises OSError, also for what is no regular file, too large, or outside the project."""
        text = self.documents.get(path)
        if text is None:
            text = self.documents.get(self.resolve(path))
        if text is not None:
            return text.encode("utf-8", "replace")
        real = self.resolve(path)
        if not is_inside(real, self.folders):
            raise PermissionError(errno.EACCES, "it lies outside of the project's folder", path)
        return read_regular(real)

    def resolve(self, path: str) -> str:
        """The real path; a document without a path is what its URI says."""
        if path in self.documents:
            return path
        known = self.paths.resolved.get(path)
        if known is None:
            if len(self.paths.resolved) > _REMEMBERED_MAX:
                self.paths.forget()
            known = self.paths.resolved[path] = os.path.realpath(path)
        return known

    def identity(self, path: str) -> str:
        """As the real world says."""
        known = self.paths.identities.get(path)
        if known is None:
            known = self.paths.identities[path] = RealWorld().identity(path)
        return known

    def recorded(self) -> None:
        """No catalog is asked while somebody types."""


def is_inside(real: str, folders: tuple[str, ...]) -> bool:
    """Whether a real path lies in one of the folders (real paths)."""
    return any(real == folder or real.startswith(folder.rstrip("/") + "/") for folder in folders)


def read_regular(path: str, most: int = PLAN_BYTES_MAX) -> bytes:
    """The bytes of a regular file of at most *most* bytes; a FIFO or device is never waited for. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most} bytes, which no plan is", path)
    return content
