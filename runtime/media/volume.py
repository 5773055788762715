"""Reading one volume: its label, its sessions, its records. Nothing is ever written here."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from .. import kinds
from ..faults import MediaFault, Place
from ..hang import reaching
from . import index as index_format
from . import label as label_format
from . import ustar
from .checks import Check, Checks
from .contents import VolumeContents, contents_of
from .index import Index
from .label import LABEL_BYTES, VolumeLabel
from .record import HEADER_BYTES, BadRecord, RecordHeader, parse, verify
from .scan import Scanner, reader_of
from .scanned import Damage, ScannedIndex, ScannedRecord

_END_BYTES: Final = len(ustar.END)


def open_volume(path: Path) -> VolumeReader:
    """Open the volume at *path* for reading; a context manager.

    Raises :class:`MediaFault` where it is a symbolic link, no regular file, too small, no volume of this format, or one
    whose label lies: about itself or about the name of the file that it lies in.
    """
    name = path.name.removesuffix(".tar")
    place = Place(volume=name)
    reaching(0, name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise MediaFault(
                "it is a symbolic link, not a volume", place=place, todo="name the volume itself"
            ) from None
        raise MediaFault(f"{path} cannot be opened: {error.strerror}", place=place) from None
    try:
        reader = from_descriptor(fd, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first failure says more
            os.close(fd)
        raise
    try:
        check_name(reader.label, name)
    except MediaFault:
        reader.close()
        raise
    return reader


def check_name(label: VolumeLabel, name: str) -> None:
    """Raise :class:`MediaFault` where the volume found under *name* bears the label of another one (R5)."""
    if label.name != name:
        raise MediaFault(
            f"its label says that it is {label.name}, its file's name says {name}",
            place=Place(volume=name),
            safe="nothing was written to it",
            todo=f"give the file its name {label.name}.tar back, in a folder where that name is free",
        )


def from_descriptor(fd: int, path: Path) -> VolumeReader:
    """A reader over the open file *fd*, which it owns from now on. The label's name is not compared with *path*."""
    name = path.name.removesuffix(".tar")
    data = bytearray(LABEL_BYTES)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise MediaFault("it is not a regular file", place=Place(volume=name))
        got = reader_of(fd)(memoryview(data), 0)
    except OSError as error:
        raise MediaFault(f"its label cannot be read: {error.strerror}", place=Place(volume=name, position=0)) from None
    return VolumeReader(fd, path, status.st_size, label_format.decode(bytes(data[:got]), volume=name))


