"""What is there in the end when a chain is merged: folders that are made, names that a newer list still looks for."""

from __future__ import annotations

from collections.abc import Sequence

from ..restore.headers import Unsound


class LastingTree:
    """What is known of the tree in the end: folders that are made, names that are still looked for.

    Names are plain and relative; the folder that holds all is the empty name.
    """

    def __init__(self) -> None:
        #: folder that is made → the names in it, joined by zero bytes, that are no folders and not found yet
        self._wanted: dict[bytes, bytes] = {}
        #: folder that is made → the names of the folders in it
        self._below: dict[bytes, bytes] = {}
        #: folders that all lists so far name
        self._listed: set[bytes] = set()
        #: folders that are made, but without a list
        self._bare: set[bytes] = set()
        #: other members that are made in a folder without a list
        self._loose: set[bytes] = set()
        #: the folder that is looked at, and what is wanted in it
        self._here: bytes | None = None
        self._names: set[bytes] = set()
        #: the folder that was last judged by ``_reachable``, and the verdict
        self._judged: bytes | None = None
        self._verdict = False

    def newest(self, name: bytes) -> None:
        """A member of the newest link that is no folder."""
        parent, _, last = name.rpartition(b"/")
        if parent in self._wanted:
            self._look_into(parent).discard(last)
        else:
            self._loose.add(name)

    def older(self, name: bytes) -> bool:
        """Whether an older link's member, no folder, is still there; it then is made."""
        parent, _, last = name.rpartition(b"/")
        if not self._reachable(parent):
            return False
        if parent in self._wanted:
            names = self._look_into(parent)
            if last not in names:
                return False
            names.remove(last)
            return True
        if name in self._loose or name in self._wanted or name in self._bare:
            return False
        self._loose.add(name)
        return True

    def folder(self, name: bytes, listed: tuple[set[bytes], set[bytes]] | None, *, newest: bool) -> bool:
        """Whether a link's folder is to be made from it; what it lists (folders, others) narrows what is looked for."""
        self._judged = None
        if name in self._wanted and not newest:
            if listed is not None:
                self._narrow(name, *listed)
            return False
        if name in self._bare and not newest:
            if listed is not None:
                self._bare.remove(name)
                self._list(name, *listed)
            return False
        if not newest and not self._place_for(name):
            return False
        if listed is None:
            self._bare.add(name)
        else:
            self._list(name, *listed)
        return True

    def missing(self, folder: bytes, names: Sequence[bytes]) -> None:
        """When the last link was made, *names* in *folder* were no files, though its list has them."""
        if folder in self._wanted:
            self._look_into(folder).difference_update(names)

    def _place_for(self, folder: bytes) -> bool:
        if not folder:
            return True
        parent = folder.rpartition(b"/")[0]
        if folder in self._loose or not self._reachable(parent):
            return False
        return parent not in self._wanted or folder in self._listed

    def _reachable(self, folder: bytes) -> bool:
        """Whether what an older link holds in *folder* can still be there."""
        if folder != self._judged:
            self._judged, self._verdict = folder, self._leads_to(folder)
        return self._verdict

    def _leads_to(self, folder: bytes) -> bool:
        while folder:
            parent = folder.rpartition(b"/")[0]
            if folder in self._loose or (parent in self._wanted and folder not in self._listed):
                return False
            folder = parent
        return True

    def _list(self, name: bytes, folders: set[bytes], others: set[bytes]) -> None:
        self._put_back()
        before = name + b"/" if name else b""
        if self._loose:
            others = {other for other in others if before + other not in self._loose}
        self._wanted[name] = b"\0".join(others)
        self._below[name] = b"\0".join(folders)
        self._listed.update(before + folder for folder in folders)

    def _narrow(self, name: bytes, folders: set[bytes], others: set[bytes]) -> None:
        """An older link's list of a folder: what it does not name was not there, whatever still older links hold."""
        self._look_into(name).intersection_update(others)
        known = _names(self._below[name])
        if gone := known - folders:
            before = name + b"/" if name else b""
            self._listed.difference_update(before + folder for folder in gone)
            self._below[name] = b"\0".join(known & folders)

    def _look_into(self, folder: bytes) -> set[bytes]:
        """What is wanted in *folder*, which is made, to be changed in place. Members come folder by folder."""
        if folder != self._here:
            self._put_back()
            self._here, self._names = folder, _names(self._wanted[folder])
        return self._names

    def _put_back(self) -> None:
        if self._here is not None:
            self._wanted[self._here] = b"\0".join(self._names)
            self._here = None


def _names(joined: bytes) -> set[bytes]:
    return set(joined.split(b"\0")) if joined else set()


def entries_of(listed: bytes) -> tuple[set[bytes], set[bytes]]:
    """The names of a folder's list: of folders, and of all else ("Dumpdir" in tar's manual). Raises Unsound."""
    if not listed.endswith(b"\0"):
        raise Unsound("a folder's list has no end")
    folders: set[bytes] = set()
    others: set[bytes] = set()
    for entry in listed[:-1].split(b"\0"):
        if not entry:
            continue
        kind, name = entry[:1], entry[1:]
        if kind not in {b"Y", b"N", b"D"}:
            raise Unsound("a folder was renamed within it, which no other archive can say")
        if not name or b"/" in name or name in {b".", b".."}:
            raise Unsound("a folder's list has an entry that is no name")
        (folders if kind == b"D" else others).add(name)
    return folders, others
