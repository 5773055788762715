"""The index member that ends a session on a volume, and the pointer member behind it (docs/format.md).

An index is believed only when a pointer proves it: volume, session, position, size and digest must agree.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal, cast

from xxhash import xxh3_128_hexdigest

from ..faults import MediaFault, Place
from ..frozen import frozen
from ..kinds import MIB, SOURCE_KINDS, SourceKind
from ..model import ObjectStatus, Session
from . import ids, times, ustar, words
from .label import LABEL_BYTES
from .record import NUMBER_LIMIT, SEQUENCE_LIMIT

#: The largest index that is read (R1).
INDEX_BYTES_MAX: Final = 64 * MIB
POINTER_BYTES: Final = 1024
POSITION_MAX: Final = 2**63 - 1
WARNINGS_MAX: Final = 1000
WARNING_LENGTH_MAX: Final = 1024

IndexState = Literal["ended", "recovered"]


@frozen
class IndexedObject:
    """One object's part on one volume, as an index tells it.

    ``first`` and ``last`` are byte positions of its first and last record (None where ``records`` is 0). ``kind`` is
    None only in a recovered index for an object whose record 0 is not on this volume. ``origin`` is the session that
    read the source, where that is not the index's own (copies, recovered stretches). ``bytes`` counts payload.
    """

    source: str
    object_id: str
    kind: SourceKind | None
    level: Literal["full", "incremental"]
    parent: str | None
    compress: str | None
    encrypt: str | None
    first: int | None
    last: int | None
    first_sequence: int
    records: int
    bytes: int
    state: ObjectStatus
    continued: bool = False
    continues: bool = False
    drives: tuple[str, ...] = ()
    unread: int = 0
    warnings: tuple[str, ...] = ()
    origin: Session | None = None


@frozen
class Index:
    """What one session left on one volume.

    ``first`` is where its records begin, ``previous`` the position of the index before it on this volume.
    ``position`` is where the index itself lies; None for one that was put together from records (``state`` is then
    ``recovered``).
    """

    volume: str
    session: Session
    drive: str
    agent: str
    ended: str
    seconds: float
    state: IndexState
    first: int
    previous: int | None
    objects: tuple[IndexedObject, ...]
    position: int | None = None

    def session_of(self, item: IndexedObject) -> Session:
        """The session that read *item*'s source."""
        return item.origin or self.session


@frozen
class Pointer:
    """Where an index lies on its volume, and the digest of its ``size`` bytes."""

    volume: str
    session: str
    index: int
    size: int
    digest: str


# ---------------------------------------------------------------- writing


def encode_object(item: IndexedObject) -> str:
    """One object's entry as it stands in the index: ASCII, one line, so that its length is its bytes."""
    document: dict[str, Any] = {
        "source": item.source,
        "object": item.object_id,
        "kind": item.kind,
        "level": item.level,
        "parent": item.parent,
        "compress": item.compress,
        "encrypt": item.encrypt,
        "first": item.first,
        "last": item.last,
        "first_sequence": item.first_sequence,
        "records": item.records,
        "bytes": item.bytes,
        "state": item.state,
        "continued": item.continued,
        "continues": item.continues,
        "drives": list(item.drives),
        "unread": item.unread,
        "warnings": list(item.warnings),
    }
    if item.origin is not None:
        document["origin"] = _session_words(item.origin)
    return json.dumps(document, separators=(",", ":"))


def _session_words(session: Session) -> dict[str, Any]:
    return {
        "session": session.id,
        "number": session.number,
        "plan": session.plan,
        "fingerprint": session.fingerprint,
        "started": session.started,
    }


def encode(index: Index, position: int) -> bytes:
    """Index member and pointer member, as they are written at *position*."""
    head: dict[str, Any] = {"tapechain": 1, "volume": index.volume}
    head |= _session_words(index.session)
    head |= {
        "drive": index.drive,
        "agent": index.agent,
        "ended": index.ended,
        "seconds": index.seconds,
        "state": index.state,
        "first": index.first,
        "previous": index.previous,
    }
    entries = ",\n".join(map(encode_object, index.objects))
    text = f'{json.dumps(head, separators=(",", ":"))[:-1]},"objects":[\n{entries}\n]}}\n'.encode()
    mtime = times.seconds_of_time(index.ended)
    name = f"index/{index.session.id}"
    member = ustar.header(f"{name}.json".encode(), len(text), mtime) + text
    member += bytes(ustar.padded(len(text)) - len(text))
    pointer = (
        f"tapechain=1 volume={index.volume} session={index.session.id} index={position} size={len(text)}"
        f" xxh3={xxh3_128_hexdigest(text)}"
    )
    pointer += f" check={xxh3_128_hexdigest(pointer.encode())}\n"
    end = ustar.header(f"{name}.end".encode(), len(pointer), mtime) + pointer.encode()
    return member + end + bytes(POINTER_BYTES - len(end))


