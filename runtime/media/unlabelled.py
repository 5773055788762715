"""A volume whose label cannot be read: its records prove themselves, and so it is read, and never written.

The label says what a volume is called and what it is; nothing that it says is needed to believe a record. A label that
is damaged (its own digest does not vouch for it) therefore costs no data. A label that is sound and says something else
than it should is another matter: that is another volume, or a lie, and it is refused as ever.

What the label would have said comes from the volume's last index, which its pointer proves; where there is none, from
the file's name and the first records, and the identifier is then made of these, the same each time.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Final

from xxhash import xxh3_128_hexdigest

from .. import kinds
from ..faults import MediaFault, Place
from ..model import Session
from . import index as index_format
from . import times, ustar
from .index import Index
from .label import LABEL_BYTES, UnreadableLabel, VolumeLabel
from .record import RecordHeader
from .scan import reader_of
from .scanned import ScannedRecord
from .volume import VolumeReader, open_volume

_NAME: Final = re.compile(r"(.+)-([0-9]{6})", re.ASCII)
#: Headers that are looked at for the words of an object's first record.
_HEADERS_MAX: Final = 100_000


def open_anyhow(path: Path) -> VolumeReader:
    """As ``open_volume``, and where the label cannot be read by its records: ``doubt`` then says so.

    Raises MediaFault as ``open_volume`` does; of a file without a readable label also where nothing in it proves that
    it is a volume, or where its index proves that it belongs under another name.
    """
    try:
        return open_volume(path)
    except UnreadableLabel as fault:
        try:
            reader = _unlabelled(path, fault)
        except OSError as error:
            raise _unreadable(path, error) from None
        reader.doubt = f"{fault.message}; it is read by its records alone, and never written again"
        return reader


def open_known(path: Path, *, volume_id: str, name: str, drive: str) -> VolumeReader:
    """As :func:`open_anyhow`, of a volume that a catalog knows: it is read even where nothing in it says what it is.

    For one who looks for objects by their identifiers only: a sound record of such a one is the right data wherever it
    lies. Raises MediaFault.
    """
    try:
        return open_anyhow(path)
    except UnreadableLabel as fault:
        if path.name != f"{name}.tar":
            raise
        try:
            fd = _opened(path, fault)
            size = os.fstat(fd).st_size
        except OSError as error:
            raise _unreadable(path, error) from None
        label = _label(volume_id, name, drive, "", times.now_text(), Session("", 0, "", "", ""))
        reader = VolumeReader(fd, path, size, label)
        reader.doubt = f"{fault.message}; nothing else in it says what it is: it is read as the catalog knows it"
        return reader


def _unreadable(path: Path, error: OSError) -> MediaFault:
    place = Place(volume=path.name.removesuffix(".tar"))
    return MediaFault(f"{path} cannot be read: {error.strerror}", place=place)


def _opened(path: Path, fault: UnreadableLabel) -> int:
    """A descriptor of the file; *fault* where it is none, or too small to hold a record."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size <= LABEL_BYTES:
        os.close(fd)
        raise fault
    return fd


def _unlabelled(path: Path, fault: UnreadableLabel) -> VolumeReader:
    name = path.name.removesuffix(".tar")
    match = _NAME.fullmatch(name)
    if match is None:
        raise fault
    try:
        drive = kinds.decode_name(match[1])
    except ValueError:
        raise fault from None
    fd = _opened(path, fault)
    try:
        size = os.fstat(fd).st_size
        label = _from_index(fd, size, name, drive) or _from_records(fd, size, path, name, drive)
        if label is None:
            raise fault
    except BaseException:
        os.close(fd)
        raise
    return VolumeReader(fd, path, size, label)


def _from_index(fd: int, size: int, name: str, drive: str) -> VolumeLabel | None:
    """The label that the index at the volume's end vouches for. Raises MediaFault where that is another volume's."""
    read = reader_of(fd)
    tail = bytearray(index_format.POINTER_BYTES + len(ustar.END))
    position = size - len(tail)
    if position < LABEL_BYTES or read(memoryview(tail), position) != len(tail):
        return None
    data = bytes(tail[: index_format.POINTER_BYTES])
    pointer = index_format.decode_pointer(data)
    if pointer is None or tail[index_format.POINTER_BYTES :] != ustar.END:
        return None
    if pointer.index + ustar.BLOCK + ustar.padded(pointer.size) != position:
        return None
    member = bytearray(position - pointer.index)
    if read(memoryview(member), pointer.index) != len(member):
        return None
    try:
        index: Index = index_format.decode(bytes(member), data, pointer.index, volume_id=pointer.volume, volume=name)
    except MediaFault:
        return None
    if index.drive != drive:
        raise MediaFault(
            f"its label cannot be read, and its index says that it is a volume of drive {index.drive}",
            place=Place(volume=name),
            todo="give the file a name of that drive back",
        )
    return _label(index.volume, name, drive, index.agent, index.session.started, index.session)


def _from_records(fd: int, size: int, path: Path, name: str, drive: str) -> VolumeLabel | None:
    """A label made of the first records, of an unnamed session where none of them says which; None without any."""
    nobody = _label("", name, drive, "", times.now_text(), Session("", 0, "", "", ""))
    reader = VolumeReader(os.dup(fd), path, size, nobody)
    with reader:
        first: RecordHeader | None = None
        for n, member in enumerate(reader.members(LABEL_BYTES, size, check=False)):
            if n > _HEADERS_MAX:
                break
            if not isinstance(member, ScannedRecord):
                continue
            first = first or member.header
            if member.header.first is not None:
                session = member.header.first.session
                return _label(
                    _identifier(name, first.object_id), name, drive, "", session.started, session, first.total_bytes
                )
    if first is None:
        return None
    # Nothing but the middle of an object that began on an earlier volume: no record here names a session.
    return replace(nobody, volume=_identifier(name, first.object_id), record=max(nobody.record, first.total_bytes))


def _identifier(name: str, object_id: str) -> str:
    """A UUIDv7 made of the volume's name and its first object: the object's time, and a digest of both."""
    digest = xxh3_128_hexdigest(f"{name} {object_id}".encode())
    return f"{object_id[:14]}7{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"


def _label(  # noqa: PLR0917 - the fields of a label
    volume: str,
    name: str,
    drive: str,
    agent: str,
    created: str,
    session: Session,
    record: int = kinds.RECORD_BYTES_DEFAULT,
) -> VolumeLabel:
    return VolumeLabel(
        volume=volume,
        name=name,
        drive=drive,
        agent=agent,
        pool=None,
        created=created,
        record=max(kinds.RECORD_BYTES_MIN, record),
        capacity=None,
        session=session,
    )
