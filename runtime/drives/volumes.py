"""A virtual tape drive: a folder of volumes, written one after another (docs/format.md, W1–W6 and W8).

State of the current volume: bytes before ``_position`` are whole members; behind it may lie what a write left half
done. Disk room for index, pointer and end is kept allocated ahead of ``_position`` all the time, so that what was
written can still be confirmed on a full disk. Once an fsync has failed nothing on that volume is confirmed any more:
the kernel may have dropped what it could not write.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..faults import DriveFault, DriveFullFault, Fault, MediaFault, Place
from ..media import ids, tail, times, ustar
from ..media import index as index_format
from ..media import label as label_format
from ..media.index import Index
from ..media.label import LABEL_BYTES, VolumeLabel
from ..media.volume import check_name, from_descriptor
from ..model import CopyResult, Ending, ObjectFacts, Session
from .allocate import keep_room
from .base import IndexedVolume, OnIndex
from .ledger import Copy, Ledger
from .magazine import Magazine, fault_of

_END: Final = len(ustar.END)
#: How far ahead of the records disk room is taken, bytes.
_AHEAD: Final = 16 * 1024 * 1024


class VolumesDrive:
    """A magazine's drive for one session. See :class:`~.base.Drive` for the life cycle.

    *clock* and *new_id* give the times and identifiers that new labels and indexes bear.
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
        new_id: Callable[[], str] = ids.new_id,
    ) -> None:
        self.name = name
        self.written_bytes = 0
        self._magazine = Magazine(folder, name)
        self._capacity = capacity
        self._pool = pool
        self._on_index = on_index
        self._clock = clock
        self._new_id = new_id
        self._session: Session | None = None
        self._agent = ""
        self._record_bytes = 0
        self._began = 0.0
        self._ledger: Ledger | None = None
        self._fd = -1
        self._label: VolumeLabel | None = None
        self._position = 0
        self._first = 0
        self._previous: int | None = None
        self._allocated = 0
        self._can_allocate = True
        self._dirty = False
        self._unsure = False
        self._head_bytes = 0

    # ------------------------------------------------------------ life cycle

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        """Lock the folder, prove the end of its last volume, recover a torn tail (see :class:`~.base.Drive`)."""
        self._session, self._agent, self._record_bytes = session, agent, plan_record
        self._ledger = Ledger(session)
        self._began = time.monotonic()
        least = LABEL_BYTES + plan_record + _END
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
        if self._fd < 0:
            self._next_volume()
        if not self._fits(total):
            self._finish(time.monotonic() - self._began)
            self._next_volume()
            if not self._fits(total):
                raise self._fault_no_volume_fits(total)
        where = Place(
            drive=self.name, volume=self._volume_name, object_id=object_id, sequence=sequence, position=self._position
        )
        self._keep_room(total, where)
        self._put(record, where)
        # The label says whether this was the object's last record: it lies behind the size, before the source.
        last = b" last=1 " in bytes(record[512:1024])
        self._book.wrote(copy, sequence, payload_bytes, self._position, last=last)
        self._position += total
        self.written_bytes += total

    def end(self, object_id: str, ending: Ending) -> None:
        """How the object ended; its warnings are cut to what the volume has room for."""
        spare = 1 << 62
        if self._capacity is not None and self._fd >= 0:
            spare = self._capacity - self._position - self._room()
        self._book.end(object_id, ending, spare)

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        """Write the index, wait for the medium, give the folder back."""
        self._finish(seconds)
        if self._book.here():
            # What ended without a record found no room in the last index.
            self._next_volume()
            self._finish(seconds)
            if self._book.here():
                raise self._fault_no_volume_fits(0)
        self._release()
        return self._book.results(self.name, self._agent, None)

    def abandon(self, fault: Exception, seconds: float) -> tuple[CopyResult, ...]:
        """Cut back to the last whole record, confirm what is complete if the medium still can, give the folder back."""
        error = str(fault)
        try:
            if self._fd >= 0 and self._dirty and not self._unsure:
                if self._book.here():
                    self._finish(seconds)
                if self._fd >= 0:
                    self._restore_end()
        except Exception as second:  # noqa: BLE001 - whatever happens here, the report says what is stored
            error = f"{error}; its last volume could not be closed: {second}"
        try:
            self._release()
        except OSError as second:
            error = f"{error}; {second}"
        if self._ledger is None:
            return ()
        return self._ledger.results(self.name, self._agent, error)

    # ------------------------------------------------------------ the volume at mount

    def _load(self, number: int) -> tuple[str, ...]:
        """Open the last volume, prove its end, make it ready to be appended to; or leave it and say why."""
        path = self._magazine.file_of(number)
        place = Place(drive=self.name, volume=path.stem)
        try:
            status = os.stat(path.name, dir_fd=self._magazine.fd, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o222:
                return (f"volume {path.stem} is write-protected: a new volume is begun",)
            fd = os.open(path.name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._magazine.fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR):
                kind = "a symbolic link" if error.errno == errno.ELOOP else "a folder"
                raise MediaFault(
                    f"{path} is {kind}, not a volume", place=place, safe="it was not touched", todo="move it away"
                ) from None
            raise fault_of(error, f"{path} cannot be opened", place, safe="it was not touched") from None
        self._fd = fd
        try:
            reader = from_descriptor(os.dup(fd), path)
        except MediaFault as fault:
            raise _refused(fault, place) from None
        with reader:
            try:
                check_name(reader.label, path.stem)
                if reader.label.pool != self._pool:
                    return self._leave(
                        f"volume {path.stem} belongs to the pool {reader.label.pool or 'that keeps for ever'}:"
                        " a new volume is begun"
                    )
                if reader.last_index() is None:
                    self._forget_cache(place)
                found = tail.prove(reader, now=self._clock())
            except MediaFault as fault:
                raise _refused(fault, place) from None
            size = reader.size
        if not found.appendable:
            return self._leave(*found.notes)
        self._label = reader.label
        self._position = self._first = found.position
        self._previous = found.previous
        self._head_bytes = self._index_head()
        if found.recovered is not None:
            self._write_index(found.recovered, ())
        elif found.unconfirmed is not None:
            self._restore_end()
            self._tell(found.unconfirmed, found.position + _END)
        elif size != found.position + _END:
            self._restore_end()
        self._dirty = False
        return found.notes

    def _forget_cache(self, place: Place) -> None:
        """Have the tail read from the medium: after a failed fsync memory may show what the disk never got."""
        try:
            os.fsync(self._fd)
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise fault_of(error, "the medium does not confirm what a former run left", place) from None

    def _leave(self, *notes: str) -> tuple[str, ...]:
        os.close(self._fd)
        self._fd = -1
        return notes

    # ------------------------------------------------------------ the next volume

    def _next_volume(self) -> None:
        """Begin a new volume: its label is on the medium before anything else is (W1)."""
        session = self._session
        assert session is not None
        place = Place(drive=self.name)
        fd: int | None = None
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
                raise fault_of(
                    error, f"no new volume {label.name} can be made", place, safe="the volumes before it"
                ) from None
            if fd is not None:
                break
        if fd is None:
            raise DriveFault("new files keep taking the names of its next volumes", place=place)
        self._fd, self._label = fd, label
        self._position = self._first = LABEL_BYTES
        self._previous = None
        self._allocated = 0
        self._dirty = self._unsure = False
        self._head_bytes = self._index_head()

    def _finish(self, seconds: float) -> None:
        """End the session on this volume: records, then index, pointer and end reach the medium (W3).

        Where the index has no room for everything it lists what has records here, as room for these was kept; the rest
        stays in the book for the next volume.
        """
        with_records = tuple(copy for copy in self._book.here() if copy.records)
        if with_records:
            self._sync("its records")
        full: DriveFullFault | None = None
        written = False
        for copies, lean in ((self._book.here(), False), (with_records, False), (with_records, True)):
            if written or not copies or self._fd < 0:
                continue
            index = self._index(copies, seconds, lean=lean)
            size = self._position + len(index_format.encode(index, self._position)) + _END
            if self._capacity is not None and size > self._capacity:
                continue
            try:
                self._write_index(index, copies)
                written = True
            except DriveFullFault as fault:
                full = fault
        if not written:
            if full is not None or with_records:
                raise full or self._fault_no_volume_fits(0)
            if self._dirty:
                self._restore_end()
        self._close_volume()

    def _index(self, copies: tuple[Copy, ...], seconds: float, *, lean: bool) -> Index:
        assert self._label is not None and self._session is not None
        return Index(
            volume=self._label.volume,
            session=self._session,
            drive=self.name,
            agent=self._agent,
            ended=self._clock(),
            seconds=round(max(0.0, seconds), 3),
            state="ended",
            first=self._first,
            previous=self._previous,
            objects=self._book.entries_of(copies, lean=lean),
        )

    def _write_index(self, index: Index, copies: tuple[Copy, ...]) -> None:
        """Index, pointer and end at the current position; on the medium when this returns, and then told."""
        assert self._label is not None
        place = Place(drive=self.name, volume=self._volume_name, position=self._position)
        data = index_format.encode(index, self._position)
        self._put(memoryview(data + ustar.END), place)
        self._cut(self._position + len(data) + _END)
        self._sync("its index")
        self._book.confirmed(copies, self._label.volume, self._label.name)
        self._previous = self._position
        self._position += len(data)
        self._first = self._position
        self._dirty = False
        proved = Index(**{name: getattr(index, name) for name in index.__slots__} | {"position": self._previous})
        self._tell(proved, self._position + _END)

    def _tell(self, index: Index, size: int) -> None:
        assert self._label is not None
        path = self._magazine.path / f"{self._label.name}.tar"
        self._on_index(IndexedVolume(self._label, index, path, size))

    def _restore_end(self) -> None:
        """Make the volume end where its last whole member ends, on the medium."""
        self._cut(self._position)
        place = Place(drive=self.name, volume=self._volume_name, position=self._position)
        self._put(memoryview(ustar.END), place)
        self._cut(self._position + _END)
        self._sync("its end")
        self._dirty = False

    def _close_volume(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            # What was confirmed was confirmed by fsync; what was not is not claimed.
            with contextlib.suppress(OSError):
                os.close(fd)

    def _release(self) -> None:
        self._close_volume()
        self._magazine.close()

    # ------------------------------------------------------------ room and bytes

    @property
    def _book(self) -> Ledger:
        if self._ledger is None:
            raise ValueError(f"drive {self.name} is not mounted")
        return self._ledger

    @property
    def _volume_name(self) -> str:
        return self._label.name if self._label is not None else "?"

    def _room(self) -> int:
        """Bytes of index, pointer and end, at most, as things stand."""
        return index_format.room(self._book.entries_bytes, self._book.entries, self._head_bytes) + _END

    def _index_head(self) -> int:
        assert self._label is not None and self._session is not None
        return index_format.head_bytes(
            Index(
                self._label.volume, self._session, self.name, self._agent, self._session.started, 0.0, "ended", 0,
                None, (),
            )
        )  # fmt: skip

    def _fits(self, total: int) -> bool:
        """Whether the volume has room for *total* bytes more, and for the index behind them."""
        return self._capacity is None or self._position + total + self._room() <= self._capacity

    def _keep_room(self, total: int, place: Place) -> None:
        """Take disk room ahead: after the write there must still be room for the index (W6)."""
        needed = self._position + total + self._room()
        if needed <= self._allocated or not self._can_allocate:
            return
        ends = [needed + _AHEAD, needed]
        if self._capacity is not None:
            ends = [min(end, self._capacity) for end in ends]
        start = max(self._allocated, self._position)
        for end in ends:
            try:
                self._can_allocate = keep_room(self._fd, start, end - start)
                self._allocated = end
                return
            except OSError as error:
                if end == ends[-1]:
                    raise self._failed(error, "there is no room for the next record", place) from None

    def _put(self, data: memoryview, place: Place) -> None:
        """Write *data* at the current position, all of it."""
        done = 0
        self._dirty = True
        while done < len(data):
            try:
                got = os.pwrite(self._fd, data[done:] if done else data, self._position + done)
            except OSError as error:
                raise self._failed(error, "writing failed", place) from None
            if got == 0:
                raise DriveFault("the medium takes no more bytes", place=place)
            done += got

    def _cut(self, size: int) -> None:
        """Make the volume *size* bytes long; room taken ahead goes back to the disk."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self._failed(error, "it cannot be cut to its end", self._here()) from None
        self._allocated = 0

    def _sync(self, what: str) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            self._unsure = True
            raise self._failed(error, f"the medium does not confirm {what}", self._here()) from None

    def _here(self) -> Place:
        return Place(drive=self.name, volume=self._volume_name, position=self._position)

    def _failed(self, error: OSError, what: str, place: Place) -> DriveFault:
        return fault_of(
            error,
            what,
            place,
            safe="earlier sessions on this volume, and what the report calls stored",
        )

    def _fault_no_volume_fits(self, total: int) -> Fault:
        needed = LABEL_BYTES + total + self._room()
        return DriveFullFault(
            f"its capacity of {self._capacity} bytes is too small: an empty volume needs {needed} bytes for its label,"
            f" one record and the index of {self._book.entries} object(s)",
            place=Place(drive=self.name, volume=self._volume_name),
            safe="all sessions before this one",
            todo="give the drive a larger capacity",
        )


def _refused(fault: MediaFault, place: Place) -> MediaFault:
    """*fault* with the drive's name, and what an administrator does about a volume that is refused."""
    return MediaFault(
        f"the last volume of its folder is refused: {fault.message}",
        place=place,
        safe="the file was not touched",
        todo=fault.todo or "look at it with `tcc volume show`, or move it away; the next run then goes on behind it",
    )