class VolumeReader:
    """An open volume. ``size`` is its bytes when it was opened. Not for use by two threads at once."""

    def __init__(self, fd: int, path: Path, size: int, label: VolumeLabel) -> None:
        self._fd = fd
        self._read = reader_of(fd)
        self.path = path
        self.size = size
        self.label = label
        #: why the label cannot be believed, where the volume is read without it (``unlabelled``)
        self.doubt: str | None = None
        #: called whenever the medium has answered: one step of a walk may be many reads
        self.answered: Callable[[], None] | None = None
        #: bytes read so far, the label among them
        self.bytes_read = LABEL_BYTES

    def __enter__(self) -> VolumeReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; once is enough, twice does no harm."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):  # nothing was written
                os.close(fd)

    def is_file(self, status: os.stat_result) -> bool:
        """Whether *status* is that of the open file, and not of another under its name."""
        own = os.fstat(self._fd)
        return (own.st_dev, own.st_ino) == (status.st_dev, status.st_ino)

    # ------------------------------------------------------------ records

    def read(self, position: int, into: memoryview) -> RecordHeader:
        """Read the whole record at *position* into *into* (headers, payload, padding) and check it.

        Its payload is then ``into[1536 : 1536 + header.payload_bytes]``. Raises :class:`MediaFault` with the position
        where there is no sound record, where *into* is too small, or where the medium cannot be read.
        """
        try:
            got = self._fill(into[:HEADER_BYTES], position)
            header = parse(into[:got])
            if header.total_bytes > len(into):
                raise self._fault(
                    f"it needs {header.total_bytes} bytes, more than the largest record accepted ({len(into)})",
                    position,
                    header,
                )
            got = self._fill(into[HEADER_BYTES : header.total_bytes], position + HEADER_BYTES)
            try:
                if got < header.total_bytes - HEADER_BYTES:
                    raise BadRecord("the volume ends within it")
                verify(header, into[HEADER_BYTES : header.total_bytes])
            except BadRecord as bad:
                raise self._fault(f"the record is damaged: {bad}", position, header) from None
        except BadRecord as bad:
            raise self._fault(f"there is no record of this volume: {bad}", position) from None
        return header

    def fetch(self, found: ScannedRecord, into: memoryview) -> None:
        """Read the whole record that a walk without check has *found* into *into*, and check it.

        Raises :class:`MediaFault` with the position where it is not sound, or where *into* is too small.
        """
        header = found.header
        total = header.total_bytes
        if total > len(into):
            raise self._fault(
                f"it needs {total} bytes, more than the largest record accepted ({len(into)})", found.position, header
            )
        try:
            if self._fill(into[:total], found.position) < total:
                raise BadRecord("the volume ends within it")
            if into[:HEADER_BYTES] != found.head:
                raise BadRecord("it is another one than a moment ago")
            verify(header, into[HEADER_BYTES:total])
        except BadRecord as bad:
            raise self._fault(f"the record is damaged: {bad}", found.position, header) from None

    def header(self, position: int) -> RecordHeader | None:
        """The record header at *position*, or None where none can be read; the payload is not looked at.

        Raises :class:`MediaFault` where the medium cannot be read.
        """
        data = bytearray(HEADER_BYTES)
        try:
            return parse(memoryview(data)[: self._fill(memoryview(data), position)])
        except BadRecord:
            return None

    def bytes_at(self, position: int, size: int) -> bytes:
        """The *size* bytes at *position*; fewer at the volume's end. Raises :class:`MediaFault`."""
        data = bytearray(size)
        return bytes(data[: self._fill(memoryview(data), position)])

    def scan(self, start: int = LABEL_BYTES, stop: int | None = None) -> Iterator[ScannedRecord | Damage]:
        """The records from *start* to *stop* (the volume's end), each checked; indexes are passed over.

        For those who want payloads, which are read again. Raises :class:`MediaFault` where the medium cannot be read.
        """
        for item in self.members(start, self.size if stop is None else min(stop, self.size), check=True):
            if isinstance(item, ScannedRecord):
                data = memoryview(bytearray(item.header.total_bytes))
                self.fetch(item, data)
                payload = data[HEADER_BYTES : HEADER_BYTES + item.header.payload_bytes]
                yield ScannedRecord(item.position, item.header, item.head, payload)
            elif isinstance(item, Damage):
                yield item

    def members(
        self,
        start: int,
        stop: int,
        *,
        check: bool,
        wanted: str | None = None,
        hands: int = 1,
        only: Collection[str] | None = None,
        until: int | None = None,
        failed: Callable[[MediaFault], None] | None = None,
    ) -> Iterator[ScannedRecord | ScannedIndex | Damage]:
        """All members between two positions (see :class:`~.scan.Scanner`); *wanted* is an object's identifier.

        With *check* payloads are read and digests compared, by *hands* threads (see :mod:`.checks`); of the objects
        *only* where that is given, other records are passed over. No member that begins behind *until* is of interest.
        *failed* is told of a record whose payload cannot be read, and the walk goes on behind it; a header that cannot
        is a Damage then, and the next member is looked for. Without it the walk ends with the fault.
        """
        scanner = self._scanner()
        scanner.wanted, scanner.only, scanner.until, scanner.failed = wanted, only, until, failed
        if not check:
            yield from scanner.members(start, stop)
            return
        checks = Checks(self._fd, reader_of, hands=hands, told=self._told)
        try:
            yield from scanner.members(start, stop, checks=checks)
        finally:
            checks.close()

    def sound_within(self, start: int, stop: int) -> int | None:
        """As :meth:`~.scan.Scanner.sound_within`."""
        return self._scanner().sound_within(start, stop)

    def headers(self, start: int, stop: int) -> Iterator[tuple[int, RecordHeader]]:
        """Every block between two positions that holds a record's headers; nothing says that it is of this volume.

        What cannot be read is passed over; raises MediaFault where nothing can.
        """
        scanner = self._scanner()
        scanner.go_on()
        return scanner.headers(start, stop)

    def head(self, position: int) -> bytes:
        """The 1,536 bytes at *position*, where a record's headers may lie; fewer at the volume's end."""
        data = bytearray(HEADER_BYTES)
        return bytes(data[: self._fill(memoryview(data), position)])

    def block(self, position: int) -> bytes:
        """The 512 bytes at *position*; fewer at the volume's end."""
        data = bytearray(ustar.BLOCK)
        return bytes(data[: self._fill(memoryview(data), position)])

    def _scanner(self) -> Scanner:
        record = max(kinds.RECORD_BYTES_MIN, self.label.record)
        return Scanner(self._fill, self.label.volume, self.label.name, record, record)

    def _fill(self, view: memoryview, position: int) -> int:
        reaching(position, self.label.name)
        try:
            got = self._read(view, position)
        except OSError as error:
            if self.answered is not None:
                self.answered()  # that it cannot is an answer, too
            raise self._unreadable(error, position) from None
        self.bytes_read += got
        if self.answered is not None:
            self.answered()
        return got

    def _told(self, check: Check) -> None:
        self.bytes_read += check.got
        if self.answered is not None:
            self.answered()
        if isinstance(check.failure, OSError):
            raise self._unreadable(check.failure, check.position + HEADER_BYTES, check.header)
        if check.failure is not None:
            raise check.failure

    def _unreadable(self, error: OSError, position: int, header: RecordHeader | None = None) -> MediaFault:
        return self._fault(f"it cannot be read: {error.strerror}", position, header)

    def _fault(self, message: str, position: int, header: RecordHeader | None = None) -> MediaFault:
        place = Place(
            drive=self.label.drive,
            volume=self.label.name,
            object_id=header.object_id if header else None,
            sequence=header.sequence if header else None,
            position=position,
        )
        return MediaFault(message, place=place, safe="other records and other copies are not touched by this")

    # ------------------------------------------------------------ sessions

    def last_index(self) -> Index | None:
        """The index that the volume's last 2,048 bytes prove (W4); None where they do not."""
        position = self.size - _END_BYTES - index_format.POINTER_BYTES
        if position < LABEL_BYTES:
            return None
        data = bytearray(index_format.POINTER_BYTES + _END_BYTES)
        if self._fill(memoryview(data), position) != len(data) or data[index_format.POINTER_BYTES :] != ustar.END:
            return None
        pointer = index_format.decode_pointer(bytes(data[: index_format.POINTER_BYTES]))
        if pointer is None or pointer.index + ustar.BLOCK + ustar.padded(pointer.size) != position:
            return None
        return self.index_at(pointer.index)

    def index_at(self, position: int) -> Index | None:
        """The index at *position* where its pointer proves it; None where there is none such."""
        block = self.block(position)
        size = index_format.index_size(block) if len(block) == ustar.BLOCK else None
        if size is None or position + ustar.BLOCK + ustar.padded(size) + index_format.POINTER_BYTES > self.size:
            return None
        try:
            return self._scanner().index_at(position, size)
        except MediaFault:
            return None

    def end_of(self, index: Index) -> int:
        """The position behind the pointer of *index*, which lies on this volume."""
        assert index.position is not None
        size = index_format.index_size(self.block(index.position)) or 0
        return index.position + ustar.BLOCK + ustar.padded(size) + index_format.POINTER_BYTES

    def indexes(self, unread: Callable[[MediaFault], None] | None = None) -> VolumeContents:
        """All sessions of the volume: see :func:`~.contents.contents_of`. Raises MediaFault where it cannot be read."""
        return contents_of(self, unread)
