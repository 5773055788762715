"""Which members of a ``files`` object a ``--path GLOB`` means, and where they lie in its archive."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..frozen import frozen
from ..members.packing import Member
from .headers import normal
from .listed import Held, path_keys

#: Hard links whose targets are looked for (a hash each).
_TARGETS_MAX: Final = 1 << 20
#: Members of one object that are remembered, so that its list is not gone through again.
_FEW: Final = 1 << 14


@frozen
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

    A leading ``/`` does not count: members are named relative to it. ``used``: whoever takes a member sets it.
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
        return self._match is None or self._match(os.fsdecode(normal(name))) is not None


class _Newer:
    """What the newer objects of a chain bring of a selection: what older ones hold under these names is out of date."""

    def __init__(self) -> None:
        self._folders: dict[int, bool] = {}

    def hides(self, member: Member) -> bool:
        """Whether something newer has the member's place, or one above it is no folder any more."""
        if not self._folders:
            return False
        keys = path_keys(member.name)
        return keys[-1] in self._folders or any(self._folders.get(key) is False for key in keys)

    def add(self, found: dict[int, bool]) -> None:
        """Take what one object brings: key of its name → whether it is a folder. What is newer stays."""
        for key, is_folder in found.items():
            self._folders.setdefault(key, is_folder)


class _Link:
    """One object of a chain: its members, and those that any of the patterns means, where they are few."""

    def __init__(self, members: Iterable[Member], globs: Sequence[PathPattern], folders: set[int] | None) -> None:
        """*folders* takes the keys of the folders above what is meant; None where nobody asks."""
        self.members = members
        self._globs = globs
        self._few: list[Member] | None = None
        if folders is None:
            return
        few: list[Member] | None = []
        parent: bytes | None = None
        for member in self.meant():
            above = member.name.rstrip(b"/").rpartition(b"/")[0]
            if above != parent:
                folders.update(path_keys(member.name)[:-1])
                parent = above
            if few is not None:
                few.append(member)
                few = few if len(few) < _FEW else None
        self._few = few

    def meant(self) -> Iterator[Member]:
        """The members that any of the patterns means, in the order of the archive."""
        if self._few is not None:
            yield from self._few
            return
        for member in self.members:
            if any(glob.matches(member.name) for glob in self._globs):
                yield member


def select(members: Iterable[Member], patterns: Sequence[str]) -> Selection:
    """The members that any of *patterns* means, with the targets of hard links among them.

    *members* is gone through twice where targets lie outside the selection.
    """
    globs = [PathPattern(text) for text in patterns]
    return _select(_Link(members, globs, None), globs, _Newer(), Held(), frozenset())


def select_chain(
    chain: Sequence[Iterable[Member]], patterns: Sequence[str], complete: Sequence[bool] = ()
) -> list[Selection]:
    """What to bring back of each object of a chain, oldest first, so that it is the state that the last of them saw.

    What a newer object holds, or what was deleted since as its folders' lists say, is not taken from an older one: a
    folder may have become a file since, or a link. Where an older hard link has its target come along, that target's
    newest content comes, too. *complete*: of each object, whether what its lists call stored and does not hold was no
    file then (:meth:`~.listed.Held.close`). Beyond :data:`_TARGETS_MAX` names in one object an older member is restored
    and then replaced. Raises Unsound where a folder's list cannot be read, and Renamed.
    """
    globs = [PathPattern(text) for text in patterns]
    folders: set[int] = set()
    last = len(chain) - 1
    links = [_Link(members, globs, folders if n < last else None) for n, members in enumerate(chain)]
    also: frozenset[bytes] = frozenset()
    while True:
        newer, held = _Newer(), Held(folders)
        parts = []
        for n in range(last, -1, -1):
            parts.append(_select(links[n], globs, newer, held, also))
            if n:
                _hold(held, links[n].members, n, complete=bool(complete) and complete[n])
        more = also.union(normal(target) for part in parts[1:] for target in part.targets)
        if more == also:
            return parts[::-1]
        also = more


def state(
    chain: Sequence[Iterable[Member]], patterns: Sequence[str] = (), complete: Sequence[bool] = ()
) -> Iterator[tuple[int, Member]]:
    """The members of the state that the last object of a chain saw, each with the number of the object that holds it.

    From the newest object to the oldest, in the order of each archive; *patterns*: only what any of them means. Raises
    as :func:`select_chain`.
    """
    globs = [PathPattern(text) for text in patterns or ("",)]
    newer, held = _Newer(), Held()
    for n in range(len(chain) - 1, -1, -1):
        found: dict[int, bool] = {}
        for member in _Link(chain[n], globs, None).meant():
            if newer.hides(member) or not held.keeps(member.name, folder=member.kind == "folder"):
                continue
            if n:
                found[path_keys(member.name)[-1]] = member.kind == "folder"
            yield n, member
        newer.add(found)
        if n:
            _hold(held, chain[n], n, complete=bool(complete) and complete[n])


class Renamed(Exception):
    """Object number ``link`` of a chain moved folders of older ones: where their members are now is not known here."""

    def __init__(self, link: int) -> None:
        super().__init__("folders were renamed while it was read")
        self.link = link


def _hold(held: Held, members: Iterable[Member], link: int, *, complete: bool) -> None:
    for member in members:
        if member.listed is not None:
            held.add(member.name, member.listed)
        elif complete and member.kind != "folder":
            held.came(member.name)
    held.close(complete=complete)
    if held.renamed:
        raise Renamed(link)


def _select(link: _Link, globs: Sequence[PathPattern], newer: _Newer, held: Held, also: frozenset[bytes]) -> Selection:
    used: set[str] = set()
    ranges = _Ranges()
    names: set[int] = set()
    wanted: dict[bytes, None] = {}
    found: dict[int, bool] = {}

    for member in link.meant() if not also else link.members:
        if also and not _means(globs, also, member):
            continue
        if newer.hides(member) or not held.keeps(member.name, folder=member.kind == "folder"):
            continue
        used.update(glob.text for glob in globs if glob.text not in used and glob.matches(member.name))
        ranges.add(member)
        if len(found) < _TARGETS_MAX:
            found[path_keys(member.name)[-1]] = member.kind == "folder"
        if member.kind == "hardlink":
            target = normal(member.link)
            if hash(target) not in names and len(wanted) < _TARGETS_MAX:
                wanted[target] = None
        elif member.kind == "file" and len(names) < _TARGETS_MAX:
            names.add(hash(normal(member.name)))
    targets = []
    if wanted:
        ranges = _Ranges()
        for member in link.members:
            needed = member.kind != "hardlink" and normal(member.name) in wanted
            meant = _means(globs, also, member)
            if not needed and not meant:
                continue
            kept = held.keeps(member.name, folder=member.kind == "folder")
            if needed and not (meant and kept):
                targets.append(member.name)
            if needed or (kept and not newer.hides(member)):
                ranges.add(member)
    newer.add(found)
    return ranges.selection([glob.text for glob in globs if glob.text not in used], targets)


def _means(globs: Sequence[PathPattern], also: frozenset[bytes], member: Member) -> bool:
    return any(glob.matches(member.name) for glob in globs) or (bool(also) and normal(member.name) in also)


def merged(parts: Sequence[Selection]) -> Selection:
    """Selections of several objects as one, to be told: counts and targets; its ranges mean nothing."""
    targets = dict.fromkeys(target for part in parts for target in part.targets)
    return Selection((), sum(p.members for p in parts), sum(p.data_bytes for p in parts), (), tuple(targets))


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
