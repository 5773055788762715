"""The label member at the head of every volume: what the volume is, and how to read it without us (docs/format.md)."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from xxhash import xxh3_128_hexdigest

from .. import kinds
from ..faults import MediaFault, Place
from ..frozen import frozen
from ..model import Session
from . import ids, recovery, times, ustar, words
from .record import NUMBER_LIMIT

LABEL_BYTES: Final = 16_384
_TEXT_BYTES: Final = LABEL_BYTES - ustar.BLOCK
_MEMBER: Final = b"tapechain.json"
_VOLUME_NAME: Final = re.compile(r"(.+)-([0-9]{6})", re.ASCII)


@frozen
class VolumeLabel:
    """What a volume says of itself. ``name`` is its file's name without ``.tar``.

    ``session`` is the one that made the volume; ``record`` that session's record size and ``capacity`` the volume's, in
    bytes; ``agent`` and ``pool`` are those of that session too.
    """

    volume: str
    name: str
    drive: str
    agent: str
    pool: str | None
    created: str
    record: int
    capacity: int | None
    session: Session

    @property
    def recover(self) -> dict[str, list[str]]:
        """The recovery commands for this volume, by use."""
        return recovery.commands(self.name)


def volume_name(drive: str, number: int) -> str:
    """The name of the volume *number* (1…999999) of *drive*."""
    return f"{kinds.encode_name(drive)}-{number:06d}"


def encode(label: VolumeLabel) -> bytes:
    """The 16,384 bytes of the label member."""
    document: dict[str, Any] = {
        "tapechain": 1,
        "volume": label.volume,
        "name": label.name,
        "drive": label.drive,
        "agent": label.agent,
        "pool": label.pool,
        "created": label.created,
        "plan": label.session.plan,
        "fingerprint": label.session.fingerprint,
        "session": label.session.id,
        "number": label.session.number,
        "started": label.session.started,
        "record": label.record,
        "capacity": label.capacity,
        "recover": label.recover,
    }
    document["check"] = _check_word(document)
    text = json.dumps(document, indent=1).encode()
    if len(text) >= _TEXT_BYTES:
        raise ValueError(f"the label of {label.name} needs {len(text)} bytes")
    body = text + b" " * (_TEXT_BYTES - 1 - len(text)) + b"\n"
    return ustar.header(_MEMBER, _TEXT_BYTES, times.seconds_of_time(label.created)) + body


def _check_word(document: dict[str, Any]) -> str:
    """The digest that proves the words of a label: XXH3-128 of the other keys, sorted, without blanks."""
    others = {key: value for key, value in document.items() if key != "check"}
    return xxh3_128_hexdigest(json.dumps(others, sort_keys=True, separators=(",", ":")).encode())


class UnreadableLabel(MediaFault):
    """The label is damaged: nothing vouches for what it says, so that it is no lie either."""


def decode(data: bytes, *, volume: str) -> VolumeLabel:
    """Read a label member. *volume* is the name that the medium is found under, for the fault's text.

    Raises :class:`MediaFault` where it is not the label of a volume of this format, or where it contradicts itself, and
    :class:`UnreadableLabel` where its own digest does not vouch for it.
    """
    try:
        return _decode(data, volume)
    except MediaFault as fault:
        if len(data) < LABEL_BYTES or _vouched(data):
            raise
        raise UnreadableLabel(fault.message, place=fault.place, safe=fault.safe, todo=fault.todo) from None


def _vouched(data: bytes) -> bool:
    """Whether checksum and digest say that the label is as it was written, whatever it means."""
    if not ustar.looks_like_header(data[: ustar.BLOCK]):
        return False
    try:
        document = words.load(data[ustar.BLOCK : LABEL_BYTES], "its label", Place())
        return document.get("check") == _check_word(document)
    except (MediaFault, ValueError, RecursionError):
        return False


def _decode(data: bytes, volume: str) -> VolumeLabel:
    place = Place(volume=volume, position=0)
    if len(data) < LABEL_BYTES:
        raise MediaFault("it is too small to be a volume: it has no whole label", place=place)
    if data[: len(_MEMBER) + 1] != _MEMBER + b"\0":
        raise MediaFault("it is not a volume of tapechain: no label lies at its head", place=place)
    document = words.load(data[ustar.BLOCK : LABEL_BYTES], "its label", place)
    version = document.get("tapechain")
    if version != 1 or isinstance(version, bool):
        found = version if isinstance(version, int) and abs(version) < 10**6 else "none"
        raise MediaFault(
            f"its label has format version {found}; this tcc reads version 1",
            place=place,
            todo="read it with the tcc that wrote it, or with the tar commands in its label",
        )
    try:
        label = _build(document)
        if data[: ustar.BLOCK] != ustar.header(_MEMBER, _TEXT_BYTES, times.seconds_of_time(label.created)):
            raise words.Bad("its archive header is not what its words say")
        if document.get("check") != _check_word(document):
            raise words.Bad("its digest is wrong")
    except (words.Bad, ValueError, RecursionError) as error:
        raise MediaFault(
            f"its label lies or is damaged: {error}",
            place=place,
            todo="read it with the tar commands of docs/format.md; do not write it",
        ) from None
    return label


def _build(document: dict[str, Any]) -> VolumeLabel:
    session = Session(
        words.text(document, "session"),
        words.number(document, "number", 0, NUMBER_LIMIT - 1),
        words.text(document, "plan"),
        words.text(document, "fingerprint", longest=128),
        words.text(document, "started", longest=24),
    )
    label = VolumeLabel(
        volume=words.text(document, "volume", longest=36),
        name=words.text(document, "name"),
        drive=words.text(document, "drive"),
        agent=words.text(document, "agent"),
        pool=words.text_or_none(document, "pool"),
        created=words.text(document, "created", longest=24),
        record=words.number(document, "record", kinds.RECORD_BYTES_MIN, kinds.RECORD_BYTES_MAX),
        capacity=words.number_or_none(document, "capacity", 0, 2**63 - 1),
        session=session,
    )
    if not ids.is_id(label.volume) or not ids.is_id(session.id):
        raise words.Bad("an identifier is no UUIDv7")
    if not times.is_time(label.created) or not times.is_time(session.started):
        raise words.Bad("a time cannot be read")
    match = _VOLUME_NAME.fullmatch(label.name)
    if match is None or match[1] != kinds.encode_name(label.drive) or match[2] == "000000":
        raise words.Bad("its name does not fit its drive")
    return label
