"""What the folders of an archive of an incremental source say that they held, and what was deleted, therefore.

Every folder of such an archive bears a list (``GNU.dumpdir``; "Dumpdir" in tar's manual): a letter and a name, each
ended by a zero byte: ``Y`` stored, ``N`` not changed, ``D`` a folder; ``R``, ``T`` and ``X`` are renames. What an older
object of the chain holds in that folder and the list does not name, or names as something of another kind, is gone.
``changes`` does that in a folder on the disk; here the same follows from names alone.

A list also calls stored what tar then passes over: a socket, or a file that was removed before its turn. Of these no
member comes (:class:`Awaited`), and what an older object holds under such a name is gone, too.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Protocol

from .folder import OF_THE_FILE_SYSTEM
from .headers import Unsound, normal

STORED: Final = ord("Y")
UNCHANGED: Final = ord("N")
FOLDER: Final = ord("D")
RENAMED_FROM: Final = ord("R")
RENAMED_TO: Final = ord("T")
TEMPORARY: Final = ord("X")
ENTRIES: Final = frozenset({STORED, UNCHANGED, FOLDER})
_MOVES: Final = frozenset({RENAMED_FROM, RENAMED_TO, TEMPORARY})


def items(listed: bytes) -> Iterator[tuple[int, bytes]]:
    """The letter and the name of each item of a folder's list, in order. Raises Unsound."""
    if not listed.endswith(b"\0"):
        raise Unsound("a folder's list has no end")
    for item in listed[:-1].split(b"\0"):
        if not item:
            continue
        kind, name = item[0], item[1:]
        if kind in ENTRIES:
            if not name or b"/" in name or name in {b".", b".."}:
                raise Unsound("a folder's list has an entry that is no name")
        elif kind not in _MOVES:
            raise Unsound("a folder's list has an entry of a kind that no backup makes")
        yield kind, name


def path_keys(name: bytes) -> list[int]:
    """What stands for each folder above *name*, from the root on, and at last for itself; equal paths have equal keys.

    Made in one go from part to part, so that no name, however deep, costs more than its length.
    """
    key, keys = 0, [0]
    plain = normal(name)
    for part in plain.split(b"/") if plain else ():
        key = hash((key, part))
        keys.append(key)
    return keys


class Lists(Protocol):
    """Who hears of the lists that the folders of archives of incremental sources bear."""

    def apply(self, name: bytes, listed: bytes, *, renames: bool) -> None:
        """*listed* is what the folder *name* held. Raises Unsound."""
        ...

    def came(self, name: bytes) -> None:
        """The member *name*, no folder, is there."""
        ...

    def lacks(self) -> None:
        """Something of the archive is lost."""
        ...


