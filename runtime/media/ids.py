"""Identifiers that exist once in the world: UUIDv7 (RFC 9562), in lower-case canonical text.

Objects, sessions and volumes bear them. The first 48 bits are milliseconds of Unix time, so that names sort by age; 74
bits are random.
"""

from __future__ import annotations

import os
import re
import time
from typing import Final

from xxhash import xxh3_128_digest

_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

#: The first second that does not fit the eleven octal digits of a ustar mtime (year 2242).
MTIME_LIMIT: Final = 8**11


def new_id(behind: str | None = None) -> str:
    """A new UUIDv7 of this moment; it sorts behind *behind*, whatever the clock says.

    A clock beyond what the media can bear (before 1970, after 2242) is told as its first or last moment.
    """
    made = _made(min(max(0, time.time_ns() // 1_000_000), MTIME_LIMIT * 1000 - 1))
    return made if behind is None or made > behind else id_behind(behind)


def id_from(identifier: str, what: str) -> str:
    """The UUIDv7 of *identifier*'s millisecond that follows from it and *what*: always the same one."""
    milliseconds = int(identifier[:8] + identifier[9:13], 16)
    return _made(milliseconds, xxh3_128_digest(f"{identifier} {what}".encode())[:10])


def _made(milliseconds: int, rest: bytes | None = None) -> str:
    raw = bytearray(milliseconds.to_bytes(6, "big") + (rest or os.urandom(10)))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def id_behind(identifier: str) -> str:
    """A new UUIDv7 that sorts behind *identifier*: of the millisecond after its own (but never beyond year 2242)."""
    return _made(min(int(identifier[:8] + identifier[9:13], 16) + 1, MTIME_LIMIT * 1000 - 1))


def is_id(text: object) -> bool:
    """Whether *text* is a UUIDv7 in canonical text whose second fits a ustar header."""
    return isinstance(text, str) and _UUID7.fullmatch(text) is not None and seconds_of(text) < MTIME_LIMIT


def seconds_of(identifier: str) -> int:
    """The whole second of Unix time that the UUIDv7 *identifier* holds."""
    return int(identifier[:8] + identifier[9:13], 16) // 1000
