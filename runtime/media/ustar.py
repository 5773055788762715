"""The ustar headers of a volume's members (POSIX 1003.1, ``ustar Interchange Format``), as docs/format.md fixes them.

Every header has magic ``ustar\\0``, version ``00``, mode 0440, owner and device numbers 0, empty owner names, and no
prefix; only name, size, mtime, checksum and type differ.
"""

from __future__ import annotations

from typing import Final

BLOCK: Final = 512
NAME_BYTES_MAX: Final = 100
ZERO_BLOCK: Final = bytes(BLOCK)
#: The two zero blocks that end an archive.
END: Final = bytes(2 * BLOCK)

_OWNER: Final = b"0000440\x000000000\x000000000\x00"
_BEFORE_TYPE_BLANKS: Final = 8 * 0x20


def padded(size: int) -> int:
    """*size* rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def header(name: bytes, size: int, mtime: int, kind: bytes = b"0") -> bytes:
    """The 512 bytes of a header. Raises ValueError where a number or the name does not fit its field."""
    if len(name) > NAME_BYTES_MAX or not 0 <= size < 8**11 or not 0 <= mtime < 8**11:
        raise ValueError(f"does not fit a ustar header: {name!r}, size {size}, mtime {mtime}")
    head, tail = frame(mtime, kind)
    front = name.ljust(NAME_BYTES_MAX, b"\0") + head + b"%011o" % size
    return b"%b%b%06o\0 %b" % (front, tail[:13], sum(front) + sum(tail) + _BEFORE_TYPE_BLANKS, tail[13:])


def frame(mtime: int, kind: bytes) -> tuple[bytes, bytes]:
    """What stands between the name and the size, and from behind the size to the end without the checksum field.

    The second part's first 13 bytes lie before the checksum (offset 148), the rest behind it (offset 156).
    """
    tail = b"\0%011o\0" % mtime
    tail += kind + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00" + bytes(155 + 12)
    return _OWNER, tail


def looks_like_header(block: bytes) -> bool:
    """Whether *block* is any tar header (ours or foreign): its checksum is right. 512 bytes are expected."""
    if len(block) != BLOCK or block[148:156] == bytes(8):
        return False
    field = block[148:156].strip(b" \0")
    if not field or len(field) > 7 or any(c not in b"01234567" for c in field):
        return False
    return int(field, 8) == sum(block[:148]) + sum(block[156:]) + _BEFORE_TYPE_BLANKS
