"""Which members of an archive may be made in the folder, judged by their names and by what links are there.

Refused is what could leave the folder: absolute names, ``..``, anything below a link that the archive makes or that the
folder already holds, hard links to such places; and hard links to files that are damaged or lost.

Memory is bounded but for one hash for each symbolic link of the archive, up to :data:`LINKS_MAX` of them. GNU tar
itself makes links that point outside only at its very end, which is what protects a fresh folder beyond that number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from .headers import FOLDER, HARD_LINK, SYMLINK, normal

#: Symbolic links that are remembered (about 80 bytes each).
LINKS_MAX: Final = 1 << 20


class Folder(Protocol):
    """What the walker asks of the folder that the members go to. Names are relative, without ``..``."""

    def leads_away(self, name: bytes) -> bool:
        """Whether *name* is, or lies below, a symbolic link that the folder holds now."""
        ...


class Guard:
    """Judges the members of one archive, in their order. *folder*: what the target holds, None when it was empty."""

    def __init__(self, folder: Folder | None) -> None:
        #: members that lack some of their content, by their plain names, in order
        self.damaged: dict[bytes, None] = {}
        #: hashes of the plain names of symbolic links that the archive has made
        self.links: set[int] = set()
        #: the last folder, plain, below which members may be made; None when the next one must be judged
        self.parent: bytes | None = None
        self._folder = folder
        self._lost: set[bytes] = set()
        self._after_loss = False

    def lose(self, names: Iterable[bytes]) -> None:
        """The members *names* are missing from the archive."""
        self._lost.update(normal(name) for name in names)
        self._after_loss = True
        self.parent = None

    def objection(self, kind: int, names: tuple[bytes, ...], links: tuple[bytes, ...]) -> str | None:
        """Why this member must not go to tar, or None."""
        for name in names:
            if not name or name[0] == 0x2F:
                return "an absolute name" if name else "no name"
            if b".." in name and b".." in name.split(b"/"):
                return "a name with .."
            if b"\0" in name or any(b"\0" in target for target in links):
                return "a name with a zero byte"
            plain = normal(name)
            parent = plain.rpartition(b"/")[0]
            if parent != self.parent:
                if parent and (why := self._away(parent)):
                    return why
                self.parent = parent
            if kind == FOLDER and plain and self._folder is not None and self._folder.leads_away(plain):
                return "a folder whose place in the target is a symbolic link"
            if kind == FOLDER and self.links and hash(plain) in self.links:
                return "a folder in the place of a link of this archive"
        if kind == SYMLINK:
            self._remember(normal(names[-1]))
        elif kind == HARD_LINK:
            return self._hard_link_objection(names[-1], links)
        return None

    def _hard_link_objection(self, name: bytes, links: tuple[bytes, ...]) -> str | None:
        for target in links:
            if not target or target[0] == 0x2F or b".." in target.split(b"/"):
                return "a hard link to a place outside"
            plain = normal(target)
            parent = plain.rpartition(b"/")[0]
            if parent and (why := self._away(parent)):
                return f"a hard link to what is {why}"
            if plain in self.damaged or plain in self._lost:
                return "a hard link to a file that is damaged or lost"
            if self._after_loss and self._folder is not None:
                # What bears that name may be what the folder held before.
                return "a hard link behind a loss, into a folder that was not empty"
            # A hard link to a symbolic link is one more symbolic link.
            if hash(plain) in self.links or (self._folder is not None and self._folder.leads_away(plain)):
                self._remember(normal(name))
        return None

    def _away(self, parent: bytes) -> str | None:
        """Why nothing may be made below *parent*, or None."""
        if self.links:
            part = parent
            while part:
                if hash(part) in self.links:
                    return "below a link of this archive"
                part = part.rpartition(b"/")[0]
        if self._folder is not None and self._folder.leads_away(parent):
            return "below a symbolic link in the target"
        return None

    def _remember(self, name: bytes) -> None:
        if len(self.links) < LINKS_MAX:
            self.links.add(hash(name))
        self.parent = None