def room(entries_bytes: int, entries: int, head_bytes: int) -> int:
    """Bytes of index and pointer, at most, for *entries* of *entries_bytes* in all behind a head of *head_bytes*."""
    return ustar.BLOCK + ustar.padded(head_bytes + entries_bytes + 2 * entries + 32) + POINTER_BYTES


def head_bytes(index: Index) -> int:
    """The most bytes that the words of *index* before its objects need, whatever they will be at the end."""
    longest = Index(
        index.volume, index.session, index.drive, index.agent, index.ended, 10.0**12 + 0.123, "recovered",
        POSITION_MAX, POSITION_MAX, (),
    )  # fmt: skip
    return len(encode(longest, POSITION_MAX)) - POINTER_BYTES


# ---------------------------------------------------------------- reading

_POINTER: Final = re.compile(
    r"(tapechain=1 volume=([0-9a-f-]{36}) session=([0-9a-f-]{36}) index=([1-9][0-9]{0,18}) size=([1-9][0-9]{0,9})"
    r" xxh3=([0-9a-f]{32})) check=([0-9a-f]{32})\n",
    re.ASCII,
)
_INDEX_NAME: Final = re.compile(rb"index/([0-9a-f-]{36})\.json\0")


def decode_pointer(data: bytes) -> Pointer | None:
    """The pointer in the 1,024 bytes of a pointer member; None where they are not one whose words are proved."""
    if len(data) != POINTER_BYTES or data[:6] != b"index/" or not ustar.looks_like_header(data[: ustar.BLOCK]):
        return None
    match = _POINTER.match(data[ustar.BLOCK :].decode("ascii", "replace"))
    if match is None or xxh3_128_hexdigest(match[1].encode()) != match[7]:
        return None
    if data[ustar.BLOCK + match.end() :].strip(b"\0") or not (ids.is_id(match[2]) and ids.is_id(match[3])):
        return None
    size, position = int(match[5]), int(match[4])
    if size > INDEX_BYTES_MAX or not LABEL_BYTES <= position <= POSITION_MAX:
        return None
    if data[:46] != f"index/{match[3]}.end".encode():
        return None
    return Pointer(match[2], match[3], position, size, match[6])


def index_size(block: bytes) -> int | None:
    """The bytes of the index whose archive header *block* is; None where it is no index's header. Not proved yet."""
    if _INDEX_NAME.match(block) is None or not ustar.looks_like_header(block) or block[156:157] != b"0":
        return None
    try:
        size = int(block[124:135], 8)
    except ValueError:
        return None
    return size if 0 < size <= INDEX_BYTES_MAX else None


def decode(member: bytes, pointer_member: bytes, position: int, *, volume_id: str, volume: str) -> Index:
    """The index in *member* (its archive header, bytes and padding) at *position*, proved by *pointer_member*.

    Raises :class:`MediaFault` where it is not proved for the volume *volume_id*, or contradicts itself.
    """
    place = Place(volume=volume, position=position)
    pointer = decode_pointer(pointer_member)
    if pointer is None:
        raise MediaFault("the index has no pointer behind it that proves it", place=place)
    text = member[ustar.BLOCK : ustar.BLOCK + pointer.size]
    if pointer.volume != volume_id or pointer.index != position or len(text) != pointer.size:
        raise MediaFault("the index's pointer is that of another volume or place", place=place)
    if member[ustar.BLOCK + pointer.size :].strip(b"\0"):
        raise MediaFault("the index's padding is not zeros", place=place)
    if xxh3_128_hexdigest(text) != pointer.digest:
        raise MediaFault("the index's digest is wrong", place=place)
    document = words.load(text, "the index", place)
    try:
        index = _build(document, position)
        name = f"index/{index.session.id}.json".encode()
        mtime = times.seconds_of_time(index.ended)
        words_bytes = len(pointer_member[ustar.BLOCK :].rstrip(b"\0"))
        end_header = ustar.header(name.replace(b".json", b".end"), words_bytes, mtime)
        if member[: ustar.BLOCK] != ustar.header(name, pointer.size, mtime):
            raise words.Bad("its archive header is not what its words say")
        if pointer_member[: ustar.BLOCK] != end_header:
            raise words.Bad("its pointer's archive header is not what its words say")
        if index.volume != volume_id or index.session.id != pointer.session:
            raise words.Bad("its volume or session is another than its pointer's")
    except (words.Bad, ValueError) as error:
        raise MediaFault(f"the index contradicts itself: {error}", place=place) from None
    return index


