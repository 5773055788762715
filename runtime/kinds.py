"""The facts about kinds of sources, drives, targets, groups and agents that compiler and runtime share.

The names are those of the plan language (language.md) and of the compiled plan (cli.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

SourceKind = Literal["files", "stream", "command"]
#: What a plan's source can be: what an object can be, or a chain of objects, which becomes one of kind ``files``.
PlanSourceKind = Literal["files", "stream", "command", "chain"]
DriveKind = Literal["volumes", "tape", "bucket", "discard"]
TargetKind = Literal["files", "stream", "command"]
GroupKind = Literal["backup", "mirror", "restore", "copy"]
Role = Literal["write", "read"]
Order = Literal["interleave", "object"]
OnFailure = Literal["continue", "abort"]

SOURCE_KINDS: Final[tuple[SourceKind, ...]] = ("files", "stream", "command")
PLAN_SOURCE_KINDS: Final[tuple[PlanSourceKind, ...]] = (*SOURCE_KINDS, "chain")
DRIVE_KINDS: Final[tuple[DriveKind, ...]] = ("volumes", "tape", "bucket", "discard")
TARGET_KINDS: Final[tuple[TargetKind, ...]] = ("files", "stream", "command")

#: What this version of the engine can drive; a plan may name the others, and ``tcc run`` says so before it starts.
RUNNABLE_DRIVE_KINDS: Final[frozenset[DriveKind]] = frozenset({"volumes", "discard"})

KIB: Final = 1024
MIB: Final = 1024 * KIB
#: Beside a catalog: the member lists of its objects, one file each.
LISTS_FOLDER: Final = "tapechain-members"
#: Suffixes of the files that are an SQLite database: itself, and what SQLite keeps beside it.
DATABASE_FILES: Final = ("", "-journal", "-wal", "-shm")

RECORD_BYTES_MIN: Final = 64 * KIB
RECORD_BYTES_MAX: Final = 16 * MIB
RECORD_BYTES_DEFAULT: Final = 1 * MIB
#: A record is whole tar blocks (media.md: aligned writes).
RECORD_BYTES_MULTIPLE: Final = 512
DEPTH_MIN: Final = 2
DEPTH_MAX: Final = 1024
DEPTH_DEFAULT: Final = 8

#: Longest SOURCE in a member's name, percent-encoded (media.md): 52 + 1 + 36 + 1 + 10 = the 100 bytes of ustar's name.
SOURCE_NAME_BYTES_MAX: Final = 52
#: Longest drive, agent, pool and plan name, percent-encoded: a volume's file name and its label hold them.
NAME_BYTES_MAX: Final = 128

#: The least ``capacity`` of a volume beyond one record: label, one index with its pointer, the archive's end.
VOLUME_OVERHEAD_BYTES: Final = 64 * KIB

_SAFE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def encode_name(name: str) -> str:
    """A plan's name as it appears in member and file names: percent-encoded UTF-8 outside ``[A-Za-z0-9_.-]``.

    ``.``, ``..`` and ``index`` are encoded whole in their first character, so that no source can bear a name with a
    meaning of its own (media.md).
    """
    text = "".join(c if c in _SAFE else "".join(f"%{b:02X}" for b in _utf8(c)) for c in name)
    if text in {".", "..", "index"}:
        return f"%{ord(text[0]):02X}{text[1:]}"
    return text


def source_text(plan: str, source: str) -> str:
    """``PLAN/SOURCE``, as commands and selectors take it, that means this source and no other.

    Names may hold a ``/`` themselves: then it is written ``%2F``, and a ``%`` ``%25``.
    """
    return f"{_escaped(plan)}/{_escaped(source)}"


def sources_named(names: Iterable[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    """Those of *names*, (plan, source), that *text* can mean.

    As :func:`source_text` writes it, else PLAN/SOURCE as it stands, else SOURCE of whatever plan, else PLAN/SOURCE of
    which only one is escaped, or SOURCE escaped.
    """
    known = list(names)
    exact = [(plan, source) for plan, source in known if source_text(plan, source) == text]
    full = [(plan, source) for plan, source in known if f"{plan}/{source}" == text]
    if found := exact or full or [(plan, source) for plan, source in known if source == text]:
        return found
    return [
        (plan, source)
        for plan, source in known
        if text in {f"{_escaped(plan)}/{source}", f"{plan}/{_escaped(source)}", _escaped(source)}
    ]


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def _utf8(character: str) -> bytes:
    # "surrogateescape" stands for a byte that is no UTF-8; any other half of a pair is a character of its own.
    return character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass")


def decode_name(text: str) -> str:
    """The inverse of :func:`encode_name`. Raises ValueError unless *text* is the encoding of some name."""
    raw = bytearray()
    i = 0
    while i < len(text):
        if text[i] == "%":
            raw.append(int(text[i + 1 : i + 3], 16) if len(text) >= i + 3 else _bad(text))
            i += 3
        else:
            raw += text[i].encode("ascii")
            i += 1
    name = raw.decode("utf-8", "surrogateescape")
    if encode_name(name) != text:
        _bad(text)
    return name


def _bad(text: str) -> int:
    raise ValueError(f"not an encoded name: {text!r}")
