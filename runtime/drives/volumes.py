"""A virtual tape drive: a folder of volumes, written one after another (docs/format.md, "Order of writing")."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from ..faults import DriveFault, DriveFullFault, MediaFault, Place
from ..media import ids, tail, times, ustar
from ..media import index as index_format
from ..media import label as label_format
from ..media.index import Index
from ..media.label import LABEL_BYTES, VolumeLabel
from ..media.tail import Tail
from ..media.volume import check_name, from_descriptor
from ..model import CopyResult, Ending, ObjectFacts, Session
from .base import IndexedVolume, OnIndex
from .cartridge import END, Cartridge
from .ledger import Copy, Ledger
from .magazine import Magazine, fault_of


class VolumesDrive:
    """A magazine's drive for one session. See :class:`~.base.Drive` for the life cycle.

    *clock* and *new_id* give the times and identifiers that new labels and indexes bear; *elapsed* counts seconds
    from any start.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        capacity: int | None = None,
        pool: str | None = None,
        on_index: OnIndex,
        clock: Callable[[], str] = times.now_text,
        elapsed: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = ids.new_id,
    ) -> None:
        self.name = name
        self.written_bytes = 0
        self._magazine = Magazine(folder, name)
        self._capacity = capacity
        self._pool = pool
        self._on_index = on_index
        self._clock = clock
        self._elapsed = elapsed
        self._new_id = new_id
        self._session: Session | None = None
        self._agent = ""
        self._record_bytes = 0
        self._began = 0.0
        self._ledger: Ledger | None = None
        self._cartridge: Cartridge | None = None
        self._head_bytes = 0

    # ------------------------------------------------------------ life cycle

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        """Lock the folder, prove the end of its last volume, recover a torn tail (see :class:`~.base.Drive`)."""
        self._session, self._agent, self._record_bytes = session, agent, plan_record
        self._ledger = Ledger(session)
        self._began = self._elapsed()
        least = LABEL_BYTES + plan_record + END
        if self._capacity is not None and self._capacity < least:
            raise DriveFault(
                f"its capacity of {self._capacity} bytes is too small for a label and one record ({least} bytes)",
                place=Place(drive=self.name),
                safe="nothing was written",
                todo="give the drive a larger capacity, or the plan a smaller record",
            )
        self._magazine.open()
        try:
            numbers = self._magazine.numbers()
            return self._load(numbers[-1]) if numbers else ()
        except BaseException:
            self._release()
            raise

    def begin(self, facts: ObjectFacts) -> None:
        """An object's records will come; room for its entry in the index is kept from its first record on."""
        self._book.begin(facts)

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        """Write one whole record behind the last one, on this volume or the next."""
        copy = self._book.expect(object_id, sequence)
        total = len(record)
        cartridge = self._cartridge or self._next_volume()
        if not self._fits(total):
            self._finish(self._elapsed() - self._began)
            cartridge = self._next_volume()
            if not self._fits(total):
                raise self._fault_too_small(total)
        position = cartridge.position
        cartridge.append(record, self._room(), object_id, sequence, each=total)
        self._book.wrote(copy, sequence, payload_bytes, position, last=_is_last(record))
        self.written_bytes += total

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        """With one system call where the volume has room for all of them, else one by one."""
        copy = self._book.expect(object_id, sequence)
        cartridge = self._cartridge or self._next_volume()
        each = len(records) // count
        done = 0
        if self._fits(len(records)):
            position = cartridge.position
            try:
                cartridge.append(records, self._room(), object_id, sequence, each=each)
            except DriveFullFault:
                pass  # the disk may still have room for some of them
            finally:
                done = (cartridge.position - position) // each
                if done:
                    last = _is_last(records[(done - 1) * each : done * each])
                    self._book.wrote(copy, sequence, payload_bytes, position, last=last, count=done, stride=each)
                    self.written_bytes += done * each
        for n in range(done, count):
            self.write(records[n * each : (n + 1) * each], object_id, sequence + n, payload_bytes)

    def end(self, object_id: str, ending: Ending) -> None:
        """How the object ended; its warnings are cut to what the volume has room for."""
        spare = 1 << 62
        if self._capacity is not None and self._cartridge is not None:
            spare = self._capacity - self._cartridge.position - self._room()
        self._book.end(object_id, ending, spare)

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        """Write the index, wait for the medium, give the folder back."""
        self._finish(seconds)
        if self._book.here():
            # What ended without a record found no room in the last index.
            self._next_volume()
            self._finish(seconds)
            if self._book.here():
                raise self._fault_too_small(0)
        self._release()
        return self._book.results(self.name, self._agent, None)

    def abandon(self, fault: Exception, seconds: float) -> tuple[CopyResult, ...]:
        """Cut back to the last whole record, confirm what is complete if the medium still can, give the folder back."""
        error = str(fault)
        try:
            if self._cartridge is not None and not self._cartridge.unsure:
                self._finish(seconds)
        except Exception as second:  # noqa: BLE001 - whatever happens here, the report says what is stored
            error = f"{error}; its last volume could not be closed: {second}"
        self._release()
        return self._ledger.results(self.name, self._agent, error) if self._ledger is not None else ()

    # ------------------------------------------------------------ the volume at mount

    def _load(self, number: int) -> tuple[str, ...]:
        """Open the last volume, prove its end, make it ready to be appended to; or leave it and say why."""
        path = self._magazine.file_of(number)
        place = Place(drive=self.name, volume=path.stem)
        fd = self._open(path, place)
        if fd is None:
            return (f"volume {path.stem} is write-protected: a new volume is begun",)
        try:
            label, size, found = self._prove(fd, path, place)
        except BaseException:
            os.close(fd)
            raise
        if label.pool != self._pool:
            os.close(fd)
            return (f"volume {path.stem} is not of the pool {self._pool or '(none)'}: a new volume is begun",)
        if not found.appendable:
            os.close(fd)
            return found.notes
        cartridge = self._cartridge = Cartridge(fd, label, path, found.position, found.previous)
        self._head_bytes = self._index_head(label)
        if found.recovered is not None:
            self._tell(cartridge.append_index(found.recovered))
        elif size != found.position + END or found.unconfirmed is not None:
            cartridge.restore_end()
            if found.unconfirmed is not None:
                self._tell(found.unconfirmed)
        return found.notes

    def _open(self, path: Path, place: Place) -> int | None:
        """The volume's file, open for writing; None where it is write-protected, as a cartridge with its tab set."""
        folder = self._magazine.fd
        try:
            status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o222:
                return None
            return os.open(path.name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EISDIR):
                raise fault_of(error, f"{path} cannot be opened", place, safe="it was not touched") from None
            kind = "a symbolic link" if error.errno == errno.ELOOP else "a folder"
            raise _refused(MediaFault(f"it is {kind}, not a volume"), place) from None

    def _prove(self, fd: int, path: Path, place: Place) -> tuple[VolumeLabel, int, Tail]:
        try:
            with from_descriptor(os.dup(fd), path) as reader:
                check_name(reader.label, path.stem)
                if reader.last_index() is None:
                    _forget_cache(fd, place)
                return reader.label, reader.size, tail.prove(reader, now=self._clock())
        except MediaFault as fault:
            raise _refused(fault, place) from None

    # ------------------------------------------------------------ from volume to volume

    def _next_volume(self) -> Cartridge:
        """Begin a new volume: its label is on the medium before anything else is (W1)."""
        session = self._session
        assert session is not None
        place = Place(drive=self.name)
        # Somebody may put a file of that name there while we look: then the next number is ours.
        for _ in range(100):
            number = self._magazine.next_number()
            label = VolumeLabel(
                volume=self._new_id(),
                name=label_format.volume_name(self.name, number),
                drive=self.name,
                agent=self._agent,
                pool=self._pool,
                created=self._clock(),
                record=self._record_bytes,
                capacity=self._capacity,
                session=session,
            )
            try:
                fd = self._magazine.create(number, label_format.encode(label) + ustar.END)
            except OSError as error:
                what = f"no new volume {label.name} can be made"
                if self._magazine.removed:
                    what = f"its folder {self._magazine.path} was removed: no new volume can be made in it"
                raise fault_of(error, what, place, safe="the volumes before it") from None
            if fd is not None:
                self._cartridge = Cartridge(fd, label, self._magazine.file_of(number), LABEL_BYTES, None)
                self._head_bytes = self._index_head(label)
                return self._cartridge
        raise DriveFault("new files keep taking the names of its next volumes", place=place)

    def _finish(self, seconds: float) -> None:
        """End the session on this volume: records, then index, pointer and end reach the medium (W3).

        Where the index has no room for everything it lists what has records here, as room for these was kept; the rest
        stays in the book for the next volume. A volume of which the session has nothing to say is left as it was.
        """
        cartridge = self._cartridge
        if cartridge is None:
            return
        everything = self._book.here()
        with_records = tuple(copy for copy in everything if copy.records)
        if with_records:
            cartridge.sync("its records")
        full: DriveFullFault | None = None
        written = False
        for copies, lean in ((everything, False), (with_records, False), (with_records, True)):
            if written or not copies:
                continue
            index = self._index(cartridge, copies, seconds, lean=lean)
            size = cartridge.position + len(index_format.encode(index, cartridge.position)) + END
            if self._capacity is not None and size > self._capacity:
                continue
            try:
                proved = cartridge.append_index(index)
            except DriveFullFault as fault:
                full = fault
                continue
            written = True
            self._book.confirmed(copies, cartridge.label.volume, cartridge.label.name)
            self._tell(proved)
        if not written:
            if with_records:
                raise full or self._fault_too_small(0)
            if cartridge.dirty:
                cartridge.restore_end()
        cartridge.close()
        self._cartridge = None

    def _index(self, cartridge: Cartridge, copies: tuple[Copy, ...], seconds: float, *, lean: bool) -> Index:
        assert self._session is not None
        return Index(
            volume=cartridge.label.volume,
            session=self._session,
            drive=self.name,
            agent=self._agent,
            ended=self._clock(),
            seconds=round(max(0.0, seconds), 3),
            state="ended",
            first=cartridge.first,
            previous=cartridge.previous,
            objects=self._book.entries_of(copies, lean=lean),
        )

    def _tell(self, index: Index) -> None:
        cartridge = self._cartridge
        assert cartridge is not None
        self._on_index(IndexedVolume(cartridge.label, index, cartridge.path, cartridge.position + END))

    def _release(self) -> None:
        if self._cartridge is not None:
            self._cartridge.close()
            self._cartridge = None
        self._magazine.close()

    # ------------------------------------------------------------ room

    @property
    def _book(self) -> Ledger:
        if self._ledger is None:
            raise ValueError(f"drive {self.name} is not mounted")
        return self._ledger

    def _room(self) -> int:
        """Bytes of index, pointer and end, at most, as things stand."""
        return index_format.room(self._book.entries_bytes, self._book.entries, self._head_bytes) + END

    def _fits(self, total: int) -> bool:
        """Whether the volume has room for *total* bytes more, and for the index behind them."""
        assert self._cartridge is not None
        return self._capacity is None or self._cartridge.position + total + self._room() <= self._capacity

    def _index_head(self, label: VolumeLabel) -> int:
        assert self._session is not None
        started = self._session.started
        return index_format.head_bytes(
            Index(label.volume, self._session, self.name, self._agent, started, 0.0, "ended", 0, None, ())
        )

    def _fault_too_small(self, total: int) -> DriveFullFault:
        needed = LABEL_BYTES + total + self._room()
        return DriveFullFault(
            f"its capacity of {self._capacity} bytes is too small: an empty volume needs {needed} bytes for its label,"
            f" one record and the index of {self._book.entries} object(s)",
            place=Place(drive=self.name),
            safe="all sessions before this one, and what the report calls stored",
            todo="give the drive a larger capacity",
        )


def _is_last(record: memoryview) -> bool:
    """Whether it is its object's last, as its label says behind the size, before the source."""
    return b" last=1 " in bytes(record[512:1024])


def _forget_cache(fd: int, place: Place) -> None:
    """Have the tail read from the medium: after a failed fsync memory may show what the disk never got (W4)."""
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        raise fault_of(error, "the medium does not confirm what a former run left", place) from None


def _refused(fault: MediaFault, place: Place) -> MediaFault:
    """*fault* with the drive's name, and what an administrator does about a volume that is refused."""
    return MediaFault(
        f"the last volume of its folder is refused: {fault.message}",
        place=place,
        safe="the file was not touched",
        todo=fault.todo or "look at it with `tcc volume show`, or move it away; the next run then goes on behind it",
    )