def _session(document: dict[str, Any]) -> Session:
    session = Session(
        words.text(document, "session", longest=36),
        words.number(document, "number", 0, NUMBER_LIMIT - 1),
        words.text(document, "plan"),
        words.text(document, "fingerprint", longest=128),
        words.text(document, "started", longest=24),
    )
    if not ids.is_id(session.id) or not times.is_time(session.started):
        raise words.Bad("a session's identifier or time cannot be read")
    return session


def _build(document: dict[str, Any], position: int) -> Index:
    if document.get("tapechain") != 1:
        raise words.Bad("its format version is not 1")
    seconds = document.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 10**12:
        raise words.Bad("seconds is not a duration")
    first = words.number(document, "first", LABEL_BYTES, position)
    entries = document.get("objects")
    if not isinstance(entries, list):
        raise words.Bad("objects is not a list")
    ended = words.text(document, "ended", longest=24)
    if not times.is_time(ended):
        raise words.Bad("ended is not a time")
    objects = tuple(_object(entry, first, position) for entry in entries)
    if len({item.object_id for item in objects}) != len(objects):
        raise words.Bad("an object occurs twice")
    return Index(
        volume=words.text(document, "volume", longest=36),
        session=_session(document),
        drive=words.text(document, "drive"),
        agent=words.text(document, "agent"),
        ended=ended,
        seconds=float(seconds),
        state=cast(IndexState, words.one_of(document, "state", ("ended", "recovered"))),
        first=first,
        previous=words.number_or_none(document, "previous", LABEL_BYTES, first),
        objects=objects,
        position=position,
    )


def _object(entry: object, low: int, high: int) -> IndexedObject:
    if not isinstance(entry, dict):
        raise words.Bad("objects holds something that is no object")
    kind = None if entry.get("kind") is None else words.one_of(entry, "kind", SOURCE_KINDS)
    records = words.number(entry, "records", 0, SEQUENCE_LIMIT)
    bounds: tuple[int, int] | tuple[None, None] = (None, None)
    if records:
        first = words.number(entry, "first", low, high - 1)
        bounds = (first, words.number(entry, "last", first, high - 1))
    elif entry.get("first") is not None or entry.get("last") is not None:
        raise words.Bad("an object without records has positions")
    origin = entry.get("origin")
    if origin is not None and not isinstance(origin, dict):
        raise words.Bad("origin is no session")
    item = IndexedObject(
        source=words.text(entry, "source"),
        object_id=words.text(entry, "object", longest=36),
        kind=cast("SourceKind | None", kind),
        level=cast(Literal["full", "incremental"], words.one_of(entry, "level", ("full", "incremental"))),
        parent=words.text_or_none(entry, "parent", longest=36),
        compress=words.text_or_none(entry, "compress", longest=16),
        encrypt=words.text_or_none(entry, "encrypt", longest=16),
        first=bounds[0],
        last=bounds[1],
        first_sequence=words.number(entry, "first_sequence", 0, SEQUENCE_LIMIT),
        records=records,
        bytes=words.number(entry, "bytes", 0, POSITION_MAX),
        state=cast(ObjectStatus, words.one_of(entry, "state", ("whole", "cut-off", "failed"))),
        continued=words.flag(entry, "continued"),
        continues=words.flag(entry, "continues"),
        drives=words.texts(entry, "drives", most=100_000, longest=1024),
        unread=words.number(entry, "unread", 0, POSITION_MAX),
        warnings=words.texts(entry, "warnings", most=WARNINGS_MAX, longest=WARNING_LENGTH_MAX),
        origin=None if origin is None else _session(origin),
    )
    if not ids.is_id(item.object_id) or (item.parent is not None and not ids.is_id(item.parent)):
        raise words.Bad("an object's identifier cannot be read")
    return item
