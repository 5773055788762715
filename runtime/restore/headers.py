"""Blocks of a tar archive read for certain: checksums, sizes, names, pax records. What is not certain is Unsound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zlib import adler32

BLOCK: Final = 512
#: Kinds of members, as their headers name them (POSIX.1, ustar).
HARD_LINK, SYMLINK, FOLDER = 0x31, 0x32, 0x35


class Unsound(Exception):
    """The archive cannot be read for certain from here on; ``str()`` is the reason."""


def normal(name: bytes) -> bytes:
    """*name* without ``.`` components, doubled and trailing slashes: equal names compare equal."""
    if b"./" in name or b"//" in name or name.endswith(b"/.") or name == b".":
        return b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))
    return name.rstrip(b"/")


#: Sizes of extended headers that fit one block, as their field has them.
SHORT: Final = {b"%011o\0" % size: size for size in range(1, BLOCK + 1)}
#: Size field → how a body begins that holds a time between September 2001 and 2065, and nothing else.
TIME_ONLY: Final = {b"%011o\0" % size: (b"%d mtime=1" % size, b"%d mtime=2" % size) for size in range(16, 41)}
#: Checksum field → what the two halves' Adler sums come to when it is right; filled as fields are met.
_SUMS: Final[dict[bytes, int]] = {}
_SUMS_MAX: Final = 1 << 16


def checked(header: bytes) -> bool:
    """Whether the block's checksum is right (the unsigned sum of its bytes, its own field taken as blanks).

    The low half of Adler-32 is one more than the sum of the bytes, modulo 65,521: exact for 256 bytes, and for 512 that
    are all below 128.
    """
    field = header[148:156]
    total = _SUMS.get(field)
    if total is None:
        digits = field.strip(b" \0")
        try:
            total = int(digits, 8) + sum(field) - 8 * 0x20 + 2 if digits.isdigit() else -1
        except ValueError:
            total = -1
        if len(_SUMS) >= _SUMS_MAX:
            _SUMS.clear()
        _SUMS[field] = total
    if header.isascii():
        return (adler32(header) & 0xFFFF) + 1 == total
    return (adler32(header[:256]) & 0xFFFF) + (adler32(header[256:]) & 0xFFFF) == total


def odd_size(field: bytes) -> int:
    """A size in base 256 (GNU, for 8 GiB and more), or octal with a blank at its end."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    try:
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:
        pass
    raise Unsound("a member's size cannot be read")


def decimal(text: bytes) -> int:
    """A size of a pax record. Raises Unsound."""
    if not text.isdigit() or len(text) > 20:
        raise Unsound("a member's size cannot be read")
    return int(text)


_NAMES: Final = frozenset({b"path", b"linkpath", b"size", b"GNU.sparse.name", b"GNU.dumpdir"})


def pax_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records ``LENGTH KEY=VALUE\\n`` of a pax header, in order. Raises Unsound."""
    at = 0
    while at < len(body):
        blank = body.find(b" ", at, at + 12)
        digits = body[at:blank] if blank > 0 else b""
        if not digits.isdigit():
            raise Unsound("an extended header cannot be read")
        end = at + int(digits)
        key, equals, value = body[blank + 1 : end].partition(b"=")
        if end > len(body) or end <= blank or not equals or value[-1:] != b"\n":
            raise Unsound("an extended header cannot be read")
        yield key, value[:-1]
        at = end


def read_pax(body: bytes, into: dict[bytes, list[bytes]]) -> None:
    """Read a pax header; keep the records that decide where content goes. Raises Unsound."""
    for key, value in pax_records(body):
        if key in _NAMES:
            into.setdefault(key, []).append(value)
        elif key.startswith(b"GNU.volume."):
            raise Unsound("an extended header of a tape that spans, which no backup makes")


def without_set_id(header: bytes) -> bytes | None:
    """*header* without the setuid and setgid bits of its mode; None where it has neither."""
    try:
        mode = int(header[100:108].strip(b"\0 ") or b"0", 8)
    except ValueError:
        raise Unsound("a member's mode cannot be read") from None
    if not mode & 0o6000:
        return None
    plain = header[:100] + b"%07o\0" % (mode & 0o1777) + header[108:148] + b" " * 8 + header[156:]
    return plain[:148] + b"%06o\0 " % sum(plain) + plain[156:]
