"""Texts that are not UTF-8 (paths and names with other bytes in them), in databases that know no other text.

Linux allows any byte in a name; Python holds one that is no UTF-8 as half of a surrogate pair (PEP 383), which neither
SQLite nor PostgreSQL stores. Such a text is kept as U+001A, SUBSTITUTE, and the text as JSON escapes it: any database
takes it, people can read it, and it comes back as it was. So is one that holds NUL, which PostgreSQL does not store, or
begins with U+001A itself, so that no two texts are kept alike. All other texts are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_MARK = "\x1a"
_MARK_BYTE = b"\x1a"


def kept(text: str) -> str:
    """*text* as a database keeps it."""
    if not text.startswith(_MARK) and "\0" not in text:
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            pass
        else:
            return text
    return _MARK + json.dumps(text)[1:-1]


def read(text: str) -> str:
    """The inverse of :func:`kept`. Raises ValueError where nothing is kept like this."""
    if not text.startswith(_MARK):
        return text
    value = json.loads(f'"{text[1:]}"')
    if not isinstance(value, str) or kept(value) != text:
        raise ValueError(f"{text!r:.60} is no text that a catalog keeps")
    return value


def read_bytes(raw: bytes) -> str:
    """As :func:`read`, of the UTF-8 that SQLite's driver hands over."""
    text = raw.decode()
    return read(text) if raw.startswith(_MARK_BYTE) else text


def kept_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """A statement's values, each text as it is kept."""
    return {key: kept(value) if isinstance(value, str) else value for key, value in values.items()}


def read_value(value: Any) -> Any:
    """A column's value, where it is a text as it was before it was kept."""
    return read(value) if isinstance(value, str) else value
