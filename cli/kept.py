"""What no command writes over, whatever it was told: volumes, catalogs, snapshots, member lists, plans, keys.

A file is known by how it begins, so that it is spared wherever it lies and whatever plan it belongs to.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final

from ..runtime.plain_files import open_plain

CATALOG: Final = "a catalog"
PLAN: Final = "a plan"
COMPILED: Final = "a compiled plan"
_HEAD_BYTES: Final = 4096
_SQLITE: Final = b"SQLite format 3\0"

#: How a compiled plan begins (``runtime.plan.dumps``).
_COMPILED: Final = re.compile(rb'\s*\{\s*"version": *[0-9]+,\s*"plan": ')
#: The name of a volume: DRIVE-NNNNNN.tar (media.md).
_VOLUME_NAME: Final = re.compile(r".+-[0-9]{6}\.tar", re.ASCII)

#: kind → what such a file has at its beginning
_BEGINNINGS: Final[tuple[tuple[str, bytes], ...]] = (
    (CATALOG, _SQLITE),
    ("a catalog's journal", b"\x37\x7f\x06\x82"),  # https://www.sqlite.org/fileformat.html, "The WAL File Format"
    ("a catalog's journal", b"\x37\x7f\x06\x83"),
    ("a catalog's journal", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"),  # the same, "The Rollback Journal"
    ("the snapshot of an incremental source", b'{"tapechain_snapshot"'),
    ("the snapshot of an incremental source", b"GNU tar-"),
    ("a list of members", b"tapechain members "),
    ("a file that age encrypted", b"age-encryption.org/v"),
)
#: What holds a key: whoever writes over it loses all that was encrypted for it.
_KEYS: Final = (b"AGE-SECRET-KEY-", b"PRIVATE KEY-----", b"BEGIN AGE ENCRYPTED FILE")


def kept_thing(path: str) -> str | None:
    """What the file *path* (links followed) holds that is kept, in words; None where it may be replaced, or is none.

    Raises OSError, also where the file cannot be read: nobody can tell then what would be lost.
    """
    try:
        facts = os.stat(path)  # noqa: PTH116 - a text of any kind
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(facts.st_mode) or not facts.st_size:
        return None
    with open_plain(Path(path)) as file:
        head = file.read(_HEAD_BYTES)
    name = os.path.basename(os.path.realpath(path))  # noqa: PTH119
    for what, beginning in _BEGINNINGS:
        if head.startswith(beginning):
            return what
    if head[257:262] == b"ustar" or _VOLUME_NAME.fullmatch(name):
        return "a volume, or another archive"
    if any(key in head for key in _KEYS):
        return "a key"
    if _COMPILED.match(head):
        return COMPILED
    if name.endswith(".tc") and head.lstrip()[:1] != b"{":
        return PLAN
    if _beside_a_database(os.path.realpath(path)):
        return "a catalog's journal"
    return None


def _beside_a_database(path: str) -> bool:
    """Whether SQLite keeps *path* beside a database of its own (the index of a WAL has no mark)."""
    for suffix in ("-wal", "-shm", "-journal"):
        if path.endswith(suffix):
            try:
                with open_plain(Path(path.removesuffix(suffix))) as file:
                    return file.read(len(_SQLITE)) == _SQLITE
            except OSError:
                return False
    return False


def no_folder_for(path: str) -> str | None:
    """Why no folder may be made at *path*, or above it, in words; None where there is no reason.

    A folder in the place of what SQLite keeps beside a catalog shuts the catalog.
    """
    while not os.path.lexists(path) and path not in ("", "/"):
        if _beside_a_database(path):
            return f"{path} is where a catalog's journal belongs"
        path = os.path.dirname(path)  # noqa: PTH120 - text
    return None


def why_not(path: str, may: frozenset[str] = frozenset()) -> str | None:
    """Why *path* is not written over, in words; None where it may be. *may*: what the command may replace."""
    try:
        what = kept_thing(path)
    except OSError as error:
        if error.errno == errno.EACCES:
            return "it cannot be read, so that nobody can tell what it holds"
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)
    return None if what is None or what in may else f"it is {what}"