class Awaited:
    """What the lists of one archive's folders call stored, until its members have come.

    GNU tar writes the members of a folder in the order of its list. Where members come otherwise, nothing is concluded.
    It takes the bytes of the names that it is given; any order costs no more than their length.
    """

    def __init__(self) -> None:
        #: folder → names that are stored, each behind a zero byte, and one at the end
        self._names: dict[bytes, bytes] = {}
        #: folder → where in these the name of the next member is looked for
        self._next: dict[bytes, int] = {}
        #: folder → names that were passed over
        self._passed: dict[bytes, list[bytes]] = {}
        self._ordered = True

    def add(self, folder: bytes, names: Sequence[bytes]) -> None:
        """*names*, in the order of its list, are stored in *folder*."""
        if names:
            plain = normal(folder)
            self._names[plain] = b"\0%b\0" % b"\0".join(names)
            self._next[plain] = 0
            self._passed.pop(plain, None)

    def came(self, name: bytes) -> None:
        """The member *name*, no folder, is there."""
        if not self._names:
            return
        parent, _, last = normal(name).rpartition(b"/")
        names = self._names.get(parent)
        if names is None:
            return
        start = self._next[parent]
        at = names.find(b"\0%b\0" % last, start)
        if at < 0:
            self._ordered = False
            self._names.clear()
            return
        if at > start:
            self._passed.setdefault(parent, []).extend(names[start + 1 : at].split(b"\0"))
        self._next[parent] = at + 1 + len(last)

    def left(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """Behind the last member: folders, each with the names of which none came."""
        if self._ordered:
            for folder, names in self._names.items():
                rest = names[self._next[folder] + 1 : -1]
                found = self._passed.get(folder, []) + (rest.split(b"\0") if rest else [])
                if found:
                    yield folder, found


class Held:
    """What the objects newer than the one that is looked at have left of it. From the newest object to the oldest.

    *folders*: keys (:func:`path_keys`) of the only folders that will be asked about, or None for all. It takes about as
    many bytes as the names in their lists, however many objects are added.
    """

    def __init__(self, folders: Collection[int] | None = None) -> None:
        #: an object's lists have renames, which are not followed here
        self.renamed = False
        self._wanted = folders
        #: key of a folder → letter and name of each entry that every list of that folder has
        self._lists: dict[int, bytes] = {}
        self._last: tuple[int, frozenset[bytes]] = (-1, frozenset())
        self._awaited = Awaited()
        #: key of a folder → whether it is one still, and all above it
        self._standing: dict[int, bool] = {}

    def add(self, name: bytes, listed: bytes) -> None:
        """The folder *name* of the object that was looked at last held *listed*. Raises Unsound."""
        key = path_keys(name)[-1]
        if self._wanted is not None and key not in self._wanted:
            return
        kinds = {}
        for kind, entry in items(listed):
            if kind in ENTRIES:
                kinds[entry] = kind
            else:
                self.renamed = True
        self._awaited.add(name, [entry for entry, kind in kinds.items() if kind == STORED])
        entries = {(b"D" if kind == FOLDER else b"F") + entry for entry, kind in kinds.items()}
        before = self._lists.get(key)
        if before is not None:
            entries &= set(before.split(b"\0"))
        self._lists[key] = b"\0".join(sorted(entries))
        self._last = (-1, frozenset())
        self._standing.clear()

    def came(self, name: bytes) -> None:
        """The object that is added holds the member *name*, no folder."""
        self._awaited.came(name)

    def close(self, *, complete: bool) -> None:
        """All members of the object that was added came. *complete*: what its lists call stored and did not come was no
        file then; else it may be one that could not be read, and what is older stays.
        """
        awaited, self._awaited = self._awaited, Awaited()
        for folder, names in awaited.left() if complete else ():
            key = path_keys(folder)[-1]
            gone = {b"F" + name for name in names}
            self._lists[key] = b"\0".join(e for e in self._lists[key].split(b"\0") if e not in gone)
        self._last = (-1, frozenset())

    def keeps(self, name: bytes, *, folder: bool) -> bool:
        """Whether the member *name* of an older object is still there."""
        plain = normal(name)
        if not self._lists or not plain:
            return True
        keys = path_keys(plain)
        last = plain.rpartition(b"/")[2]
        return self._stands(plain, keys) and self._has(keys[-2], (b"D" if folder else b"F") + last)

    def _stands(self, plain: bytes, keys: Sequence[int]) -> bool:
        """Whether all folders above *plain* are folders still."""
        known = self._standing.get(keys[-2])
        if known is None:
            folders = plain.split(b"/")[:-1]
            known = all(self._has(key, b"D" + part) for key, part in zip(keys, folders, strict=False))
            if len(self._standing) >= _STANDING_MAX:
                self._standing.clear()
            self._standing[keys[-2]] = known
        return known

    def _has(self, folder: int, entry: bytes) -> bool:
        if not folder and os.fsdecode(entry[1:]) in OF_THE_FILE_SYSTEM:
            return True
        if self._last[0] != folder:
            listed = self._lists.get(folder)
            if listed is None:
                return True
            self._last = folder, frozenset(listed.split(b"\0"))
        held: frozenset[bytes] = self._last[1]
        return entry in held


#: Folders of which it is remembered whether they stand.
_STANDING_MAX: Final = 1 << 16
