"""A chain of incremental archives made into one full archive: one pass over each link, the newest first.

Restoring a chain means, link by link from the full on: remove from each folder what its list (``GNU.dumpdir``) does not
name, or names as another kind of thing, then extract the members. So a member of a link is there in the end where no
newer link has a member of its name, and where each newer list of each folder on its way names it, as what it is. That
is what is kept here: of the newest link everything, as it is; of each older one the members that are still there. Lists
are narrowed link by link. Kept are, beyond one piece of the archive, the names that are still looked for, the folders,
and of one link a number for each member that was passed over.

A hard link holds its content under another name of the same link. Where that name is gone and the link is not (its
folder was renamed, say) the link is read once more, and the content stored under the name that is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..media.ustar import header as ustar_header
from ..restore.headers import (
    BLOCK,
    FOLDER,
    HARD_LINK,
    Unsound,
    checked,
    decimal,
    normal,
    odd_size,
    pax_records,
)
from ..restore.listed import STORED, Awaited, items
from ..restore.members import HEADERS_BYTES_MAX
from .lasting import LastingTree, entries_of

_X: Final = 0x78
_WITH_CONTENT: Final = frozenset(b"0\x007")
_WITHOUT_CONTENT: Final = frozenset(b"123456")
_ZEROS: Final = bytes(BLOCK)
#: tar's own archives end at a multiple of twenty blocks.
_TAR_RECORD: Final = 20 * BLOCK
#: What an extended header must hold for its records to matter here.
_TELLING: Final = (b"path", b"size", b"GNU.")

Records = dict[bytes, bytes]


class CannotMerge(Exception):
    """The chain cannot be made into one archive truthfully; ``str()`` says why."""


class Merge:
    """One merging. :meth:`begin` → :meth:`feed` … → :meth:`end` for each link, the newest first; then :meth:`finish`.

    *write* takes what belongs to the full archive; views are valid only during the call. Raises :class:`CannotMerge`,
    and what *write* raises. Not for several threads at once.
    """

    def __init__(self, write: Callable[[memoryview | bytes], None]) -> None:
        #: bytes that were written
        self.bytes = 0
        #: members that were kept, of all links
        self.members = 0
        self._write_to = write
        self._links = 0
        self._newest = True
        self._tree = LastingTree()
        self._awaited = Awaited()
        self._complete = False
        #: hashes of the names of this link's members that were passed over
        self._passed: set[int] = set()
        #: name that is gone → the hard links to it that are not
        self._orphans: dict[bytes, dict[bytes, None]] = {}
        #: name that is gone → the one under which its content was stored
        self._given: dict[bytes, bytes] = {}
        self._again = False
        self._reset()

    def _reset(self) -> None:
        self._carry = bytearray()
        self._want = 0
        self._left = 0
        self._keep = False
        self._ended = False

    # ------------------------------------------------------------ links

    @property
    def once_more(self) -> bool:
        """After :meth:`end`: the same link is wanted again, since it holds content that is now needed."""
        return bool(self._orphans)

    def begin(self, *, complete: bool = False) -> None:
        """The next link, or the same one :attr:`once_more`. *complete*: it lacks nothing that could not be read when it
        was made, so that what its lists call stored without a member was no file.
        """
        self._again = self.once_more
        if not self._again:
            self._newest = self._links == 0
            self._links += 1
        self._passed.clear()
        self._awaited, self._complete = Awaited(), complete and not self._again
        self._reset()

    def end(self) -> None:
        """All of the link was fed."""
        if not self._ended:
            raise CannotMerge("its archive has no end")
        if self._again:
            for names in self._orphans.values():
                for name in names:
                    raise CannotMerge(f"it does not hold what {_text(name)} is a hard link to")
            self._orphans.clear()
            self._given.clear()
        for folder, left in self._awaited.left():
            self._tree.missing(folder, left)

    def finish(self) -> None:
        """All links are there: end the archive."""
        size = self.bytes + 2 * BLOCK
        self._write(bytes(2 * BLOCK + -size % _TAR_RECORD))

    def _write(self, data: memoryview | bytes) -> None:
        if len(data):
            self._write_to(data)
            self.bytes += len(data)

    # ------------------------------------------------------------ the bytes of a link

    def feed(self, data: memoryview) -> None:
        """The next bytes of the link's archive, in pieces of any length."""
        try:
            self._feed(data)
        except (Unsound, ValueError) as error:
            raise CannotMerge(str(error)) from None

    def _feed(self, data: memoryview) -> None:
        at, size = 0, len(data)
        while self._carry and at < size:
            step = min(self._want - len(self._carry), size - at)
            self._carry += data[at : at + step]
            at += step
            if len(self._carry) == self._want:
                with memoryview(self._carry) as held:
                    taken = self._member(held, 0)
                    if taken and self._keep and not self._again:
                        self._write(held)
                if taken or self._ended:
                    self._carry = bytearray()
        start = at
        while at < size and not self._ended:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                at += step
                if not self._keep:
                    start = at
                continue
            head = at
            if self._again:  # what is stored under another name gets new headers, behind what came before them
                self._write(data[start:head])
                start = head
            behind = self._member(data, at)
            if not behind:  # the rest of its headers comes with the next bytes
                self._write(data[start:head])
                if not self._ended:
                    self._carry += data[head:]
                return
            at = behind
            if not self._keep or self._again:
                self._write(data[start:head])
                start = at
        if not self._ended and self._keep:
            self._write(data[start:at])

    def _member(self, data: memoryview, start: int) -> int:
        """Read the member at *start*: the position behind its headers; 0 at the archive's end, and where ``_want``
        bytes from *start* are needed. Sets ``_keep`` and ``_left``."""
        at, size = start, len(data)
        records: Records = {}
        body = b""
        while True:
            if size - at < BLOCK:
                self._want = at - start + BLOCK
                return 0
            header = bytes(data[at : at + BLOCK])
            if not checked(header):
                if header == _ZEROS and at == start:
                    self._ended = True
                    return 0
                raise Unsound("a member's header has a wrong checksum")
            kind, content = header[156], odd_size(header[124:136])
            if kind != _X:
                break
            behind = at + BLOCK + (content + 511 & -512)
            if behind - start > HEADERS_BYTES_MAX:
                raise Unsound("a member's extended headers are larger than any that a backup makes")
            if size - behind < BLOCK:
                self._want = behind - start + BLOCK
                return 0
            body = bytes(data[at + BLOCK : at + BLOCK + content])
            if any(word in body for word in _TELLING):
                records.update(pax_records(body))
            at = behind
        if b"size" in records:
            content = decimal(records[b"size"])
        if kind not in _WITH_CONTENT and (kind not in _WITHOUT_CONTENT or content):
            raise Unsound(f"a member is of a kind that no backup makes ({kind:#04x})")
        if any(key.startswith(b"GNU.volume.") for key in records):
            raise Unsound("a member goes on in another archive, which no backup makes")
        self._left = content + 511 & -512
        name = _plain(_name_of(header, records))
        if self._again:
            self._keep = self._rescue(header, kind, name, records, body)
        else:
            self._keep = self._judge(header, kind, name, records)
            self.members += self._keep
        return at + BLOCK

    # ------------------------------------------------------------ members

    def _judge(self, header: bytes, kind: int, name: bytes, records: Records) -> bool:
        """Whether this member of the link belongs to the full archive."""
        if kind == FOLDER:
            listed = records.get(b"GNU.dumpdir")
            if listed is not None and self._complete:
                self._awaited.add(name, [entry for kind, entry in items(listed) if kind == STORED])
            return self._tree.folder(name, None if listed is None else entries_of(listed), newest=self._newest)
        self._awaited.came(name)
        if self._newest:
            self._tree.newest(name)
            return True
        if not self._tree.older(name):
            self._passed.add(hash(name))
            return False
        if kind == HARD_LINK:
            target = _plain(_target_of(header, records))
            if hash(target) in self._passed:
                self._orphans.setdefault(target, {})[name] = None
                return False
        return True

    def _rescue(self, header: bytes, kind: int, name: bytes, records: Records, body: bytes) -> bool:
        """Store the content of a name that is gone under the first hard link that is left, the others as links to it.

        Returns whether the bytes behind the headers belong to the archive.
        """
        if kind == HARD_LINK:
            target = _plain(_target_of(header, records))
            if target in self._given and name in self._orphans[target]:
                self._emit(header, body, {b"path": name, b"linkpath": self._given[target]})
                del self._orphans[target][name]
            return False
        names = self._orphans.get(name)
        if not names or name in self._given or kind == FOLDER:
            return False
        self._given[name] = first = next(iter(names))
        del names[first]
        self._emit(header, body, {b"GNU.sparse.name" if b"GNU.sparse.name" in records else b"path": first})
        return True

    def _emit(self, header: bytes, body: bytes, changed: Records) -> None:
        """A member's headers with some of its extended records changed; what a ustar header says is overruled."""
        records = {**dict(pax_records(body)), **changed}
        new = b"".join(_record(key, value) for key, value in records.items())
        self._write(ustar_header(b"././@PaxHeader", len(new), 0, b"x") + new + bytes(-len(new) % BLOCK))
        self._write(header)
        self.members += 1


def _name_of(header: bytes, records: Records) -> bytes:
    name = records.get(b"GNU.sparse.name", records.get(b"path"))
    if name is None:
        name = header[:100].partition(b"\0")[0]
        if header[345] and header[257:263] == b"ustar\0":
            name = header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _target_of(header: bytes, records: Records) -> bytes:
    return records.get(b"linkpath", header[157:257].partition(b"\0")[0])


def _plain(name: bytes) -> bytes:
    if not name or name[:1] == b"/" or b"\0" in name or b".." in name.split(b"/"):
        raise Unsound(f"a member has the name {_text(name)}, which no backup makes")
    return normal(name)


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH KEY=VALUE\\n``; LENGTH counts itself (POSIX.1, pax Extended Header)."""
    size = len(key) + len(value) + 3
    length = size + len(str(size))
    length = size + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _text(name: bytes) -> str:
    return repr(name.decode("utf-8", "backslashreplace"))
