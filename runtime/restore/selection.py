"""Which members of a ``files`` object a ``--path GLOB`` means, and where they lie in its archive."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..members.lists import Member
from .headers import normal

#: Hard links whose targets are looked for (a hash each).
_TARGETS_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Selection:
    """Members to bring back: *ranges* of the archive, ascending, apart; their count and the bytes that they take.

    ``unmatched``: patterns that no member fits. ``targets``: members that come along because a selected hard link needs
    their data.
    """

    ranges: tuple[tuple[int, int], ...]
    members: int
    data_bytes: int
    unmatched: tuple[str, ...] = ()
    targets: tuple[bytes, ...] = ()


class PathPattern:
    """One ``--path GLOB``: ``*`` and ``?`` also match ``/``; what lies below a match is matched, too.

    A leading ``/`` does not count: members are named relative to it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        plain = text.strip("/")
        while plain.startswith("./"):
            plain = plain[2:].lstrip("/")
        glob = fnmatch.translate(plain).removesuffix(r"\Z").removesuffix(r"\z")
        self._match = re.compile(rf"(?:{glob})(?:/.*)?", re.DOTALL).fullmatch if plain not in {"", "."} else None
        self.used = False

    def matches(self, name: bytes) -> bool:
        """Whether the member *name* is meant."""
        if self._match is None or self._match(os.fsdecode(normal(name))) is not None:
            self.used = True
            return True
        return False


class _Newer:
    """What the newer objects of a chain bring of a selection: what older ones hold under these names is out of date."""

    def __init__(self) -> None:
        self._folders: dict[int, bool] = {}

    def hides(self, member: Member) -> bool:
        """Whether something newer has the member's place, or one above it is no folder any more."""
        if not self._folders:
            return False
        name = normal(member.name)
        newer = self._folders.get(hash(name))
        if newer is not None and not (newer and member.kind == "folder"):
            return True
        above = name.rpartition(b"/")[0]
        while above:
            if self._folders.get(hash(above)) is False:
                return True
            above = above.rpartition(b"/")[0]
        return False

    def add(self, found: dict[int, bool]) -> None:
        """Take what one object brings: hash of its name → whether it is a folder. What is newer stays."""
        for key, is_folder in found.items():
            self._folders.setdefault(key, is_folder)


def select(members: Iterable[Member], patterns: Sequence[str]) -> Selection:
    """The members that any of *patterns* means, with the targets of hard links among them.

    *members* is gone through twice where targets lie outside the selection.
    """
    return _select(members, patterns, _Newer(), frozenset())


def select_chain(chain: Sequence[Iterable[Member]], patterns: Sequence[str]) -> list[Selection]:
    """What to bring back of each object of a chain, oldest first, so that the newest of each name is what stays.

    What a newer object holds is not taken from an older one: a folder may have become a file since, or a link. Where an
    older hard link has its target come along, that target's newest content comes, too. Beyond :data:`_TARGETS_MAX`
    names in one object an older member is restored and then replaced. Deletions are not known here.
    """
    also: frozenset[bytes] = frozenset()
    while True:
        newer = _Newer()
        parts = [_select(members, patterns, newer, also) for members in reversed(chain)]
        more = also.union(normal(target) for part in parts[1:] for target in part.targets)
        if more == also:
            return parts[::-1]
        also = more


def _select(members: Iterable[Member], patterns: Sequence[str], newer: _Newer, also: frozenset[bytes]) -> Selection:
    globs = [PathPattern(text) for text in patterns]
    ranges = _Ranges()
    names: set[int] = set()
    wanted: dict[bytes, None] = {}
    found: dict[int, bool] = {}
    for member in members:
        meant = any([glob.matches(member.name) for glob in globs])  # noqa: C419 - each pattern learns that it is used
        if not (meant or (also and normal(member.name) in also)) or newer.hides(member):
            continue
        ranges.add(member)
        if len(found) < _TARGETS_MAX:
            found[hash(normal(member.name))] = member.kind == "folder"
        if member.kind == "hardlink":
            target = normal(member.link)
            if hash(target) not in names and len(wanted) < _TARGETS_MAX:
                wanted[target] = None
        elif member.kind == "file" and len(names) < _TARGETS_MAX:
            names.add(hash(normal(member.name)))
    targets = []
    if wanted:
        ranges = _Ranges()
        for member in members:
            needed = member.kind != "hardlink" and normal(member.name) in wanted
            meant = any(glob.matches(member.name) for glob in globs)
            chosen = (meant or (also and normal(member.name) in also)) and not newer.hides(member)
            if needed and not meant:
                targets.append(member.name)
            if needed or chosen:
                ranges.add(member)
    newer.add(found)
    return ranges.selection([g.text for g in globs if not g.used], targets)


def of_members(members: Iterable[Member]) -> Selection:
    """These very members, in the order of the archive."""
    ranges = _Ranges()
    for member in members:
        ranges.add(member)
    return ranges.selection([], [])


class _Ranges:
    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._members = self._bytes = 0

    def add(self, member: Member) -> None:
        if self._ranges and self._ranges[-1][1] == member.offset:
            self._ranges[-1] = (self._ranges[-1][0], member.end)
        else:
            self._ranges.append((member.offset, member.end))
        self._members += 1
        self._bytes += member.end - member.offset

    def selection(self, unmatched: list[str], targets: list[bytes]) -> Selection:
        return Selection(tuple(self._ranges), self._members, self._bytes, tuple(unmatched), tuple(targets))
