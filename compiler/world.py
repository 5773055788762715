"""What the compiler must know of the world, as one small protocol, and its twin in memory for tests.

The compiler itself opens nothing: no plan's source, drive or target needs to exist for it to be checked and compiled.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .recorded import Recorded

#: Linux names one tape drive by many nodes: st0 rewinds, nst0 does not, and l, m, a are modes of it.
_TAPE = re.compile(r"/dev/n?st(\d+)[lma]?")


class World(Protocol):
    """Read plan text, and say what a path really is. Paths are as plans write them, or joined to a plan's folder."""

    def read(self, path: str) -> bytes:
        """The bytes of the plan file *path* (``-``: standard input). Raises OSError."""

    def resolve(self, path: str) -> str:
        """The absolute path that *path* really is, symbolic links and ``..`` resolved. It need not exist."""

    def identity(self, path: str) -> str:
        """A text that two paths share when they are one thing: one folder or one device, whatever it is called."""

    def recorded(self) -> Recorded | None:
        """What the catalog knows that selectors are to be checked against; None: they are not checked."""


def tape_identity(path: str) -> str | None:
    """``tape 0`` for every node of the first SCSI tape (``/dev/st0``, ``/dev/nst0``, ``/dev/nst0a``); else None."""
    match = _TAPE.fullmatch(path)
    return f"tape {int(match[1])}" if match else None


@dataclass(frozen=True, slots=True)
class MemoryWorld:
    """A world in memory: *files* by path, symbolic *links* by path, *same* paths by the identity that they share;
    *catalog* is what is recorded. Relative paths lie in *folder*.
    """

    files: Mapping[str, str | bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/plans"
    catalog: Recorded | None = None

    def read(self, path: str) -> bytes:
        """The bytes of *path*; a path that is not there raises FileNotFoundError."""
        wanted = self.resolve(path)
        for name, content in self.files.items():
            if self.resolve(name) == wanted:
                return content.encode() if isinstance(content, str) else content
        raise FileNotFoundError(2, "No such file or directory", path)

    def resolve(self, path: str) -> str:
        """As the real world does, over *links*; after 40 links a path stands for itself."""
        rest = [p for p in posixpath.join(self.folder, path).split("/") if p not in {"", "."}]
        done: list[str] = []
        followed = 0
        while rest:
            part = rest.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            here = "/" + "/".join([*done, part])
            link = self.links.get(here)
            if link is None or followed == 40:
                done.append(part)
                continue
            followed += 1
            if link.startswith("/"):
                done = []
            rest = [p for p in link.split("/") if p not in {"", "."}] + rest
        return "/" + "/".join(done)

    def identity(self, path: str) -> str:
        """The identity given in *same*, the tape that a device's name says, or the resolved path."""
        real = self.resolve(path)
        return self.same.get(real) or tape_identity(real) or real

    def recorded(self) -> Recorded | None:
        """The *catalog*."""
        return self.catalog
