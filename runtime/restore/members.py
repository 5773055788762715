"""Members of a ``files`` object in flight: which bytes may go to tar, and which members are refused.

A ``files`` object is a pax archive made by GNU tar. On its way into ``tar -x`` every header is looked at, in one pass
over the records, and a member that could leave the folder is cut out of the stream: absolute names, ``..``, anything
below a link that this archive makes or that the folder already holds, hard links to such places. Where a header
cannot be read for certain the restore stops, since tar might read it otherwise than we do: a wrong checksum, a number
in an odd form, a global header, a kind of member that no backup of ours contains.

A header block lies in one payload (payloads are whole blocks); extended headers (``x``, ``L``, ``K``) may go over its
end, and are then held back (at most :data:`HEADERS_BYTES_MAX`). Which members are refused is decided in ``guard``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .guard import Folder, Guard
from .headers import (
    BLOCK,
    FOLDER,
    HARD_LINK,
    SHORT,
    SYMLINK,
    TIME_ONLY,
    Unsound,
    checked,
    decimal,
    normal,
    odd_size,
    read_pax,
    without_set_id,
)

if TYPE_CHECKING:
    from .listed import Lists

#: Extended headers of one member: long names, extended attributes (64 KiB each on Linux), and in archives of
#: incremental sources the names of all that a folder holds: ten million of them at 25 bytes.
HEADERS_BYTES_MAX: Final = 256 << 20
#: Refused members that are named in the report.
NAMED_MAX: Final = 100

_X, _LONG_NAME, _LONG_LINK = 0x78, 0x4C, 0x4B
_FILE, _OLD_FILE, _CONTIGUOUS = 0x30, 0x00, 0x37
_CHAR, _BLOCK_DEVICE, _FIFO = 0x33, 0x34, 0x36
_FILES: Final = frozenset({_FILE, _OLD_FILE, _CONTIGUOUS})
_WITHOUT_CONTENT: Final = frozenset({HARD_LINK, SYMLINK, _CHAR, _BLOCK_DEVICE, FOLDER, _FIFO})
_ZEROS, _END = bytes(BLOCK), bytes(2 * BLOCK)


class Walker:
    """Looks at every member of one archive. Not safe to use from several threads.

    *folder*: what the target already holds, None when it was empty. *privileged*: whether device nodes are let through,
    and setuid and setgid bits kept. *lists* hears of folders' lists, as they come.

    In an archive of an incremental source all folders come before their files. Such folders (those with a list) do not
    go to tar with the rest, but into ``folders``: made afterwards, their times and modes stay as they are to be.
    """

    def __init__(self, folder: Folder | None = None, *, privileged: bool = True, lists: Lists | None = None) -> None:
        self.members = 0
        self.device_nodes = 0
        self.set_id_files = 0
        self.refused = 0
        #: (name, reason) of the first refused members
        self.refusals: list[tuple[bytes, str]] = []
        #: the two zero blocks were reached
        self.ended = False
        #: name of the member whose content is not yet complete, or None
        self.open_member: bytes | None = None
        #: what of the last payload is good although it was not returned
        self.rescued: list[memoryview | bytes] = []
        #: whether it is known what the next byte belongs to; a loss that takes headers with it ends that
        self.in_step = True
        #: members of folders with a list, to be made when all else is there; whoever takes them empties it
        self.folders: list[bytes] = []
        #: folders with a list are let through like any other
        self.plain_folders = False
        self._lists = lists
        self._aside = False
        self._guard = Guard(folder)
        self._privileged = privileged
        self._carry = bytearray()
        self._want = 0
        self._left = 0
        self._keep = True
        self._name = b""

    # ------------------------------------------------------------ the stream

    def feed(self, payload: memoryview) -> list[memoryview | bytes]:
        """Take the next payload; return what of it (and of what was held back) goes to tar, in order.

        The views lie in *payload*, in which bytes may have been changed. Raises Unsound: what is good of this payload
        is then in ``rescued``.
        """
        out: list[memoryview | bytes] = []
        size = len(payload)
        if self.ended or not size:
            return out
        self.rescued = out
        if size % BLOCK:
            raise Unsound("a record that is no whole number of blocks")
        at = self._feed_carry(payload, out) if self._carry else 0
        if self._carry:
            return out
        if at == 0 and self._left >= size:
            # Deep in a large file: nothing to look at, nothing to copy.
            self._left -= size
            self.open_member = self._name if self._left and self._keep else None
            return [payload] if self._keep else out
        raw = bytes(payload)
        self.open_member = None
        start = at
        left, keep = self._left, self._keep
        try:
            while True:
                if left:
                    step = left if left < size - at else size - at
                    at += step
                    left -= step
                    if not keep:
                        start = at
                    if left:
                        break
                if at >= size:
                    break
                end = self._quick(raw, at, size)
                if end:
                    at, left = end, self._left
                    keep = True
                    continue
                end = self._head(payload, at)
                if end < 0:
                    out.append(payload[start:at])
                    self._carry += payload[at:]
                    start = at = size
                    keep = True
                    break
                if end == 0:
                    out.append(payload[start:at])
                    out.append(_END)
                    start = at = size
                    self.ended = True
                    break
                keep = self._keep
                if not keep:
                    if self._aside:
                        self.folders.append(bytes(payload[at:end]))
                    out.append(payload[start:at])
                    start = end
                at = end
                left = self._left
        except Unsound:
            out.append(payload[start:at])
            raise
        if start < size and keep:
            out.append(payload[start:size])
        self._left, self._keep = left, keep
        self.open_member = self._name if left and keep else None
        return out

    # ------------------------------------------------------------ losses

    @property
    def damaged(self) -> dict[bytes, None]:
        """Members that lack some of their content, by their plain names, in order."""
        return self._guard.damaged

    @property
    def last_name(self) -> bytes:
        """The name of the last member that was seen; empty before the first."""
        return self._name

    def gap(self, size: int) -> int:
        """The next *size* bytes are lost. Returns how many zeros go to tar in their place.

        The member whose content they are part of is ``damaged``. Where headers are lost, too, ``in_step`` ends: the
        next bytes come only after :meth:`resume`.
        """
        if self._lists is not None:
            self._lists.lacks()
        if self.ended or not self.in_step:
            return 0
        filler = 0
        if self._carry:
            self._carry.clear()
            self._left = 0
            self.in_step = False
            return 0
        if self._left:
            hit = min(self._left, size)
            if self._keep:
                filler = hit
                self._guard.damaged[normal(self._name)] = None
            self._left -= hit
            size -= hit
        self.in_step = size == 0
        self.open_member = self._name if self._left and self._keep else None
        return filler

    def resume(self, lost: Iterable[bytes]) -> None:
        """The next byte is the first one of a member's headers. *lost*: the names of members that are missing."""
        self._guard.lose(lost)
        self._left = 0
        self.open_member = None
        self.in_step = True

    def _quick(self, raw: bytes, at: int, size: int) -> int:
        """As :meth:`_head` for what nearly every member of a tree is: a plain file beside the one before it.

        Returns the position behind its headers, or 0 for everything that needs a closer look.
        """
        header = raw[at : at + BLOCK]
        if size - at < 3 * BLOCK:
            return 0
        if header[156] == _X:
            if not checked(header):
                return 0
            number = header[124:136]
            time = TIME_ONLY.get(number)
            if time is None or not raw.startswith(time, at + BLOCK):
                length = SHORT.get(number)
                if length is None:
                    return 0
                body = raw[at + BLOCK : at + BLOCK + length]
                if b"path" in body or b"size" in body or b"GNU." in body:
                    return 0
            at += 2 * BLOCK
            header = raw[at : at + BLOCK]
        if header[156] != _FILE or header[345] or header[100:104] != b"0000" or not checked(header):
            return 0
        name = header[:100].partition(b"\0")[0]
        parent, _, last = name.rpartition(b"/")
        number = header[124:136]
        if (
            parent != self._guard.parent
            or not last
            or b".." in name
            or name[0] == 0x2F
            or number[11]
            or not number[:11].isdigit()
        ):
            return 0
        try:
            content = int(number[:11], 8)
        except ValueError:
            return 0
        self.members += 1
        self._name = name
        self._left = content + 511 & -512
        self._keep = True
        if self._lists is not None:
            self._lists.came(name)
        return at + BLOCK

    def _feed_carry(self, payload: memoryview, out: list[memoryview | bytes]) -> int:
        """Complete the headers that were held back; return the position behind what was used of *payload*.

        ``_carry`` is empty when they are complete; their member's content then follows.
        """
        at = 0
        while len(self._carry) + len(payload) - at >= self._want:
            step = self._want - len(self._carry)
            self._carry += payload[at : at + step]
            at += step
            with memoryview(self._carry) as held:
                end = self._head(held, 0)
            if end >= 0:
                if self._keep:
                    out.append(bytes(self._carry))
                elif self._aside:
                    self.folders.append(bytes(self._carry))
                self._carry.clear()
                return at
        self._carry += payload[at:]
        return len(payload)

    # ------------------------------------------------------------ one member

    def _head(self, data: memoryview, start: int) -> int:
        """Read the headers of the member at *start*.

        Returns the position behind them, 0 for the archive's end, or -1 when more bytes are needed (``_want``, counted
        from *start*); never 0 behind extended headers. Sets ``_left`` (bytes of content with padding), ``_keep`` and
        ``_name``.
        """
        at, size = start, len(data)
        extended: dict[bytes, list[bytes]] | None = None
        while True:
            if size - at < BLOCK:
                return self._more(at - start + BLOCK)
            header = bytes(data[at : at + BLOCK])
            if not checked(header):
                if header == _ZEROS:
                    if extended is not None:
                        raise Unsound("extended headers without a member")
                    return 0
                raise Unsound("a member's header has a wrong checksum")
            kind = header[156]
            number = header[124:136]
            if number[11] == 0 and number[:11].isdigit():
                try:
                    content = int(number[:11], 8)
                except ValueError:
                    raise Unsound("a member's size cannot be read") from None
            else:
                content = odd_size(number)
            if kind not in (_X, _LONG_NAME, _LONG_LINK):
                break
            body_at = at + BLOCK
            behind = body_at + (content + 511 & -512)
            if behind - start > HEADERS_BYTES_MAX:
                raise Unsound("a member's extended headers are larger than any that a backup makes")
            if size - behind < BLOCK:
                return self._more(behind - start + BLOCK)
            body = bytes(data[body_at : body_at + content])
            if kind != _X:
                extended = extended or {}
                key = b"path" if kind == _LONG_NAME else b"linkpath"
                extended.setdefault(key, []).append(body.partition(b"\0")[0])
            else:
                if extended is None:
                    extended = {}
                if b"path" in body or b"size" in body or b"GNU." in body:
                    read_pax(body, extended)
            at = behind
        self._member(header, kind, content, extended, data, at)
        return at + BLOCK

    def _more(self, want: int) -> int:
        self._want = want
        return -1

    def _member(  # noqa: PLR0917 - one call a member: keywords cost
        self,
        header: bytes,
        kind: int,
        content: int,
        extended: dict[bytes, list[bytes]] | None,
        data: memoryview,
        at: int,
    ) -> None:
        self.members += 1
        name = header[:100].partition(b"\0")[0]
        if header[345] and header[257:263] == b"ustar\0":
            name = header[345:500].partition(b"\0")[0] + b"/" + name
        names = (name,)
        links: tuple[bytes, ...] = ()
        if kind in (HARD_LINK, SYMLINK):
            links = (header[157:257].partition(b"\0")[0],)
        if extended:
            if b"size" in extended:
                content = decimal(extended[b"size"][-1])
            given = (*extended.get(b"path", ()), *extended.get(b"GNU.sparse.name", ()))
            if given:
                names = given
                name = given[-1]
            if b"linkpath" in extended:
                links = tuple(extended[b"linkpath"])
        self._name = name
        if kind in _FILES:
            # A sparse file's path only stands in for its name; GNU tar cuts it at 100 bytes, behind a slash, too.
            real = (extended or {}).get(b"GNU.sparse.name") or names
            if any(n.endswith(b"/") for n in real):
                raise Unsound("a file with the name of a folder")
            self._left = content + 511 & -512
        elif kind in _WITHOUT_CONTENT:
            if content:
                raise Unsound("a member without content claims to have some")
            self._left = 0
        else:
            raise Unsound(f"a member of a kind that no backup makes ({kind:#04x})")
        self._aside = False
        if self._lists is not None and kind != FOLDER:
            self._lists.came(name)
        why = self._guard.objection(kind, names, links)
        if why is None and kind == FOLDER and extended and b"GNU.dumpdir" in extended and not self.plain_folders:
            if self._lists is not None:
                self._lists.apply(name, extended[b"GNU.dumpdir"][-1], renames=not self._guard.links)
            self._aside = True
            self._keep = False
            return
        if why is None and kind in (_CHAR, _BLOCK_DEVICE):
            self.device_nodes += 1
            if not self._privileged:
                why = "a device node, which only root can make"
        if why is not None:
            self.refused += 1
            if len(self.refusals) < NAMED_MAX:
                self.refusals.append((name, why))
            self._keep = False
            return
        self._keep = True
        if header[100:104] != b"0000" and kind in _FILES and (plain := without_set_id(header)) is not None:
            self.set_id_files += 1
            if not self._privileged:
                data[at : at + BLOCK] = plain
